"""Machine models, interpreter, simulator and the bridge to MLIR."""
