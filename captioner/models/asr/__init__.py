"""What is said: transcribers."""
