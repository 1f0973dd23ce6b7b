"""The review: where a person hears, sees, corrects and decides, and nothing of it is lost."""
