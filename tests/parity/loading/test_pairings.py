"""Children beside their parents, in both implementations."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import SAWarning

from ..hot import Context, World, label, state_of
from .rows import COLUMNS


def test_related_objects_are_set_beside_their_parents(world: World, cls: Any) -> None:
    child_cls = world.map(columns=COLUMNS)
    children = world.loader(child_cls, COLUMNS)
    children.positions = [(key, at + 3) for key, at in children.positions]
    children.pk_positions = (3,)
    for pairing in (
        world.pairings.ScalarPairing("other", children),
        world.pairings.CollectionPairing("parts", children),
    ):
        world.home.clear()
        loader = world.loader(cls, COLUMNS)
        loader.nested = [pairing]
        loader.bind([None] * 6)
        rows = [
            (1, "one", None, 7, "seven", None),
            (2, "two", None, None, None, None),
            (None, None, None, 7, None, None),
            (2, "two", None, 9, "nine", None),
            (2, "two", None, 9, "nine", None),
        ]
        context = Context(world.home)
        if pairing.key == "other":
            with pytest.warns(SAWarning, match=r"Thing\.other holds one object"):
                objects = loader.load(context, rows)
            assert [each and each.other and each.other.name for each in objects] == ["seven", None, None, None, None]
            assert not loader.needs_unique
        else:
            objects = loader.load(context, rows)
            assert [each and [part.name for part in each.parts] for each in objects] == [
                ["seven"],
                ["nine"],
                None,
                ["nine"],
                ["nine"],
            ]
            assert loader.needs_unique
        assert [label(each) for each in context.kept] == ["a Thing", "a Thing"]


def test_a_pending_change_is_not_overwritten_by_what_was_loaded(world: World, cls: Any) -> None:
    child_cls = world.map(columns=COLUMNS)
    children = world.loader(child_cls, COLUMNS)
    for name, key in (("ScalarPairing", "other"), ("CollectionPairing", "parts")):
        parent = world.make(cls)
        state_of(parent).committed = {key: None}
        pairing = getattr(world.pairings, name)(key, children)
        pairing.bind([None] * 3)
        context = Context(world.home)
        pairing.pair(context, [parent], [(1, "one", None)])
        assert key not in parent.__dict__


def test_a_list_becomes_the_loaded_value_of_a_collection(world: World, cls: Any) -> None:
    parent, part = world.make(cls), world.make(cls)
    world.pairings.set_collection(parent, "parts", [part])
    assert list(parent.parts) == [part]
    assert state_of(parent).committed is None
    with pytest.raises(KeyError):
        world.pairings.set_collection(parent, "unheard of", [])


def test_both_show_the_same_names(worlds: tuple[World, World]) -> None:
    compiled, pure = worlds
    assert compiled.pairings.__all__ == pure.pairings.__all__
