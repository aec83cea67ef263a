"""Papers' figures beside ours: each one computed by the compiler and the simulators, none written down."""

from dfc.reproduce.claims import PAPERS, Claim, Paper, reproduce

__all__ = ["PAPERS", "Claim", "Paper", "reproduce"]
