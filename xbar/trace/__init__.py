"""The trace: every operation of a run on disk, readable after a crash, and replayed as a bench."""
