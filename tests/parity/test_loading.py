"""Rows to instances, in both implementations."""

from __future__ import annotations

import gc
import random
import sys
from typing import Any

import pytest

from session.constants import INSTANCE_STATE

from .hot import Context, World, collect, outcome, picture, show, state_of

COLUMNS = ("id", "name", "note")


@pytest.fixture
def cls(world: World) -> Any:
    return world.map(columns=COLUMNS, references=("other",), collections=("parts",))


def bound(world: World, cls: Any, columns: Any = COLUMNS, processors: Any = None, **settings: Any) -> Any:
    loader = world.loader(cls, columns)
    for name, value in settings.items():
        setattr(loader, name, value)
    loader.bind(processors or [None] * len(columns))
    return loader


@pytest.fixture(params=["plain", "general"])
def context(request: pytest.FixtureRequest, world: World) -> Context:
    """The context of a load that takes the short way, then that of one that takes the long way."""
    return Context(world.home, plain=request.param == "plain")


ROWS = [(1, "one", None), (2, "two", "n"), (None, None, None), (1, "again", "again")]


def test_rows_become_objects(world: World, cls: Any, context: Context) -> None:
    objects = bound(world, cls).load(context, ROWS)
    one, two, nothing, again = objects
    assert nothing is None
    assert again is one
    assert (one.id, one.name, one.note) == (1, "one", None)
    assert (two.id, two.name, two.note) == (2, "two", "n")
    assert type(one) is cls
    state = state_of(one)
    assert state() is one
    assert (state.ident, state.home, state.shelf) == (1, world.home, world.home.shelf(cls))
    assert (state.committed, state.modified, state._strong_obj) == (None, False, None)
    assert world.home.values() == [one, two]
    assert state.manager is world.manager(cls)


def test_an_object_that_is_there_keeps_what_it_has(world: World, cls: Any, context: Context) -> None:
    obj = world.make(cls, name="changed")
    world.file(obj, 1)
    [loaded] = bound(world, cls).load(context, [(1, "row", "row")])
    assert loaded is obj
    assert (obj.id, obj.name, obj.note) == (1, "changed", "row")
    assert list(state_of(obj).committed) == ["name"]


def test_an_expired_object_is_filled(world: World, cls: Any, context: Context) -> None:
    obj = world.make(cls)
    world.file(obj, 1)
    state_of(obj).expire(obj.__dict__)
    bound(world, cls, columns=("id", "name")).load(context, [(1, "row")])
    assert obj.name == "row"
    assert state_of(obj).expired_keys == {"note"}
    assert not state_of(obj).expired


def test_a_dead_object_is_made_anew(world: World, cls: Any, context: Context) -> None:
    loader = bound(world, cls)
    objects = loader.load(context, ROWS)
    state = state_of(objects[0])
    shelf = state.shelf
    state.shelf = None  # so that it stays on the shelf
    objects.clear()
    collect()
    assert state() is None
    assert shelf[1] is state
    [one, *_] = loader.load(context, ROWS)
    assert shelf[1] is state_of(one)
    assert one.name == "one"


def test_a_dead_state_under_no_key(world: World, cls: Any, context: Context) -> None:
    obj = world.make(cls)
    state = state_of(obj)
    world.home.shelf(cls)[None] = state
    del obj
    collect()
    made = bound(world, cls).load(context, [(None, 1, 2)])
    assert show(made) == show([None]) or made[0].name == 1


def test_values_are_processed(world: World, cls: Any, context: Context) -> None:
    loader = bound(world, cls, processors=[str, None, lambda value: [value]])
    [obj] = loader.load(context, [(1 << 90, "n", 3)])
    assert (obj.id, obj.name, obj.note) == (str(1 << 90), "n", [3])
    assert state_of(obj).ident == str(1 << 90)


@pytest.mark.parametrize("row", [tuple, list, lambda values: dict(enumerate(values))])
def test_a_row_is_whatever_has_positions(world: World, cls: Any, context: Context, row: Any) -> None:
    objects = bound(world, cls, processors=[None, None, str]).load(context, [row(values) for values in ROWS])
    assert [each and each.note for each in objects] == ["None", "n", None, "None"]


