"""Standing queries: from a probability for each window to events with their evidence."""
