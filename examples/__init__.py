"""Programs that show `session` at work."""
