"""What stands around an array: the DACs that drive the word lines, the ADCs that convert bit-line currents."""
