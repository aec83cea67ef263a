"""Values: the reference interpreter of every level of the IR."""
