"""Values that a state lets go and loads again, in both implementations."""

from __future__ import annotations

from typing import Any

import pytest

from session.constants import INSTANCE_STATE, PASSIVE_NO_FETCH, PASSIVE_NO_RESULT, PASSIVE_OFF

from ..hot import World, collect, state_of


def test_expire_forgets_the_values_of_mapped_attributes_only(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    manager = world.manager(type(thing))
    parts = thing.parts
    thing.parts.append(world.make(type(thing)))
    thing.own = "kept"
    state.load_options = "options"
    state.extra("empty", dict)["parts"] = "empty"
    state.extra("pending", dict)["parts"] = "queued"
    state.callables["name"] = state.callables["note"] = len
    expired: list[Any] = []
    manager.dispatch.expire.append(lambda *args: expired.append(args))
    manager.expire_listened = True
    state.expire(thing.__dict__)
    assert set(thing.__dict__) == {INSTANCE_STATE, "label", "own"}
    assert state.expired
    assert (state.committed, state.modified, state._strong_obj) == (None, False, None)
    assert state.expired_keys is manager.expirable
    assert state.extras == {}
    assert (state.load_options, state.load_path) == ("options", None)
    assert expired == [(state, None)]
    assert world.home._modified == {}
    assert parts._sa_adapter is None or parts._sa_adapter.invalidated


def test_expire_lets_finalizers_meddle(world: World) -> None:
    class Meddler:
        def __init__(self, dict_: dict[str, Any]) -> None:
            self.dict_ = dict_

        def __del__(self) -> None:
            self.dict_.pop("b", None)
            self.dict_["d"] = 1
            self.dict_.update({f"more {number}": 1 for number in range(50)})

    obj = world.make(world.map(columns=("a", "b", "c", "d")))
    dict_ = obj.__dict__
    dict_.update(a=Meddler(dict_), b=2, c=Meddler(dict_), d=4)
    state_of(obj).expire(dict_)
    collect()
    assert "a" not in dict_
    assert "c" not in dict_


def test_expire_attributes_forgets_some(world: World, thing: Any) -> None:
    state = state_of(thing)
    world.impl(type(thing), "note").loader = lambda state, passive: None
    state.commit_all(thing.__dict__)
    thing.name = "two"
    state.expire_attributes(thing.__dict__, ["name", "note", "parts"])
    assert state.expired_keys == {"name", "note"}
    assert "name" not in thing.__dict__
    assert state.committed == {}
    state.expired_keys = None
    state.expire_attributes(thing.__dict__, iter(["name", "note"]), no_loader=True)
    assert state.expired_keys == {"name"}
    state.expire_attributes(thing.__dict__, ["id"])
    assert state.expired_keys == {"name", "id"}
    with pytest.raises(KeyError):
        state.expire_attributes(thing.__dict__, ["unheard of"])


def test_expired_attributes_come_back_in_one_load(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    world.manager(type(thing)).row = {"id": 1, "name": "fresh", "note": "fresh too"}
    state.expire(thing.__dict__)
    assert state.load_expired(PASSIVE_NO_FETCH) is PASSIVE_NO_RESULT
    thing.note = "changed"
    assert thing.name == "fresh"
    assert thing.note == "changed"
    assert world.log == [("tuple", "load expired", ("list", "id", "name"), PASSIVE_OFF)]
    assert state.expired_keys is None
