"""The host engine: models on the processor that dfc runs on."""
