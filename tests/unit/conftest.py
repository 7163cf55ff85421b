"""Fixtures: a base of declarative classes."""

from __future__ import annotations

from typing import Any

import pytest

from session import DeclarativeBase


@pytest.fixture
def base() -> Any:
    class Base(DeclarativeBase):
        pass

    return Base
