"""What stands around an array: DACs on word lines, sense amplifiers and ADCs on bit lines, ideal ones and real ones."""
