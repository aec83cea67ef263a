"""The host engine: machine code for this processor from lowered IR, its memory, and its threads."""
