"""Faults of the driver, of the server and of the process: nothing half-written, no Session that lies."""
