"""No trainer in mind: the defaults."""

SETTINGS = {}
