"""The loops of a flush, in both implementations."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
from sqlalchemy import func, text

from session.constants import NO_VALUE

from .hot import World, collect, dead, outcome, picture, show, state_of

KEYS = ("id", "name", "note", "stamp")


@pytest.fixture
def cls(world: World) -> Any:
    return world.map(columns=KEYS)


class Defaults:
    """In place of the context that the functions of defaults are given."""

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def begin(self, fields: Any, mask: int, row: list[Any]) -> None:
        self.begun.append((mask, list(row)))


def plain_fields(world: World) -> list[Any]:
    return [(key, world.gather.PLAIN, None, 1 << at, f"{key}_column") for at, key in enumerate(KEYS)]


def test_expressions(world: World) -> None:
    is_expression = world.gather.is_expression
    assert is_expression(func.now())
    assert is_expression(text("1"))
    for value in (1, "x", None, [], {}, object(), int, 1 << 90):
        assert not is_expression(value)


def test_rows_of_an_insert(world: World, cls: Any) -> None:
    objects = [world.make(cls, id=1, name="a"), world.make(cls, id=1 << 80, note=[1]), world.make(cls)]
    states = [state_of(obj) for obj in objects]
    [(mask, given, rows)] = world.gather.gather_inserts(states, plain_fields(world), None)
    assert (mask, given) == (0, states)
    assert rows == [(1, "a", None, None), (1 << 80, None, [1], None), (None, None, None, None)]
    assert all(type(row) is tuple for row in rows)
    assert world.gather.gather_inserts([], plain_fields(world), None) == []
    assert world.gather.gather_inserts(iter(states), tuple(plain_fields(world)), None) == [(0, states, rows)]


@pytest.mark.parametrize(
    ("kind", "absent", "none", "value"),
    [
        ("PLAIN", (0, (None,)), (0, (None,)), (0, (5,))),
        ("OMIT", (4, ()), (4, ()), (0, (5,))),
        ("OMIT_IF_MISSING", (4, ()), (0, (None,)), (0, (5,))),
        ("CONSTANT", (0, (9,)), (0, (9,)), (0, (5,))),
        ("CONSTANT_IF_MISSING", (0, (9,)), (0, (None,)), (0, (5,))),
        ("CALL", (0, (8,)), (0, (8,)), (0, (5,))),
        ("CALL_IF_MISSING", (0, (8,)), (0, (None,)), (0, (5,))),
        ("ALWAYS_CALL", (0, (8,)), (0, (8,)), (0, (8,))),
    ],
)
def test_what_becomes_of_a_column(world: World, cls: Any, kind: str, absent: Any, none: Any, value: Any) -> None:
    calls = "CALL" in kind
    field = ("name", getattr(world.gather, kind), (lambda context: 8) if calls else 9, 4, "name_column")
    for values, expected in (({}, absent), ({"name": None}, none), ({"name": 5}, value)):
        defaults = Defaults()
        [(mask, _, rows)] = world.gather.gather_inserts([state_of(obj := world.make(cls, **values))], [field], defaults)
        assert (mask, rows) == (expected[0], [expected[1]])
        assert defaults.begun == ([(0, [None])] if expected[1] == (8,) else [])
        del obj


def test_neighbours_with_the_same_columns_share_a_run(world: World, cls: Any) -> None:
    fields = [(key, world.gather.OMIT, None, 1 << (at + 70), key) for at, key in enumerate(KEYS)]
    objects = [world.make(cls, **dict.fromkeys(keys, 1)) for keys in (["id"], ["id"], ["name"], ["id"], [])]
    runs = world.gather.gather_inserts(map(state_of, objects), fields, None)
    everything = sum(field[3] for field in fields)
    assert [(mask, len(states), rows) for mask, states, rows in runs] == [
        (everything - (1 << 70), 2, [(1,), (1,)]),
        (everything - (1 << 71), 1, [(1,)]),
        (everything - (1 << 70), 1, [(1,)]),
        (everything, 1, [()]),
    ]


def test_a_row_with_sql_stands_alone(world: World, cls: Any) -> None:
    now = func.now()
    objects = [world.make(cls, id=1), world.make(cls, id=2, name=now), world.make(cls, id=3)]
    runs = world.gather.gather_inserts(map(state_of, objects), plain_fields(world), None)
    assert [(mask, len(states)) for mask, states, _ in runs] == [(0, 1), (world.gather.EXPRESSIONS, 1), (0, 1)]
    assert runs[1][2] == [{"id_column": 2, "name_column": now, "note_column": None, "stamp_column": None}]


def test_an_error_of_a_default_comes_out(world: World, cls: Any) -> None:
    field = ("name", world.gather.CALL, lambda context: 1 // 0, 1, "name")
    obj = world.make(cls)
    with pytest.raises(ZeroDivisionError):
        world.gather.gather_inserts([state_of(obj)], [field], Defaults())
    with pytest.raises(AttributeError):
        world.gather.gather_inserts([state_of(obj)], [field], None)


def test_a_default_may_do_anything(world: World, cls: Any) -> None:
    objects = [world.make(cls) for _ in range(5)]
    states = [state_of(obj) for obj in objects]

    def meddle(context: Any) -> int:
        objects.clear()
        context.rows.clear()
        fields.clear()
        collect()
        return 1

    class Meddling(Defaults):
        def begin(self, fields: Any, mask: int, row: list[Any]) -> None:
            self.rows = row

    fields = [("name", world.gather.CALL, meddle, 1, "name")]
    with pytest.raises((IndexError, AttributeError, ValueError)):
        world.gather.gather_inserts(states, fields, Meddling())


def recipe(**more: Any) -> dict[str, Any]:
    return {key: (1 << at, more.get(key)) for at, key in enumerate(KEYS)}


def updates(world: World, states: Any, positions: Any = None, unusual: Any = frozenset(), **more: Any) -> Any:
    return world.gather.gather_updates(
        states, recipe(**more), lambda mask: tuple(k for at, k in enumerate(KEYS) if mask & 1 << at), positions, unusual
    )


def test_rows_of_an_update(world: World, cls: Any) -> None:
    objects = [world.make(cls, id=at, name="old") for at in range(5)]
    for at, obj in enumerate(objects):
        world.file(obj, at).commit_all(obj.__dict__)
    objects[0].name = "new"
    objects[1].name = "newer"
    objects[2].note = "n"
    objects[3].name = "new"
    objects[3].name = "old"
    assert updates(world, map(state_of, objects)) == [
        (2, [state_of(objects[0]), state_of(objects[1])], [("new", 0), ("newer", 1)]),
        (4, [state_of(objects[2])], [("n", 2)]),
    ]
    assert updates(world, map(state_of, objects), unusual=frozenset({"name"})) == [
        (world.gather.UNUSUAL, [state_of(objects[0]), state_of(objects[1])], []),
        (4, [state_of(objects[2])], [("n", 2)]),
    ]
    assert len(updates(world, map(state_of, objects), name=lambda new, old: True)) == 1
    with pytest.raises(ZeroDivisionError):
        updates(world, map(state_of, objects), name=lambda new, old: 1 // 0)
    objects[0].name = func.now()
    assert updates(world, map(state_of, objects))[0][:2] == (world.gather.UNUSUAL, [state_of(objects[0])])
    state_of(objects[1]).ident = (7, 8)
    assert updates(world, [state_of(objects[1])], (1, 0)) == [(2, [state_of(objects[1])], [("newer", 8, 7)])]
    state_of(objects[1]).ident = None
    assert updates(world, [state_of(objects[1])])[0][0] == world.gather.UNUSUAL


def test_a_comparison_that_meddles_is_no_crash(world: World, cls: Any) -> None:
    objects = [world.make(cls, id=1, name="old", note="old") for _ in range(3)]
    for obj in objects:
        state_of(obj).ident = 1

    def meddle(new: Any, old: Any) -> bool:
        for obj in objects:
            state_of(obj).committed = None
            obj.__dict__.pop("name", None)
        objects.clear()
        collect()
        return False

    states = [state_of(obj) for obj in objects]
    for state in states:
        state.committed = {"id": 5, "name": 6, "note": 7}
    del obj
    outcome(updates, world, states, id=meddle)


def test_values_are_written_back(world: World, cls: Any) -> None:
    objects = [world.make(cls) for _ in range(2)]
    states = [state_of(obj) for obj in objects]
    gather = world.gather
    gather.write_back(states, [(1, 2), (3, 4)], [("id", 1), ("name", 0)])
    assert [(obj.id, obj.name) for obj in objects] == [(2, 1), (4, 3)]
    gather.assign_one(states, [(5,), [6]], "id", None)
    assert [obj.id for obj in objects] == [5, 6]
    gather.assign_one(tuple(states), iter([(5,), [6]]), "id", str)
    assert [obj.id for obj in objects] == ["5", "6"]
    gather.assign_columns(states, [(7, 8), (9, 10)], ("id", "name"), (None, str))
    assert [(obj.id, obj.name) for obj in objects] == [(7, "8"), (9, "10")]
    gather.assign_columns(states, [(1,), (2,)], ["id"], [str])
    assert [obj.id for obj in objects] == ["1", "2"]
    gather.copy_values(states, [("id", "note"), ("stamp", "name")])
    assert [(obj.note, obj.name) for obj in objects] == [("1", "8"), ("2", "10")]


@pytest.mark.parametrize("name", ["write_back", "assign_one", "assign_columns"])
def test_as_many_rows_as_states(world: World, cls: Any, name: str) -> None:
    obj, other = world.make(cls), world.make(cls)
    more = {"write_back": ([("id", 0)],), "assign_one": ("id", None), "assign_columns": (["id", "name"], [None] * 2)}
    function, states = getattr(world.gather, name), [state_of(obj), state_of(other)]
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter than argument 1"):
        function(states, [(1, 2)], *more[name])
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer than argument 1"):
        function(states, [(1, 2)] * 3, *more[name])
    assert (obj.id, other.id) == (1, 1)


def test_identities_and_segments(world: World, cls: Any) -> None:
    other_cls = world.map()
    objects = [world.make(each) for each in (cls, cls, other_cls, cls)]
    states = [state_of(obj) for obj in objects]
    for at, state in enumerate(states):
        state.ident = (at, -at)
    assert world.gather.gather_identities(states[:2], None) == [((0, 0),), ((1, -1),)]
    assert world.gather.gather_identities(states[:2], (1, 0)) == [(0, 0), (-1, 1)]
    mapper, other = world.manager(cls).mapper, world.manager(other_cls).mapper
    assert world.gather.segments(states) == [(mapper, states[:2]), (other, states[2:3]), (mapper, states[3:])]
    assert world.gather.segments([]) == []
    states[1].ident = None
    assert world.gather.divide(iter(states)) == ([states[1]], [states[0], *states[2:]])
    assert world.gather.divide([]) == ([], [])
    assert world.gather.state_of(None) is None
    assert world.gather.state_of(objects[0]) is states[0]


@pytest.mark.parametrize("stranger", [None, 1, "text", object(), "dead"])
def test_what_is_no_state_of_a_live_object_is_no_crash(world: World, cls: Any, stranger: Any) -> None:
    if stranger == "dead":
        stranger = dead(world, cls)
        stranger.ident, stranger.committed = 1, {"name": 1}
    gather = world.gather
    for function in (
        lambda: gather.gather_inserts([stranger], plain_fields(world), None),
        lambda: updates(world, [stranger]),
        lambda: gather.write_back([stranger], [(1,)], [("id", 0)]),
        lambda: gather.assign_one([stranger], [(1,)], "id", None),
        lambda: gather.assign_one([stranger], [(1,)], "id", str),
        lambda: gather.assign_columns([stranger], [(1, 2)], ["id", "name"], [None, None]),
        lambda: gather.copy_values([stranger], [("id", "name")]),
    ):
        with pytest.raises((TypeError, AttributeError)):
            function()


@pytest.mark.parametrize("wrong", [None, 5, [None], [()], [("id",)]])
def test_wrong_recipes_are_no_crash(world: World, cls: Any, wrong: Any) -> None:
    obj = world.make(cls)
    with pytest.raises((TypeError, ValueError)):
        world.gather.gather_inserts([state_of(obj)], wrong, None)
    with pytest.raises((TypeError, ValueError)):
        world.gather.write_back([state_of(obj)], [(1,)], wrong)


def test_an_error_of_a_processor_comes_out(world: World, cls: Any) -> None:
    obj = world.make(cls)
    for call in (
        lambda: world.gather.assign_one([state_of(obj)], [(0,)], "id", lambda value: 1 // value),
        lambda: world.gather.assign_columns(
            [state_of(obj)], [(1, 0)], ["id", "name"], [None, lambda value: 1 // value]
        ),
    ):
        with pytest.raises(ZeroDivisionError):
            call()


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="about reference counts")
def test_references_are_given_back(world: World, cls: Any) -> None:
    value, default = object(), object()
    objects = [world.make(cls, id=value, name="n") for _ in range(4)]
    states = [state_of(obj) for obj in objects]
    fields = [
        ("id", world.gather.PLAIN, None, 1, "id"),
        ("name", world.gather.OMIT, None, 2, "name"),
        ("note", world.gather.CONSTANT, default, 4, "note"),
        ("stamp", world.gather.CALL, lambda context: default, 8, "stamp"),
    ]

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in (value, default, objects[0], states[0], fields, fields[0])]

    before = counts()
    for _ in range(200):
        world.gather.gather_inserts(states, fields, Defaults())
        world.gather.assign_one(states, [(value,)] * 4, "id", None)
        world.gather.write_back(states, [(value,)] * 4, [("id", 0)])
        outcome(world.gather.gather_inserts, [*states, None], fields, Defaults())
        outcome(world.gather.gather_inserts, states, fields, None)
        outcome(world.gather.assign_one, states, [(value,)] * 3, "id", None)
    collect()
    assert counts() == before


@pytest.mark.parametrize("seed", range(40))
def test_random_flushes_come_out_alike(worlds: tuple[World, World], seed: int) -> None:
    compiled, pure = (program(world, random.Random(seed)) for world in worlds)
    assert compiled == pure


def program(world: World, chance: random.Random) -> Any:
    """Objects with all kinds of values, gathered by all kinds of recipes, written back and expired."""
    gather = world.gather
    width = chance.choice([1, 4, 70])
    keys = [f"c{at}" for at in range(width)]
    classes = [world.map(columns=keys), world.map(columns=keys)]
    kinds = range(8)
    fields = []
    for at, key in enumerate(keys):
        kind = chance.choice(kinds)
        default = chance.choice([None, 1, "d"])
        if kind in (gather.CALL, gather.CALL_IF_MISSING, gather.ALWAYS_CALL):
            default = lambda context, at=at: ("called", at, len(context.begun))  # noqa: E731
        fields.append((key, kind, default, 1 << at, key.upper()))
    expression = func.now()
    objects = []
    for _ in range(chance.choice([1, 5, 30])):
        values = {}
        for key in keys:
            if chance.random() < 0.6:
                values[key] = chance.choice([None, 1, "x", 2.5, b"b", 1 << 70, (1,)])
            if chance.random() < 0.01:
                values[key] = expression
        objects.append(world.make(chance.choice(classes), **values))
    states = [state_of(obj) for obj in objects]
    defaults = Defaults()
    inserts = gather.gather_inserts(states, fields, defaults)
    trace: list[Any] = [show(inserts), show(defaults.begun)]
    for at, state in enumerate(states):
        state.ident = at if chance.random() < 0.9 else None
        if chance.random() < 0.8:
            state.commit_all(state.dict)
    for obj in objects:
        for key in chance.sample(keys, min(width, chance.randrange(3))):
            setattr(obj, key, chance.choice([None, 1, 1.0, "x", expression, (1,)]))
    by_key = {key: (1 << at, chance.choice([None, None, lambda new, old: new is old])) for at, key in enumerate(keys)}
    unusual = frozenset(chance.sample(keys, 1)) if chance.random() < 0.3 else frozenset()
    trace.append(
        outcome(
            gather.gather_updates,
            states,
            by_key,
            lambda mask: tuple(key for at, key in enumerate(keys) if mask >> at & 1),
            None,
            unusual,
        )
    )
    rows = [tuple(chance.randrange(5) for _ in keys) for _ in states]
    trace.append(outcome(gather.write_back, states, rows, [(key, at) for at, key in enumerate(keys)]))
    trace.append(outcome(gather.assign_columns, states, rows, keys, [chance.choice([None, str]) for _ in keys]))
    trace.append(outcome(gather.copy_values, states, [(keys[0], keys[-1])]))
    trace.append(outcome(world.state_loops.expire_keys, states, frozenset(chance.sample(keys, 1))))
    first = world.manager(classes[0]).mapper
    trace.append([(len(members), mapper is first) for mapper, members in gather.segments(states)])
    trace.append([len(part) for part in gather.divide(states)])
    trace.append([picture(state) for state in states])
    trace.append([NO_VALUE in obj.__dict__.values() for obj in objects])
    return trace
