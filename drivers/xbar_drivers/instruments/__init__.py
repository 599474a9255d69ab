"""Instruments over VISA: one file for each family, thin classes with checked properties and native sweeps."""
