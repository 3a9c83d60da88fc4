"""A running record in words, and the questions that are answered from it."""
