"""Flushes of many rows at once, as one array for each column; on PostgreSQL, which can unfold them."""
