"""Relationships whose first read loads them for all objects that came in the same result."""
