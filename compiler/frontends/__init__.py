"""Front ends: PyTorch and MLIR text to the tensor level."""
