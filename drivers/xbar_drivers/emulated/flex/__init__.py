"""FLEX, the command language of the Keysight B1500A."""
