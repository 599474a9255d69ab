"""Figures of maps, traces, runs and arrays; imports matplotlib, so only commands that draw import from here."""
