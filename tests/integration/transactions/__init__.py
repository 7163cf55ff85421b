"""Transactions of a Session: begin, commit, rollback, savepoints, failed flushes, joined transactions."""
