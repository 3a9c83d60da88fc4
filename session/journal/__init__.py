"""What is on file of the sessions, and how it is told to those who listen."""
