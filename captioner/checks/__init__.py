"""Rules over media, captions, configs, caches and LoRA files: what each costs the listener, and how to mend it."""
