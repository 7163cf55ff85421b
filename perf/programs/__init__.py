"""The programs, by theme; `perf.catalogue` lists them all."""
