"""Unit kinds: cycles and energy of an op on a token."""
