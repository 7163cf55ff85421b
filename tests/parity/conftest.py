"""Fixtures of the parity tests; and a sample of them, for who looks on and makes them slow.

``SESSION_PARITY_SAMPLE=n``: of each test that works with the compiled modules, in this process, the first n of its
parameters and nothing else.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from session.heard import heard
from tests.conftest import Implementation
from tests.parity.hot import World

SAMPLE = int(os.environ.get("SESSION_PARITY_SAMPLE") or 0)
OWN_PROCESSES = ("test_isolated", "test_pickles", "test_sessions")


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    if not SAMPLE:
        return
    seen: Counter[tuple[str, str]] = Counter()
    left = []
    for item in list(items):
        test = item.module.__name__, item.originalname
        pure = "pure" in (*item.callspec.params.values(), "") if hasattr(item, "callspec") else False
        drawn = hasattr(item.obj, "hypothesis")
        seen[test] += not pure
        if pure or drawn or seen[test] > SAMPLE or test[0].endswith(OWN_PROCESSES):
            left.append(item)
            items.remove(item)
    config.hook.pytest_deselected(items=left)


@pytest.fixture(autouse=True)
def all_is_heard() -> Iterator[None]:
    """The listeners of these tests stand in lists of their own: the names of their events are noted for them."""
    before = set(heard)
    heard.update(("load", "refresh", "loaded_as_persistent"))
    yield
    heard.intersection_update(before)


@pytest.fixture
def world(implementation: Implementation) -> World:
    """The hot modules of each implementation in turn, and a place to map classes by hand."""
    return World(implementation)


@pytest.fixture
def worlds(both: tuple[Implementation, Implementation]) -> Iterator[tuple[World, World]]:
    """Both at once: the compiled one first. Garbage goes when the test collects it, at the same step in both."""
    compiled, pure = both
    gc.disable()
    try:
        yield World(compiled), World(pure)
    finally:
        gc.enable()


@pytest.fixture
def compiled_is_built(both: tuple[Implementation, Implementation]) -> None:
    """Skips, or fails where it is required, without the compiled modules."""
    assert both[0].state is not None
