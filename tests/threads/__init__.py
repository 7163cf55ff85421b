"""Threads: one Session is for one of them at a time, and says so; what Sessions share is for all."""
