"""Changes that a state notes and forgets, in both implementations."""

from __future__ import annotations

from typing import Any

import pytest

from session.constants import NO_VALUE
from session.exc import ObjectDereferencedError

from ..hot import World, collect, state_of
from .things import make


def test_the_first_old_value_is_the_one_that_is_kept(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.commit_all(thing.__dict__)
    state.modified_event(thing.__dict__, "name", "one")
    state.modified_event(thing.__dict__, "name", "two")
    state.modified_event(thing.__dict__, "note", NO_VALUE)
    assert state.committed_state == {"name": "one", "note": NO_VALUE}
    assert list(state.committed) == ["name", "note"]
    assert state.modified


def test_a_collection_is_copied_when_it_changes_first(world: World, thing: Any) -> None:
    state = state_of(thing)
    copied: list[Any] = []

    def copier(value: Any) -> Any:
        copied.append(value)
        return list(value)

    thing.__dict__["parts"] = [1]
    state.modified_event(thing.__dict__, "parts", NO_VALUE, copier)
    thing.__dict__["parts"].append(2)
    state.modified_event(thing.__dict__, "parts", NO_VALUE, copier)
    assert state.committed["parts"] == [1]
    assert len(copied) == 1
    state.modified_event(thing.__dict__, "none", None, copier)
    state.modified_event(thing.__dict__, "absent", NO_VALUE, copier)
    assert state.committed["none"] is None
    assert state.committed["absent"] is NO_VALUE


def test_a_copier_that_fails_leaves_no_history(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.commit_all(thing.__dict__)
    with pytest.raises(ZeroDivisionError):
        state.modified_event(thing.__dict__, "name", 1, lambda value: value / 0)
    assert "name" not in state.committed_state
    assert not state.modified


def test_a_copier_may_forget_the_history_meanwhile(world: World, thing: Any) -> None:
    state = state_of(thing)

    def copier(value: Any) -> Any:
        state.commit_all(thing.__dict__)
        state.expire(thing.__dict__)
        collect()
        return [value]

    state.modified_event(thing.__dict__, "fresh", "old", copier)
    assert state.modified


def test_a_modified_object_of_a_session_is_held(world: World) -> None:
    thing = make(world)
    state = world.file(thing, 1)
    state.commit_all(thing.__dict__)
    assert state._strong_obj is None
    thing.name = "two"
    assert state._strong_obj is thing
    assert list(world.home._modified) == [state]
    assert world.owner.begun == 1
    thing.name = "three"
    assert world.owner.begun == 1
    del thing
    collect()
    assert state().name == "three"
    state.commit_all(state().__dict__)
    collect()
    assert state() is None
    assert world.home._modified == {}


def test_a_pending_object_is_held_but_not_among_the_modified(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.home = world.home
    state.mark_modified()
    assert state._strong_obj is thing
    assert world.home._modified == {}


def test_a_change_after_death_is_an_error(world: World) -> None:
    thing = make(world)
    state = state_of(thing)
    state.commit_all(thing.__dict__)
    del thing
    collect()
    with pytest.raises(ObjectDereferencedError, match=r"Attribute 'name' of a Thing object"):
        state.modified_event({}, "name", NO_VALUE)
    with pytest.raises(ObjectDereferencedError, match=r"Attribute None of a Thing object"):
        state.mark_modified()


def test_an_error_of_the_session_comes_out_of_a_change(world: World, thing: Any) -> None:
    class Refusing:
        _transaction = None

        def _autobegin_for_change(self) -> None:
            raise RuntimeError("not now")

    owner = Refusing()
    world.home = world.identity.IdentityMap(owner)
    state = world.file(thing, 1)
    state.commit_all(thing.__dict__)
    with pytest.raises(RuntimeError, match="not now"):
        thing.name = "two"
    assert thing.name == "one"
    assert state.modified


def test_commit_forgets_the_history_of_some(world: World, thing: Any) -> None:
    state = state_of(thing)
    thing.note = "n"
    state.expired_keys = frozenset({"id", "name", "other"})
    state.extra("pending", dict).update({"name": 1, "absent": 2})
    state.commit(thing.__dict__, ("name", "absent"))
    assert list(state.committed) == ["id", "note"]
    assert state.expired_keys == {"id", "other"}
    assert state._pending_mutations == {"absent": 2}
    assert state.modified
    state.commit(thing.__dict__, ("id", "other"))
    assert state.expired_keys == {"other"}
    thing.__dict__["other"] = 1
    state.commit(thing.__dict__, ["other"])
    assert state.expired_keys is None


def test_commit_all_forgets_everything(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    state.mark_modified()
    state.expired = True
    state.expired_keys = frozenset({"name", "absent"})
    state.extra("pending", dict)["name"] = 1
    state.commit_all(thing.__dict__)
    assert (state.committed, state.expired, state.modified, state._strong_obj) == (None, False, False, None)
    assert state.expired_keys == {"absent"}
    assert state.peek("pending") is None
    assert world.home._modified == {}
