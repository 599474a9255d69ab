"""Instruments played by the simulation: their terminals, languages and transports, for anybody's driver."""
