"""The screen and the parts of its work: typing into fields, prompts, moving edges, hearing."""
