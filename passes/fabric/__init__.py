"""Kernels as programs of the units between FIFOs: their graphs, loops and FIFO sizes."""
