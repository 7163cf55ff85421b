"""The tests: `unit` by layer, `parity` over both implementations, `integration` with real databases."""