@pytest.mark.parametrize("rows", [[5], [None], [(1,)], [()], [(1, "one", None), None], None, 5])
def test_what_is_no_row_is_no_crash(world: World, cls: Any, context: Context, rows: Any) -> None:
    with pytest.raises((TypeError, IndexError)):
        bound(world, cls).load(context, rows)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_error_of_a_processor_comes_out_and_leaves_whole_objects(
    world: World, cls: Any, context: Context, where: int
) -> None:
    def fail(value: Any) -> Any:
        if value == "bad":
            raise RuntimeError("processor")
        return value

    processors: list[Any] = [None, None, None]
    processors[where] = fail
    rows: list[Any] = [[number, number, number] for number in range(1, 500)]
    rows[300][where] = "bad"
    enabled = gc.isenabled()
    with pytest.raises(RuntimeError, match="processor"):
        bound(world, cls, processors=processors).load(context, rows)
    assert gc.isenabled() == enabled
    collect()
    assert world.home.values() == []
    for each in rows:
        each[where] = 0 if each[where] == "bad" else each[where]
    assert len({*map(id, bound(world, cls).load(context, rows))}) == 499


def test_the_collector_rests_for_many_rows_only(world: World, cls: Any, context: Context) -> None:
    seen: list[bool] = []
    loader = bound(world, cls, processors=[None, None, lambda value: seen.append(gc.isenabled())])
    gc.enable()
    loader.load(context, [(1, "", "")])
    loader.load(context, [(number, "", "") for number in range(2, 302)])
    assert gc.isenabled()
    gc.disable()
    try:
        loader.load(context, [(number, "", "") for number in range(302, 602)])
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert seen == [True] + [False] * 600


@pytest.mark.parametrize("meddling", ["clear", "collect", "shrink", "grow", "kill"])
def test_a_processor_that_meddles_is_no_crash(world: World, cls: Any, context: Context, meddling: str) -> None:
    rows: list[Any] = [(number % 7, number, number) for number in range(40)]

    def meddle(value: Any) -> Any:
        if meddling == "clear":
            world.home.clear()
        elif meddling == "shrink":
            del rows[20:]
        elif meddling == "grow":
            world.home.shelf(cls).update({f"{value} {number}": None for number in range(50)})
        elif meddling == "kill":
            for state in list(world.home.shelf(cls).values()):
                state.shelf = None
            world.home.shelf(cls).clear()
        collect()
        return value

    objects = bound(world, cls, processors=[None, meddle, None]).load(context, rows)
    assert all(type(obj) is cls for obj in objects)


