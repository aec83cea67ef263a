"""Where buffers stand in memory: tiers, offsets and the IR that says so."""
