"""The laws of the system, as property tests: on random tiny weights and on the built-in model."""