class Key:
    """A primary key value that does as it is told when it is compared or hashed."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        self.number = number
        self.plan = plan

    def __hash__(self) -> int:
        self.plan.get("on hash", lambda: None)()
        return 11

    def __eq__(self, other: object) -> bool:
        self.plan.get("on eq", lambda: None)()
        return isinstance(other, Key) and other.number == self.number


@pytest.mark.parametrize("event", ["on hash", "on eq"])
@pytest.mark.parametrize("meddling", ["raise", "clear", "grow", "collect", "exchange"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_key_that_meddles_is_no_crash(world: World, cls: Any, context: Context, event: str, meddling: str) -> None:
    plan: dict[str, Any] = {}
    loader = bound(world, cls)
    kept = loader.load(context, [(Key(number, plan), number, None) for number in range(6)])
    left = [25]
    spare = state_of(world.make(cls))

    def meddle() -> None:
        left[0] -= 1
        if left[0] < 0:
            return
        if meddling == "raise" and left[0] == 20:
            raise RuntimeError("key")
        if meddling == "clear":
            world.home.clear()
            kept.clear()
        elif meddling == "grow":
            world.home.shelf(cls).update({number + 1000 * left[0]: spare for number in range(50)})
        elif meddling == "exchange":
            world.home.shelves.clear()
            kept.clear()
        collect()

    plan[event] = meddle
    outcome(loader.load, context, [(Key(number, plan), number, None) for number in range(10)])
    plan.clear()
    kept.clear()
    world.home.clear()


@pytest.mark.parametrize("stranger", [1, "text", object(), [], None])
def test_a_stranger_on_the_shelf_is_no_crash(world: World, cls: Any, context: Context, stranger: Any) -> None:
    world.home.shelf(cls)[1] = stranger
    if stranger is None and (world.name == "pure" or not context.plain):
        assert len(bound(world, cls).load(context, [(1, "one", None)])) == 1
        return
    with pytest.raises((TypeError, AttributeError)):
        bound(world, cls).load(context, [(1, "one", None)])


def test_a_loader_that_was_not_initialised_is_no_crash(world: World, context: Context) -> None:
    loader = world.loading.RowLoader.__new__(world.loading.RowLoader)
    for method in ("load", "load_plain", "load_general", "idents"):
        arguments = ([(1, 2)],) if method == "idents" else (context, [(1, 2)])
        with pytest.raises((TypeError, AttributeError)):
            getattr(loader, method)(*arguments)


# -- unusual classes -------------------------------------------------------------------------


def test_a_class_with_its_own_new(world: World, context: Context) -> None:
    class Thing:
        def __new__(cls, *args: Any) -> Any:
            obj = super().__new__(cls)
            obj.__dict__["made"] = args
            return obj

    cls = world.map(Thing, columns=COLUMNS)
    [obj, *_] = bound(world, cls).load(context, ROWS)
    assert (obj.made, obj.name) == ((), "one")


def test_a_new_put_on_the_class_later_is_called(world: World, context: Context) -> None:
    cls = world.map(columns=COLUMNS)
    loader = bound(world, cls)

    def new(cls: Any) -> Any:
        obj = object.__new__(cls)
        obj.__dict__["made"] = True
        return obj

    loader.load(context, [(1, "", "")])
    cls.__new__ = new
    [obj] = loader.load(context, [(2, "", "")])
    assert obj.made


@pytest.mark.parametrize("given", [None, 1, "text"])
def test_a_new_that_gives_something_else(world: World, context: Context, given: Any) -> None:
    class Thing:
        def __new__(cls) -> Any:
            return given

    cls = world.map(Thing, columns=COLUMNS)
    with pytest.raises((AttributeError, TypeError)):
        bound(world, cls).load(context, ROWS)


def test_an_abstract_class_is_refused(world: World, context: Context) -> None:
    import abc

    class Thing(abc.ABC):
        @abc.abstractmethod
        def missing(self) -> None: ...

    cls = world.map(Thing, columns=COLUMNS)
    with pytest.raises(TypeError, match="abstract"):
        bound(world, cls).load(context, ROWS)


@pytest.mark.parametrize("slots", [("__weakref__",), ("__dict__",), ()])
def test_a_class_without_dictionary_or_weak_references_is_refused(world: World, context: Context, slots: Any) -> None:
    cls = world.map(type("Thing", (), {"__slots__": slots}), columns=COLUMNS)
    with pytest.raises((AttributeError, TypeError)):
        bound(world, cls).load(context, ROWS)


def test_slots_and_attributes_of_the_class_are_left_alone(world: World, context: Context) -> None:
    class Thing:
        __slots__ = ("__dict__", "__weakref__", "own")

    cls = world.map(Thing, columns=COLUMNS)
    [obj, *_] = bound(world, cls).load(context, ROWS)
    obj.own = 5
    assert set(obj.__dict__) == {INSTANCE_STATE, *COLUMNS}
    obj.later = 6
    assert (obj.own, obj.later, obj.name) == (5, 6, "one")


def test_the_dictionary_is_the_objects_own(world: World, cls: Any, context: Context) -> None:
    """Ordinary attributes, set before and after, and the loaded ones are all in one dictionary."""
    objects = bound(world, cls).load(context, [(number, str(number), None) for number in range(50)])
    for number, obj in enumerate(objects):
        for name in ("a", "b", "c", f"only {number}"):
            setattr(obj, name, number)
        obj.name = "changed"
        del obj.b
        assert obj.__dict__ == {
            INSTANCE_STATE: state_of(obj),
            "id": number,
            "name": "changed",
            "note": None,
            "a": number,
            "c": number,
            f"only {number}": number,
        }
        assert state_of(obj).dict is obj.__dict__


# -- the long way ----------------------------------------------------------------------------


def test_listeners_hear_of_what_is_made_and_filled(world: World, cls: Any) -> None:
    events: list[Any] = []
    dispatch = world.manager(cls).dispatch
    dispatch.load.append(lambda state, context: events.append(("load", state.ident)))
    dispatch.refresh.append(lambda state, context, keys: events.append(("refresh", state.ident, keys)))
    context = Context(world.home, watches_new=lambda session, state: events.append((session, state.ident)))
    loader = bound(world, cls)
    objects = loader.load(context, ROWS)
    state_of(objects[0]).expire(objects[0].__dict__)
    assert state_of(objects[1]).unloaded
    context.run_id = 2
    loader.load(context, ROWS)
    context.run_id, context.populate_existing = 3, True
    loader.load(context, ROWS[:1])
    assert events == [
        ("load", 1),
        ("session", 1),
        ("load", 2),
        ("session", 2),
        ("refresh", 1, set(state_of(objects[0]).manager)),
        ("refresh", 2, state_of(objects[1]).unloaded),
        ("refresh", 1, None),
    ]


@pytest.mark.parametrize("how", ["populate_existing", "refresh_state"])
def test_values_are_overwritten_on_demand(world: World, cls: Any, how: str) -> None:
    context = Context(world.home, plain=False)
    loader = bound(world, cls, reset_keys=["other"], late_keys=["late"], callables=[("lazy", len)])
    obj = world.make(cls, name="changed", other=None)
    state = world.file(obj, 1)
    state.load_options = "old"
    context.carried_options = "new"
    setattr(context, how, True if how == "populate_existing" else state)
    loader.load(context, [(1, "row", "row")])
    assert (obj.name, obj.note) == ("row", "row")
    assert "other" not in obj.__dict__
    assert not state.modified
    assert state.load_options == "new"
    assert state.expired_keys == {"late"}
    assert state.callables == {"lazy": len}


def test_a_refresh_may_be_confined_to_some_attributes(world: World, cls: Any) -> None:
    obj = world.make(cls, name="changed", note="changed")
    state = world.file(obj, 1)
    context = Context(world.home, plain=False, refresh_state=state, only_keys=("name",))
    bound(world, cls, columns=("id", "name")).load(context, [(1, "row")])
    assert (obj.name, obj.note) == ("row", "changed")
    assert list(state.committed) == ["note"]
    assert state.modified


def test_fresh_objects_carry_what_later_loads_need(world: World, cls: Any) -> None:
    context = Context(world.home, plain=False, carried_options=("option",), identity_token="t", run_id=9)
    loader = bound(world, cls, late_keys=["late"], callables=[("lazy", len)], path="path", post=["post"])
    [obj] = objects = loader.load(context, ROWS[:1])
    state = state_of(obj)
    assert (state.load_options, state.load_path, state.identity_token, state.run_id) == (("option",), "path", "t", 9)
    assert state.expired_keys == frozenset({"late"})
    assert state.callables == {"lazy": len}
    assert world.home.lookup(cls, 1, "t") is obj
    assert context.posts == [(["post"], objects)]
    context.carried_options = None
    [other] = bound(world, cls, carries_path=True, path="path", late_keys=["x"]).load(context, ROWS[1:2])
    assert (state_of(other).load_options, state_of(other).load_path) == (None, "path")


def test_keys_of_several_columns(world: World, context: Context) -> None:
    cls = world.map(columns=("a", "b"), primary_key=("a", "b"))
    loader = world.loader(cls, ("a", "b"), ("a", "b"))
    loader.bind([None, None])
    rows = [(1, 2), (1, None), (None, None), (1, 2)]
    objects = loader.load(context, rows)
    assert loader.idents(rows) == [(1, 2), (1, None), None, (1, 2)]
    assert [obj and (obj.a, obj.b) for obj in objects] == [(1, 2), (1, None), None, (1, 2)]
    assert objects[0] is objects[3]
    loader.allow_partial = False
    assert loader.idents(rows) == [(1, 2), None, None, (1, 2)]
    loader.bind([str, None])
    assert loader.idents(rows) == [("1", 2), None, ("None", None), ("1", 2)] or loader.idents(rows)[0] == ("1", 2)


def test_rows_go_to_the_loader_of_their_class(world: World, cls: Any) -> None:
    class Sub(cls):  # type: ignore[valid-type, misc]
        pass

    sub = world.instrument(Sub, world.manager(cls))
    sub.mapper.identity_class = cls
    base, other = world.loader(cls, COLUMNS), world.loader(cls, COLUMNS)
    sub_loader = world.loading.RowLoader(sub.mapper)
    sub_loader.positions, sub_loader.pk_positions = other.positions, other.pk_positions

    def explain(value: Any, ident: Any) -> Any:
        if value == "strange":
            raise LookupError(value, ident)
        return base

    loader = world.loading.PolymorphicLoader(base, 1, explain)
    loader.loaders["sub"] = sub_loader
    loader.bind([None] * 3)
    context = Context(world.home)
    rows = [(1, "sub", 1), (2, None, 2), (3, "sub", 3), (None, "x", None), (4, "unknown", 4)]
    objects = loader.load(context, rows)
    assert [obj and (type(obj), obj.id) for obj in objects] == [(Sub, 1), (cls, 2), (Sub, 3), None, (cls, 4)]
    assert loader.load(context, []) == []
    assert loader.load(context, rows[:1]) == objects[:1]
    assert loader.mapper is base.mapper
    with pytest.raises(LookupError, match="strange"):
        loader.load(context, [(5, "strange", 5)])
    with pytest.raises(TypeError):
        loader.load(context, [(5, [], 5)])


def test_each_object_is_kept_once(world: World) -> None:
    first, second = [1], [1]
    assert list(map(id, world.loading.keep_first([first, None, second, first]))) == [id(first), id(second)]


@pytest.mark.parametrize("asked_by", ["loader", "context", "nobody"])
def test_objects_are_noted_as_peers_where_that_is_asked_for(
    world: World, cls: Any, context: Context, asked_by: str
) -> None:
    loader = bound(world, cls, peers=asked_by == "loader")
    context.peers = asked_by == "context"
    objects = loader.load(context, ROWS)
    assert context.together == ([] if asked_by == "nobody" else [(loader, objects)])


def test_options_are_carried_by_those_that_had_the_given_ones(world: World, cls: Any) -> None:
    one, two, three, elsewhere = objects = [world.make(cls) for _ in range(4)]
    for number, obj in enumerate(objects[:3]):
        world.file(obj, number)
    before, after, other = ["equal"], ["equal"], ["equal"]
    for obj, held in ((one, before), (two, other), (three, before), (elsewhere, before)):
        state_of(obj).load_options = held
    idents: list[Any] = []
    rest = world.loading.carry_options(
        [one, None, two, one, three, elsewhere], world.home.shelf(cls), before, after, idents
    )
    assert idents == [0, 2]
    assert list(map(id, rest)) == [id(two), id(elsewhere)]
    held = [state_of(obj).load_options for obj in objects]
    assert list(map(id, held)) == [id(after), id(other), id(after), id(before)]


@pytest.mark.parametrize("wrong", [[object()], [1], 5])
def test_options_are_carried_by_mapped_objects_only(world: World, cls: Any, wrong: Any) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError)):
        world.loading.carry_options(wrong, None, None, "options", [])


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="about reference counts")
@pytest.mark.parametrize("way", ["plain", "general"])
def test_references_are_given_back(world: World, cls: Any, way: str) -> None:
    loader = bound(world, cls)
    context = Context(world.home, plain=way == "plain")
    manager, ident, value = world.manager(cls), "an identity", object()
    rows = [(ident, value, None), (None, value, None), [ident, value, None]]
    loader.load(context, rows)
    collect()

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in (loader, manager, ident, value, rows[0], world.home, cls)]

    before = counts()
    for _ in range(200):
        kept = loader.load(context, rows)
        loader.load(context, rows)
        outcome(loader.load, context, [(ident, value)])
        outcome(loader.load, context, [(value, value)])
        del kept
    collect()
    assert counts() == before


@pytest.mark.parametrize("seed", range(30))
def test_random_loads_come_out_alike(worlds: tuple[World, World], seed: int) -> None:
    runs = [program(world, random.Random(seed)) for world in worlds]
    for number, (compiled, pure) in enumerate(zip(*runs, strict=True)):
        assert compiled == pure, f"step {number}"


def program(world: World, chance: random.Random) -> Any:
    """Loads of all kinds over the same few identities, with changes and expirations between them."""
    cls = world.map(columns=COLUMNS, references=("other",), collections=("parts",))
    world.manager(cls).row = {"id": 0, "name": "expired", "note": "expired"}
    processors = [None, None, chance.choice([None, str])]
    if chance.random() < 0.4:
        world.manager(cls).dispatch.refresh.append(
            lambda state, context, keys: world.note("refresh", state.ident, keys)
        )
    if chance.random() < 0.4:
        world.manager(cls).dispatch.load.append(lambda state, context: world.note("load", state.ident))
    child = world.loader(cls, COLUMNS)
    child.positions, child.pk_positions = [("id", 3), ("name", 4)], (3,)
    held: dict[int, Any] = {}
    for run_id in range(1, 40):
        columns = chance.choice([COLUMNS, COLUMNS, ("id",), ("id", "note")])
        loader = world.loading.RowLoader(world.manager(cls).mapper)
        loader.positions = [(key, COLUMNS.index(key)) for key in columns]
        loader.pk_positions = (0,)
        nested = chance.choice([None, None, "ScalarPairing", "CollectionPairing"])
        if nested:
            key = "other" if nested == "ScalarPairing" else "parts"
            loader.nested = [getattr(world.pairings, nested)(key, child)]
        if chance.random() < 0.3:
            loader.late_keys = [key for key in COLUMNS if key not in columns]
        if chance.random() < 0.2:
            loader.callables = [("note", lambda state, passive: "by the object")]
        if chance.random() < 0.2:
            loader.reset_keys = ["other", "parts"]
        loader.bind([*processors, None, None])
        context = Context(world.home, run_id=run_id, plain=chance.random() < 0.5)
        context.populate_existing = chance.random() < 0.15
        context.carried_options = chance.choice([None, ("option", run_id)])
        context.identity_token = chance.choice([None, None, None, "t"])
        if chance.random() < 0.2 and held:
            context.refresh_state = state_of(chance.choice(list(held.values())))
            context.only_keys = chance.choice([None, ["name"]])
        size = chance.choice([1, 3, 12, 250])
        rows = [
            (
                chance.choice([None, 1, 2, 3, 4, 5]),
                f"n{chance.randrange(3)}",
                chance.randrange(3),
                chance.choice([None, 1, 6]),
                "c",
            )
            for _ in range(size)
        ]
        rows.sort(key=lambda row: (row[0] is None, row[0]) if nested else 0)
        objects: Any = outcome(lambda: None)
        try:
            objects = loader.load(context, rows)
        except Exception as error:
            gives: Any = outcome(fail_again, error)
        else:
            gives = [obj and (obj.__dict__.get("id"), state_of(obj).ident) for obj in objects]
            for obj in objects:
                if obj is not None and chance.random() < 0.3:
                    held[state_of(obj).ident] = obj
        objects = obj = None
        for obj in held.values():
            state, dict_ = state_of(obj), obj.__dict__
            change = chance.choice(["", "", "set", "expire", "expire some", "commit"])
            if change == "set":
                obj.name = f"changed {run_id}"
            elif change == "expire":
                state.expire(dict_)
            elif change == "expire some":
                state.expire_attributes(dict_, ["note", "parts"])
            elif change == "commit":
                state.commit_all(dict_)
        obj = state = dict_ = None
        if chance.random() < 0.3 and held:
            del held[chance.choice(list(held))]
        collect()
        yield (
            gives,
            [(ident, picture(state_of(obj))) for ident, obj in held.items()],
            sorted(repr(state.ident) for state in world.home.all_states()),
            len(world.home),
            show(len(context.kept)),
            world.log[-20:],
        )
        obj = None


def fail_again(error: Exception) -> None:
    raise error
