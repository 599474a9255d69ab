"""Measurements in the files of other programs, brought into traces: arc2control, QCoDeS."""
