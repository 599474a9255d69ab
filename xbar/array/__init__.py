"""Simulated arrays: the state of every cell over time, and products through devices, wires and converters."""
