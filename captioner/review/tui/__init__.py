"""The review on a terminal: a first page that needs the standard library only, then the whole screen."""
