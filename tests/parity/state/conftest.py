"""Fixtures: an object with a state."""

from __future__ import annotations

from typing import Any

import pytest

from ..hot import World
from .things import make


@pytest.fixture
def thing(world: World) -> Any:
    """An object that outlives its test; where it is to die, the test makes one itself."""
    return make(world)
