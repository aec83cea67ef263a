"""Pure functions about the IR that several passes share."""
