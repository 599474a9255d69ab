"""Calibration for xbar: fit a device card to a trace, one file for each fitted law."""
