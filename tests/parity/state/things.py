"""An object of a class with columns and a collection."""

from __future__ import annotations

from typing import Any

from ..hot import World


def make(world: World) -> Any:
    return world.make(world.map(columns=("id", "name", "note"), collections=("parts",)), id=1, name="one")
