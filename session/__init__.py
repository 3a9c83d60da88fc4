"""Who is here, what they asked and what they were answered. `session.app` puts it together."""
