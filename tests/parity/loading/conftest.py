"""Fixtures: a class to be loaded, and the context of both ways to load it."""

from __future__ import annotations

from typing import Any

import pytest

from ..hot import Context, World
from .rows import COLUMNS


@pytest.fixture
def cls(world: World) -> Any:
    return world.map(columns=COLUMNS, references=("other",), collections=("parts",))


@pytest.fixture(params=["plain", "general"])
def context(request: pytest.FixtureRequest, world: World) -> Context:
    """The context of a load that takes the short way, then that of one that takes the long way."""
    return Context(world.home, plain=request.param == "plain")
