"""Tile sizes of kernels: their edges, cost and search."""
