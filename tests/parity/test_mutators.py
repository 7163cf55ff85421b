"""The reporting mutators of collections and the adapter they report to, in both implementations."""

from __future__ import annotations

import random
import weakref
from collections.abc import Iterator
from functools import wraps
from typing import Any

import pytest

from session.instrument.mutators import roles_of_builtin

from .hot import World, outcome, state_of

PLAIN = {list: list.extend, set: set.update}
ITEMS = ["a", "b", "c", "d", None]


class Recorder:
    """In place of an attribute's implementation."""

    key = "parts"
    class_ = World
    send_modified = False

    def __init__(self, refuses: str | None = None) -> None:
        self.log: list[Any] = []
        self.refuses = refuses

    def _note(self, event: str, item: Any, initiator: Any, key: Any) -> Any:
        self.log.append((event, item, initiator, key))
        if item is not None and item == self.refuses:
            raise LookupError(item)
        return item

    def fire_append_event(self, state: Any, dict_: Any, item: Any, initiator: Any, key: Any = None) -> Any:
        return self._note("append", item, initiator, key)

    def fire_append_wo_mutation_event(self, state: Any, dict_: Any, item: Any, initiator: Any, key: Any = None) -> Any:
        return self._note("again", item, initiator, key)

    def fire_remove_event(self, state: Any, dict_: Any, item: Any, initiator: Any, key: Any = None) -> None:
        self._note("remove", item, initiator, key)

    def fire_pre_remove_event(self, state: Any, dict_: Any, initiator: Any, key: Any = None) -> None:
        self._note("will remove", None, initiator, key)


def reporting(world: World, kind: type[Any], plain: bool = True) -> type[Any]:
    """Give a subclass of a built-in whose mutators report."""
    made: Any = type("Reporting", (kind,), {"_sa_adapter": None})
    for name, wrapper in world.mutators.WRAPPERS[kind].items():
        method = getattr(kind, name)
        setattr(made, name, wraps(method)(wrapper(method)))
    made._session_kind, made._session_roles = roles_of_builtin(kind)
    if kind is dict:
        made._session_roles |= {"appender": "take", "remover": "drop"}
        made.take = lambda self, item, _sa_initiator=None: self.__setitem__(item, item, _sa_initiator)
        made.drop = lambda self, item, _sa_initiator=None: self.__delitem__(item, _sa_initiator)
    made._session_fill = PLAIN.get(kind) if plain else None
    return made  # type: ignore[no-any-return]


def adapted(world: World, kind: type[Any], refuses: str | None = None, plain: bool = True) -> tuple[Any, Any, Recorder]:
    owner = world.make(world.map())
    data = reporting(world, kind, plain)()
    recorder = Recorder(refuses)
    adapter = data._sa_adapter = world.adapters.CollectionAdapter(recorder, state_of(owner), data)
    data.owner = owner
    return data, adapter, recorder


def test_both_wrap_the_same_methods(worlds: tuple[World, World]) -> None:
    compiled, pure = (world.mutators.WRAPPERS for world in worlds)
    assert {kind: list(names) for kind, names in compiled.items()} == {
        kind: list(names) for kind, names in pure.items()
    }


def test_an_adapter_ties_a_collection_to_its_owner(world: World) -> None:
    data, adapter, recorder = adapted(world, list)
    data.append("a")
    assert recorder.log == [("append", "a", None, None)]
    assert (adapter.data, adapter.owner, adapter.attr, adapter._key) == (data, data.owner, recorder, "parts")
    assert (list(adapter), len(adapter), bool(adapter)) == (["a"], 1, True)
    assert weakref.ref(adapter)() is adapter
    assert (adapter.empty, adapter.invalidated) == (False, False)


def test_without_an_adapter_nothing_is_reported(world: World) -> None:
    bare = reporting(world, list)()
    bare.append("a")
    bare[0] = "b"
    assert bare == ["b"]
    data, _, recorder = adapted(world, list)
    data.append("a", _sa_initiator=False)
    data.remove("a", _sa_initiator=False)
    assert recorder.log == []


def test_an_empty_collection_becomes_the_owners_at_its_first_change(world: World) -> None:
    data, adapter, _ = adapted(world, list)
    state_of(data.owner).extra("empty", dict)["parts"] = data
    adapter.empty = True
    data.append("a")
    assert data.owner.__dict__["parts"] is data
    assert state_of(data.owner).extras["empty"] == {}
    assert not adapter.empty


