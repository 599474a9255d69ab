"""A package of another laboratory, which brings a driver."""
