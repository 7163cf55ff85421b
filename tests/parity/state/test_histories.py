"""What history keeps of old values, in both implementations."""

from __future__ import annotations

from typing import Any

import pytest

from session.constants import NO_VALUE

from ..hot import World, state_of


@pytest.mark.parametrize(
    ("previous", "kept"),
    [(["given"], ["given"]), (NO_VALUE, ["there"]), (None, None)],
)
def test_a_copy_is_kept_of_what_changes_in_place(world: World, previous: Any, kept: Any) -> None:
    dict_ = {"parts": ["there"]}
    copied: list[Any] = []

    def copier(value: Any) -> Any:
        copied.append(value)
        return list(value)

    found = world.histories.kept_copy(dict_, "parts", previous, copier)
    assert found == kept
    assert found is not previous or found is None
    assert found is not dict_["parts"]
    assert copied == [kept] * (kept is not None)


def test_where_there_was_nothing_nothing_is_copied(world: World) -> None:
    assert world.histories.kept_copy({}, "parts", NO_VALUE, lambda value: 1 // 0) is NO_VALUE
    assert world.histories.kept_copy({"parts": None}, "parts", NO_VALUE, lambda value: 1 // 0) is None
    with pytest.raises(ZeroDivisionError):
        world.histories.kept_copy({"parts": []}, "parts", NO_VALUE, lambda value: 1 // 0)


def test_the_last_values_are_noted_as_far_as_they_are_there(world: World) -> None:
    known = {"a": NO_VALUE, "b": "noted"}
    world.histories.remember_known(known, {"a": 1, "c": 3})
    assert known == {"a": 1, "b": "noted"}
    for wrong in (None, 5):
        with pytest.raises(TypeError):
            world.histories.remember_known(wrong, {"a": 1})


def test_objects_that_set_the_same_have_histories_of_their_own_to_change(world: World) -> None:
    cls = world.map(columns=("id", "name", "note"))
    first, second = (world.make(cls, id=1, name="one") for _ in range(2))
    first.note = "n"
    state_of(second).own_committed()["more"] = 1
    third = world.make(cls, id=1, name="one")
    committed = [list(state_of(each).committed) for each in (first, second, third)]
    assert committed == [["id", "name", "note"], ["id", "name", "more"], ["id", "name"]]


def test_both_show_the_same_names(worlds: tuple[World, World]) -> None:
    compiled, pure = worlds
    assert compiled.histories.__all__ == pure.histories.__all__
