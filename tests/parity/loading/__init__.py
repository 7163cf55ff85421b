"""Rows to instances, in both implementations."""
