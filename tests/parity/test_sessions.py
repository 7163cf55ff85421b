"""The same random programs on the whole package, once in each implementation: statements, values, history, errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from .process import printed


@pytest.mark.parametrize("first", range(0, 6, 3))
def test_random_sessions_print_the_same(first: int, compiled_is_built: None) -> None:
    seeds = [str(seed) for seed in range(first, first + 3)]
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(printed, "random_sessions", *seeds, implementation=name) for name in ("compiled", "pure")]
    compiled, pure = (run.result() for run in runs)
    for line, (ours, theirs) in enumerate(zip(compiled[1:], pure[1:], strict=True)):
        assert ours == theirs, f"line {line}"
