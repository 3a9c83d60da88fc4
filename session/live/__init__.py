"""A session while it streams: media in, questions, answers."""
