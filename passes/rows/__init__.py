"""Work on rows as native code for the host: lanes, masks, sums and functions."""
