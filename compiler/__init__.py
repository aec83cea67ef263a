"""dfc: a dataflow compiler from PyTorch to modelled accelerators."""
