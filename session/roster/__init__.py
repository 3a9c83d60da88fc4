"""Who is here: sessions that stream, that wait for a sender, that have ended."""
