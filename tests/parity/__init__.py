"""The same tests on the compiled and the pure hot modules."""
