"""The one thread that owns the engine: what it is asked, in which order, and what it reports."""
