"""What the tests of mappings read from tables."""

from __future__ import annotations

from typing import Any


def columns_of(cls: Any) -> list[str]:
    return list(cls.__table__.c.keys())
