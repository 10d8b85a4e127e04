"""The Q/DQ rules of the targets: what breaks them, and the exact way back."""
