"""The service over the data channel of a session."""
