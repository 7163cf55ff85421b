"""Rows, and loaders for them."""

from __future__ import annotations

from typing import Any

from ..hot import World

COLUMNS = ("id", "name", "note")
ROWS = [(1, "one", None), (2, "two", "n"), (None, None, None), (1, "again", "again")]


def bound(world: World, cls: Any, columns: Any = COLUMNS, processors: Any = None, **settings: Any) -> Any:
    loader = world.loader(cls, columns)
    for name, value in settings.items():
        setattr(loader, name, value)
    loader.bind(processors or [None] * len(columns))
    return loader
