"""Products and attention as native code for the host."""
