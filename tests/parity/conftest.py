"""Fixtures of the parity tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.conftest import Implementation
from tests.parity.hot import World


@pytest.fixture
def world(implementation: Implementation) -> World:
    """The hot modules of each implementation in turn, and a place to map classes by hand."""
    return World(implementation)


@pytest.fixture
def worlds(both: tuple[Implementation, Implementation]) -> tuple[World, World]:
    """Both at once: the compiled one first."""
    compiled, pure = both
    return World(compiled), World(pure)


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """These tests collect garbage all the time: take what was there before them out of it."""
    if hasattr(gc, "freeze"):
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
    else:
        yield


@pytest.fixture
def compiled_is_built(both: tuple[Implementation, Implementation]) -> None:
    """Skips, or fails where it is required, without the compiled modules."""
    assert both[0].state is not None
