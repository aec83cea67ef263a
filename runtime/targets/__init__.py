"""The shipped targets (TOML)."""
