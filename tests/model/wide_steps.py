"""More of what a program can do, beside ``steps``: statements that write and give rows back, bulk methods, SQL as values,
further options, streams, copies by pickle, and listeners that change what is flushed.

``WIDE`` has all steps by name, those of ``steps`` first.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from sqlalchemy import ClauseElement, delete, event, func, insert, inspect, literal, select, text, update

from .steps import STEPS, attribute, every, key_for, value_for
from .world import NothingToDo, World

WIDE: dict[str, Callable[..., Any]] = dict(STEPS)


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    WIDE[function.__name__] = function
    return function


def in_order(world: World, kind: str) -> Any:
    """A SELECT of the objects of a class in the order of their keys."""
    entity = getattr(world.models, kind)
    return select(entity).order_by(*[getattr(entity, key) for key in world.schema.keys[kind]])


def hold_all(world: World, found: list[Any], hold: bool) -> list[Any]:
    """Hold what was found if asked for."""
    for each in found if hold else ():
        world.hold(each)
    return found


def by_key(world: World, found: list[Any], kind: str) -> list[Any]:
    """Objects in the order of their keys, by which a RETURNING does not give them."""
    return sorted(found, key=lambda each: repr(inspect(each).identity))


def own_row(world: World, kind: str) -> Any:
    """A class whose columns are all in one table."""
    if kind in world.schema.parts:
        raise NothingToDo
    return getattr(world.models, kind)


# -- loading ---------------------------------------------------------------------------------------


@step
def query_with(world: World, kind: str, loader: str, place: int, populate: bool, hold: bool) -> Any:
    """Select objects of a class with a further option for one of their attributes.

    What the option leaves out is forgotten with ``populate_existing``; ``sqlalchemy.orm`` keeps it as if it had been
    loaded, changes that were never written included. Names are always there: to evaluate criteria, they are loaded
    there. No references with ``immediateload``, which does not load them there for objects that are here.
    """
    populate = populate and loader not in ("defer", "load_only", "raiseload")
    entity = getattr(world.models, kind)
    of_columns = loader in ("defer", "load_only", "undefer")
    names: Any = world.schema.to_many.get(kind) if loader == "immediateload" else world.schema.related(kind)
    if of_columns:
        names = [name for name in world.schema.columns[kind] if name != "name"]
    if not names:
        raise NothingToDo
    named = [getattr(entity, names[place % len(names)])]
    option = getattr(world.orm, loader)(*named, *([entity.name] if loader == "load_only" else []))
    statement = in_order(world, kind).options(option).execution_options(populate_existing=populate)
    return hold_all(world, list(world.session.scalars(statement).unique().all()), hold)


@step
def query_joined(world: World, kind: str, place: int, populate: bool, hold: bool) -> Any:
    """Select objects with related ones, out of a join that the program writes."""
    entity = getattr(world.models, kind)
    names = world.schema.related(kind)
    if not names:
        raise NothingToDo
    reference = getattr(entity, names[place % len(names)])
    target = reference.property.mapper.class_
    other = world.orm.aliased(target)
    order = [getattr(other, key.key) for key in inspect(target).primary_key]
    statement = in_order(world, kind).outerjoin(reference.of_type(other)).order_by(*order)
    statement = statement.options(world.orm.contains_eager(reference.of_type(other)))
    statement = statement.execution_options(populate_existing=populate)
    return hold_all(world, list(world.session.scalars(statement).unique().all()), hold)


@step
def stream(world: World, kind: str, size: int, value: int, hold: bool) -> Any:
    """Read objects in parts, and change the first of each."""
    found = []
    statement = in_order(world, kind).execution_options(yield_per=size % 3 + 1)
    for part in world.session.scalars(statement).partitions():
        part[0].name = value_for("name", value)
        found.extend(part)
    return hold_all(world, found, hold)


@step
def query_text(world: World, kind: str, hold: bool) -> Any:
    """Objects out of a statement as text."""
    entity = own_row(world, kind)
    columns = ", ".join(column.name for column in entity.__table__.columns)
    keys = ", ".join(column.name for column in entity.__table__.primary_key)
    statement = text(f"SELECT {columns} FROM {entity.__table__.name} ORDER BY {keys}")
    return hold_all(world, list(world.session.scalars(select(entity).from_statement(statement)).all()), hold)


@step
def get_locked(world: World, kind: str, value: int, populate: bool, hold: bool) -> Any:
    key = tuple(key_for(world, kind, value).values())
    found = world.session.get(getattr(world.models, kind), key, populate_existing=populate, with_for_update=True)
    return world.hold(found) if hold else found


@step
def read_unflushed(world: World, which: int, place: int, hold: bool) -> Any:
    """Read an attribute without a flush before."""
    obj, name = attribute(world, which, place, {kind: every(world, kind) for kind in world.schema.classes})
    with world.session.no_autoflush:
        value = getattr(obj, name)
    if name in world.schema.targets:
        hold_all(world, [each for each in (value if isinstance(value, list) else [value]) if each is not None], hold)
    return value


@step
def pickled(world: World, which: int) -> Any:
    """A copy of an object, by pickle."""
    written = io.BytesIO()
    classes = {name: each for name, each in vars(world.models).items() if isinstance(each, type)}
    pickler, unpickler = _Pickler(written, pickle.HIGHEST_PROTOCOL), _Unpickler(written)
    pickler.names, unpickler.classes = {each: name for name, each in classes.items()}, classes
    pickler.dump(world.pick(which))
    written.seek(0)
    return world.hold(unpickler.load())


class _Pickler(pickle.Pickler):
    """Writes the mapped classes by the names that they have in a world."""

    names: dict[type, str]

    def persistent_id(self, obj: Any) -> str | None:
        return self.names.get(obj) if isinstance(obj, type) else None


class _Unpickler(pickle.Unpickler):
    """Reads what a :class:`_Pickler` has written."""

    classes: dict[str, type]

    def persistent_load(self, name: str) -> type:
        return self.classes[name]


# -- statements that write -------------------------------------------------------------------------


def new_rows(world: World, kind: str, values: list[int]) -> list[dict[str, Any]]:
    """Values for rows, one for each key."""
    rows: dict[Any, dict[str, Any]] = {}
    version = {"version": 1} if hasattr(getattr(world.models, kind), "version") else {}
    for value in values:
        key = key_for(world, kind, value)
        rows[tuple(key.values())] = {**key, "name": "xyz"[value % 3], **version}
    if not rows:
        raise NothingToDo
    return list(rows.values())


@step
def insert_rows(world: World, kind: str, values: list[int], returning: bool, hold: bool) -> Any:
    """Insert rows by one statement, that gives their objects if asked for."""
    entity, rows = getattr(world.models, kind), new_rows(world, kind, values)
    if not returning:
        world.session.execute(insert(entity), rows)
        return None
    return hold_all(
        world, by_key(world, list(world.session.scalars(insert(entity).returning(entity), rows)), kind), hold
    )


@step
def update_rows(world: World, kind: str, values: list[int]) -> Any:
    """Update rows by their keys; none of objects with a name to write, which ``sqlalchemy.orm`` expires, and here have the
    new one.
    """
    entity = getattr(world.models, kind)
    if any(isinstance(each, entity) and "name" in inspect(each).committed_state for each in world.session):
        raise NothingToDo
    world.session.execute(update(entity), new_rows(world, kind, values))


@step
def update_with(world: World, kind: str, where: int, how: str) -> Any:
    """Update rows by an expression of what they have."""
    entity = own_row(world, kind)
    statement = update(entity).where(entity.name == value_for("name", where)).values({entity.name: entity.name + "x"})
    return world.session.execute(statement, execution_options={"synchronize_session": how}).rowcount


@step
def update_reference(world: World, kind: str, place: int, value: int, key: int, how: str) -> Any:
    """Set a column that may be a foreign key in a row that is named by its key."""
    entity = own_row(world, kind)
    names = [name for name in world.schema.columns[kind] if name not in world.schema.keys[kind]]
    name = names[place % len(names)]
    criteria = [getattr(entity, each) == of_key for each, of_key in key_for(world, kind, key).items()]
    statement = update(entity).where(*criteria).values({name: value_for(name, value)})
    return world.session.execute(statement, execution_options={"synchronize_session": how}).rowcount


@step
def update_returning(world: World, kind: str, where: int, value: int, how: str, populate: bool, hold: bool) -> Any:
    entity = own_row(world, kind)
    statement = update(entity).where(entity.name == value_for("name", where)).values(name="xyz"[value % 3])
    options = {"synchronize_session": how, "populate_existing": populate}
    found = list(world.session.scalars(statement.returning(entity), execution_options=options))
    return hold_all(world, by_key(world, found, kind), hold)


@step
def delete_returning(world: World, kind: str, where: int, how: str) -> Any:
    """Delete rows, and give their keys."""
    entity = own_row(world, kind)
    keys = [getattr(entity, key) for key in world.schema.keys[kind]]
    statement = delete(entity).where(entity.name == value_for("name", where)).returning(*keys)
    found = world.session.execute(statement, execution_options={"synchronize_session": how})
    return sorted(list(row) for row in found)


@step
def bulk_save(world: World, which: list[int], returning: bool) -> Any:
    """Save objects of one class, all new or all with changes: each other sort has a transaction of its own in
    ``sqlalchemy.orm``, which gives a new version to what has no changes. None with SQL as values, which it refuses; none
    of two tables without their keys, which come back there in any case.
    """
    chosen = list({id(obj): obj for obj in map(world.pick, which)}.values())
    sort = [(type(each), inspect(each).key is None) for each in chosen]
    same = [each for each, of in zip(chosen, sort) if of == sort[0] and (of[1] or has_changes(world, each))]
    if same and type(same[0]).__name__ in world.schema.parts and not returning:
        raise NothingToDo
    if not same or any(isinstance(each.__dict__.get("name"), ClauseElement) for each in same):
        raise NothingToDo
    world.session.bulk_save_objects(same, return_defaults=returning)


def has_changes(world: World, obj: Any) -> bool:
    """Tell whether a column has changed of an object whose key is there, and has not."""
    keys = set(world.schema.keys[type(obj).__name__])
    there = keys <= set(obj.__dict__) and keys.isdisjoint(inspect(obj).committed_state)
    return there and bool(world.session.is_modified(obj, include_collections=False))


@step
def bulk_insert(world: World, kind: str, values: list[int], returning: bool) -> Any:
    rows = new_rows(world, kind, values)
    world.session.bulk_insert_mappings(getattr(world.models, kind), rows, return_defaults=returning)
    return [sorted(row.items()) for row in rows]


@step
def bulk_update(world: World, kind: str, values: list[int]) -> Any:
    world.session.bulk_update_mappings(getattr(world.models, kind), new_rows(world, kind, values))


# -- objects ---------------------------------------------------------------------------------------


@step
def set_expression(world: World, which: int, value: int, own: bool) -> Any:
    """Set a column to SQL, perhaps of what the row has."""
    obj, _ = attribute(world, which, 0, world.schema.columns)
    if own and inspect(obj).key is not None and type(obj).__name__ not in world.schema.parts:
        obj.name = func.coalesce(type(obj).name, "") + "xyz"[value % 3]
    else:
        obj.name = literal("XYZ"[value % 3]).op("||")("s")


@step
def enable_loading(world: World, which: int) -> Any:
    """Let a transient object load relationships; not one beside another that has the same row."""
    obj = world.pick(which)
    if not inspect(obj).transient:
        raise NothingToDo
    world.session.enable_relationship_loading(obj)


@step
def act_before_flush(world: World, which: int, value: int, what: int) -> Any:
    """Let a listener change something when the next flush begins."""
    obj = world.pick(which)
    act = (
        lambda: setattr(obj, "name", value_for("name", value)),
        lambda: world.session.add(obj),
        lambda: world.session.delete(obj) if obj in world.session else None,
    )[what % 3]
    event.listen(world.session, "before_flush", lambda *_: act(), once=True)


@step
def act_after_flush(world: World, which: int, value: int) -> Any:
    """Let a listener set a name, that it reads before, when the next flush has written its rows; not with
    ``eager_defaults``, which ``sqlalchemy.orm`` loads after that.
    """
    obj = world.pick(which)
    if inspect(type(obj)).eager_defaults is True:
        raise NothingToDo

    def act(session: Any, _: Any) -> None:
        if inspect(obj).persistent and obj in session and obj not in session.deleted and obj.name != "read":
            obj.name = value_for("name", value)

    event.listen(world.session, "after_flush", act, once=True)


@step
def act_before_row(world: World, kind: str, row_event: str, value: int) -> Any:
    """Let a listener set the name in the next row that is inserted or updated of a class."""
    target = getattr(world.models, kind)

    def act(_: Any, __: Any, obj: Any) -> None:
        if world.acting.pop((row_event, kind), None):
            obj.name = value_for("name", value)

    world.acting[row_event, kind] = True
    world.listen_to(target, row_event, act)
