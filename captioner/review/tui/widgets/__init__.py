"""What the screen is made of: drawing is pure (values in, lines of pieces out); panes only hold finished lines."""
