"""Instance states, in both implementations."""
