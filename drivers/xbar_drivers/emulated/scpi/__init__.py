"""SCPI-1999: program messages, their parser, and the tree of commands of an instrument."""
