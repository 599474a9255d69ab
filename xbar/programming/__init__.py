"""Programming of cells by pulses and readings: plans over `Crossbar` alone, for simulated and real benches alike."""
