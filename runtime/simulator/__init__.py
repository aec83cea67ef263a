"""Time: the simulator of program-level IR."""
