"""Leaks and crashes, looked for in processes of their own."""

from __future__ import annotations

import pytest

from .process import printed


@pytest.mark.parametrize("implementation_name", ["compiled", "pure"])
@pytest.mark.parametrize("program", ["leaks", "constant_collection"])
def test_program_runs_clean(program: str, implementation_name: str, compiled_is_built: None) -> None:
    assert printed(program, implementation=implementation_name)[-1] == "clean"
