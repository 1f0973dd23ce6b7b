"""What is said: transcribers."""

BACKENDS = ("faster_whisper", "ctm")