def test_a_change_of_a_replaced_collection_is_warned_of(world: World) -> None:
    data, adapter, _ = adapted(world, list)
    adapter.invalidated = True
    with pytest.warns(Warning, match=r"This collection of World\.parts has been invalidated"):
        data.append("a")


@pytest.mark.parametrize("kind", [list, set, dict])
def test_wrong_values_are_refused(world: World, kind: type[Any]) -> None:
    _data, adapter, _ = adapted(world, kind)
    right: Any = {list: ["a"], set: {"a"}, dict: {"a": "a"}}[kind]
    assert adapter.incoming(right) == ["a"]
    assert adapter.keys_of(right) == (["a"] if kind is dict else None)
    for wrong in (1, "text", None, object()):
        with pytest.raises(TypeError, match="Incompatible collection type"):
            adapter.incoming(wrong)
    assert adapter.incoming(iter("ab"), False) == ["a", "b"]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [list, set, dict])
def test_random_programs_report_the_same_in_both(worlds: tuple[World, World], kind: type[Any], seed: int) -> None:
    for number, (compiled, pure) in enumerate(zip(*(program(world, kind, seed) for world in worlds), strict=True)):
        assert compiled == pure, number


def program(world: World, kind: type[Any], seed: int) -> Iterator[Any]:
    chance = random.Random(seed)
    data, adapter, recorder = adapted(world, kind, chance.choice(["a", None]), chance.random() < 0.5)
    for _ in range(150):
        gives = step(chance, kind, data, adapter)
        content = sorted(map(str, data)) if kind is set else list(data.items() if kind is dict else data)
        log, recorder.log = recorder.log, []
        yield gives if kind is not set else str(gives)[:40], content, sorted(map(str, log)) if kind is set else log


def step(chance: random.Random, kind: type[Any], data: Any, adapter: Any) -> Any:
    one, other, at = chance.choice(ITEMS), chance.choice(ITEMS), chance.randrange(-3, 4)
    some = chance.sample(ITEMS, 2)
    pairs = {item: chance.choice(ITEMS) for item in some}
    common: list[Any] = [
        lambda: adapter.append_with_event(one, "token"),
        lambda: adapter.append_without_event(one),
        lambda: adapter.append_multiple_without_event(some),
        lambda: adapter.remove_with_event(one, "token"),
        lambda: adapter.remove_without_event(one),
        lambda: adapter.clear_with_event("token"),
        lambda: adapter.clear_without_event(),
        lambda: data.clear(),
    ]
    own: dict[type[Any], list[Any]] = {
        list: [
            lambda: data.append(one),
            lambda: data.remove(one),
            lambda: data.insert(at, one),
            lambda: data.__setitem__(at, one),
            lambda: data.__setitem__(slice(at, None), some),
            lambda: data.__setitem__(slice(None, None, 2), some),
            lambda: data.__delitem__(at),
            lambda: data.__delitem__(slice(0, at)),
            lambda: data.extend(some),
            lambda: data.__iadd__(iter(some)),
            lambda: data.pop(at),
            lambda: data.pop(),
            lambda: data.extend(1),
        ],
        set: [
            lambda: data.add(one),
            lambda: data.discard(one),
            lambda: data.remove(one),
            lambda: sorted(map(str, [data.pop()] if len(data) == 1 else [])),
            lambda: data.add([]),
            lambda: data.__ior__([one]) is NotImplemented,
        ]
        + [
            lambda name=name: getattr(data, name)({one})
            for name in (
                "update",
                "__ior__",
                "difference_update",
                "__isub__",
                "symmetric_difference_update",
                "__ixor__",
            )
        ],
        dict: [
            lambda: data.__setitem__(one, other),
            lambda: data.__delitem__(one),
            lambda: data.pop(one),
            lambda: data.pop(one, other),
            lambda: data.popitem(),
            lambda: data.setdefault(one, other),
            lambda: data.update(pairs),
            lambda: data.update([(one, other)], b=other),
            lambda: data.__ior__(pairs),
            lambda: data.__setitem__([], one),
        ],
    }
    return outcome(chance.choice(common + own[kind] * 2))
