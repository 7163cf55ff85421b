"""What one implementation has pickled, the other loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from .process import printed


@pytest.mark.parametrize("reader", ["compiled", "pure"])
@pytest.mark.parametrize("writer", ["compiled", "pure"])
def test_pickles_go_from_one_to_the_other(writer: str, reader: str, tmp_path: Path, compiled_is_built: None) -> None:
    path = tmp_path / "pickled"
    printed("pickled", "write", str(path), implementation=writer)
    printed("pickled", "read", str(path), implementation=reader)
