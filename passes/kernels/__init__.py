"""Kernels of a fused graph: what may join, how they grow, and how they are written."""
