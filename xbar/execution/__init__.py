"""A mapped network on a bench: placement, runs, accuracy, layer error, effects, error budget, repeats over chips."""
