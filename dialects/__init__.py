"""The dialects of dfc, one file per dialect."""
