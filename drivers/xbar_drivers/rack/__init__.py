"""A rack of source-measure units and a relay matrix, wired to an array: a driver."""
