"""TSP, the scripting language of Keithley instruments: real Lua in a process of its own."""
