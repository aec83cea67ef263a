"""The passes of dfc, one file per pass, loaded on first use."""
