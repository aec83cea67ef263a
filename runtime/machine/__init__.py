"""Machine models: targets read from TOML and the unit kinds."""
