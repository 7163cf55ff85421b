"""Programs that the parity tests run in processes of their own, once for each implementation."""
