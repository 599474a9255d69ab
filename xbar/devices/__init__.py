"""What a cell does: one law a file, and the device cards that gather them.

Laws are frozen dataclasses whose methods are functions of arrays: they run in the namespace of their arguments, in
double precision, never change an argument and never draw a random number themselves. Quantities are in SI units.
"""
