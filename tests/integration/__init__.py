"""Tests of the whole with SQLite, PostgreSQL, builds and other processes."""
