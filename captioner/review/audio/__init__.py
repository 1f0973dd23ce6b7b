"""Ways to hear a clip: one protocol, and a file for each way."""
