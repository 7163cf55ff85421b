"""What a program can do. Each step is a function of a world and plain arguments; objects are named by a number that is
taken modulo the objects held, so that any step can follow any other.

``STEPS`` has them all by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, inspect, select, text, update

from .world import NothingToDo, World

STEPS: dict[str, Callable[..., Any]] = {}


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    STEPS[function.__name__] = function
    return function


def attribute(world: World, which: int, place: int, by_kind: Mapping[str, tuple[str, ...]]) -> tuple[Any, str]:
    """A held object that has attributes of the sort asked for, and the name of one of them.

    Not one that is about to be deleted: it may go with the autoflush of the very step.
    """
    obj = world.pick(which, *by_kind)
    if obj in world.session.deleted or inspect(obj).deleted:
        raise NothingToDo
    names = by_kind[type(obj).__name__]
    return obj, names[place % len(names)]


def value_for(name: str, value: int) -> Any:
    """A value for a column: few different ones, so that programs meet the same key again."""
    if name == "code" or name.endswith("_code"):
        return "abcde"[value % 5]
    if name in ("id", "number"):
        return value % 6 + 1
    if name.endswith("_id"):
        return (None, 1, 2, 3)[value % 4]
    return (None, "x", "y", "z")[value % 4]


def key_for(world: World, kind: str, value: int) -> dict[str, Any]:
    """A primary key: few different ones."""
    return {name: value_for(name, value // (place + 1)) or 1 for place, name in enumerate(world.schema.keys[kind])}


def every(world: World, kind: str) -> tuple[str, ...]:
    """All attributes of a class."""
    return world.schema.columns[kind] + world.schema.related(kind)


# -- objects of one's own --------------------------------------------------------------------------


@step
def make(world: World, kind: str, name: int, value: int, keyed: bool) -> Any:
    """A transient object with a name, and with a key of a small range if asked for."""
    given: dict[str, Any] = {"name": "xyz"[name % 3]}
    keys = world.schema.keys[kind]
    if keyed or keys != ("id",):
        given.update(key_for(world, kind, value))
    return world.hold(getattr(world.models, kind)(**given))


@step
def make_without(world: World, kind: str) -> Any:
    """A transient object without any value."""
    return world.hold(getattr(world.models, kind)())


@step
def make_detached(world: World, kind: str, value: int, name: int | None) -> Any:
    """A detached object of a row that may be there, with its name loaded or not."""
    given = key_for(world, kind, value)
    found = " AND ".join([f"{key} = ?" for key in given])
    values = tuple(given.values())
    if name is not None:
        given["name"] = "xyz"[name % 3]
    obj = getattr(world.models, kind)(**given)
    if not world.raw.look(f"SELECT 1 FROM {obj.__table__.name} WHERE {found}", values):
        raise NothingToDo
    world.orm.make_transient_to_detached(obj)
    return world.hold(obj)


@step
def make_transient(world: World, which: int) -> Any:
    return world.orm.make_transient(world.pick(which))


@step
def make_transient_to_detached(world: World, which: int) -> Any:
    obj = world.pick(which)
    if not set(world.schema.keys[type(obj).__name__]) <= set(
        obj.__dict__
    ):  # sqlalchemy.orm makes a key without a value
        raise NothingToDo
    return world.orm.make_transient_to_detached(obj)


@step
def drop(world: World, which: int) -> Any:
    """Hold the object no longer."""
    obj = world.pick(which)
    for number, held in list(world.held.items()):
        if held is obj:
            del world.held[number]


@step
def drop_all(world: World) -> Any:
    world.held.clear()


# -- attributes ------------------------------------------------------------------------------------


@step
def set_column(world: World, which: int, place: int, value: int) -> Any:
    obj, name = attribute(world, which, place, world.schema.columns)
    setattr(obj, name, value_for(name, value))


@step
def delete_attribute(world: World, which: int, place: int) -> Any:
    """Delete a reference, read before: ``sqlalchemy.orm`` does not write a delete of what was not read, or of the parent
    in a tree, and stumbles (``KeyError``, ``AttributeError``) over those of columns and collections.
    """
    obj, name = attribute(world, which, place, world.schema.deletable)
    if getattr(obj, name) is None:
        raise NothingToDo
    delattr(obj, name)


@step
def read(world: World, which: int, place: int, hold: bool) -> Any:
    """Read an attribute, which may load it."""
    obj, name = attribute(world, which, place, {kind: every(world, kind) for kind in world.schema.classes})
    value = getattr(obj, name)
    if hold and name in world.schema.targets:
        for each in value if isinstance(value, list) else [value]:
            world.hold(each)
    return value


@step
def set_reference(world: World, which: int, place: int, other: int | None) -> Any:
    obj, name = attribute(world, which, place, world.schema.to_one)
    target = None if other is None else related(world, name, other)
    if target is not obj:
        setattr(obj, name, target)


@step
def append(world: World, which: int, place: int, other: int) -> Any:
    obj, name = attribute(world, which, place, world.schema.to_many)
    member = new_member(world, obj, name, other)
    getattr(obj, name).append(member)


@step
def insert_first(world: World, which: int, place: int, other: int) -> Any:
    obj, name = attribute(world, which, place, world.schema.to_many)
    member = new_member(world, obj, name, other)
    getattr(obj, name).insert(0, member)


@step
def remove(world: World, which: int, place: int, other: int) -> Any:
    obj, name = attribute(world, which, place, world.schema.to_many)
    member = related(world, name, other)
    members = getattr(obj, name)
    if member in members:  # sqlalchemy.orm tells listeners before it finds that the member is not there
        members.remove(member)


@step
def remove_at(world: World, which: int, place: int, position: int) -> Any:
    obj, name = attribute(world, which, place, world.schema.to_many)
    members = getattr(obj, name)
    if not members:
        raise NothingToDo
    del members[position % len(members)]


@step
def clear(world: World, which: int, place: int) -> Any:
    """Clear a collection; not one that holds an object twice: ``sqlalchemy.orm`` lets that refer to its owner still."""
    obj, name = attribute(world, which, place, world.schema.to_many)
    members = getattr(obj, name)
    if len(members) > len(set(map(id, members))):
        raise NothingToDo
    members.clear()


@step
def replace(world: World, which: int, place: int, others: list[int]) -> Any:
    obj, name = attribute(world, which, place, world.schema.to_many)
    members: list[Any] = []
    for other in others:
        member = related(world, name, other)
        if member is not obj and not any(member is each for each in members):
            members.append(member)
    setattr(obj, name, members)


@step
def flag_modified(world: World, which: int, place: int) -> Any:
    """Not of a key: ``sqlalchemy.orm`` writes no change of it then."""
    schema = world.schema
    plain = {
        kind: tuple(name for name in names if name not in schema.keys[kind]) for kind, names in schema.columns.items()
    }
    obj, name = attribute(world, which, place, plain)
    world.orm.attributes.flag_modified(obj, name)


def new_member(world: World, obj: Any, name: str, other: int) -> Any:
    """An object that is not in the collection yet, and not the owner of it."""
    member = related(world, name, other)
    if member is obj or member in getattr(obj, name):
        raise NothingToDo
    return member


def related(world: World, name: str, other: int) -> Any:
    return world.pick(other, *world.schema.targets[name])


# -- into the Session and out of it ----------------------------------------------------------------


@step
def add(world: World, which: int) -> Any:
    world.session.add(world.pick(which))


@step
def add_all(world: World, which: list[int]) -> Any:
    world.session.add_all([world.pick(each) for each in which])


@step
def delete_object(world: World, which: int) -> Any:
    """Delete an object; not one with a new key, whose association rows ``sqlalchemy.orm`` looks for by that one."""
    obj = world.pick(which)
    state = inspect(obj)
    if any(state.attrs[key].history.deleted for key in world.schema.keys[type(obj).__name__]):
        raise NothingToDo
    world.session.delete(obj)


@step
def expunge(world: World, which: int) -> Any:
    world.session.expunge(world.pick(which))


@step
def expunge_all(world: World) -> Any:
    world.session.expunge_all()


@step
def merge(world: World, which: int, load: bool, hold: bool) -> Any:
    """Merge; not what is to be deleted, or was: ``sqlalchemy.orm`` loads its references first, and merges these, too."""
    obj = world.pick(which)
    if obj in world.session.deleted or (inspect(obj).was_deleted and not inspect(obj).transient):
        raise NothingToDo
    merged = world.session.merge(obj, load=load)
    return world.hold(merged) if hold else merged


@step
def expire(world: World, which: int, places: list[int]) -> Any:
    """Expire the object, or only the attributes at the places."""
    obj = world.pick(which)
    stays(world, obj)
    names = every(world, type(obj).__name__)
    chosen = sorted({names[place % len(names)] for place in places})
    world.session.expire(obj, chosen or None)


def stays(world: World, obj: Any) -> None:
    """Leave alone what waits to come to another collection: when that expires it is chance in ``sqlalchemy.orm`` whether
    it comes there, or is lost by the one that it leaves.
    """
    for each in world.session:
        for name in world.schema.to_many.get(type(each).__name__, ()):
            if obj in inspect(each).attrs[name].history.added:
                raise NothingToDo


@step
def expire_all(world: World) -> Any:
    world.session.expire_all()


@step
def refresh(world: World, which: int, places: list[int]) -> Any:
    obj = world.pick(which)
    if obj in world.session.deleted:
        raise NothingToDo
    stays(world, obj)
    names = every(world, type(obj).__name__)
    chosen = sorted({names[place % len(names)] for place in places})
    world.session.refresh(obj, chosen or None)


@step
def is_modified(world: World, which: int) -> Any:
    return world.session.is_modified(world.pick(which))


# -- transactions ----------------------------------------------------------------------------------


@step
def flush(world: World) -> Any:
    world.session.flush()


@step
def commit(world: World) -> Any:
    world.session.commit()


@step
def rollback(world: World) -> Any:
    world.session.rollback()


@step
def begin(world: World) -> Any:
    world.session.begin()


@step
def begin_nested(world: World) -> Any:
    world.savepoints.append(world.session.begin_nested())


@step
def savepoint_commit(world: World, depth: int) -> Any:
    savepoint(world, depth).commit()


@step
def savepoint_rollback(world: World, depth: int) -> Any:
    savepoint(world, depth).rollback()


@step
def close(world: World) -> Any:
    world.session.close()


@step
def toggle_autoflush(world: World) -> Any:
    world.session.autoflush = not world.session.autoflush


def savepoint(world: World, depth: int) -> Any:
    """A savepoint that the program began, the last one for depth 0; it may be over."""
    if not world.savepoints:
        raise NothingToDo
    return world.savepoints[-1 - depth % len(world.savepoints)]


# -- the database ----------------------------------------------------------------------------------


@step
def get(world: World, kind: str, value: int, populate: bool, hold: bool) -> Any:
    key = tuple(key_for(world, kind, value).values())
    found = world.session.get(getattr(world.models, kind), key, populate_existing=populate)
    return world.hold(found) if hold else found


@step
def query(world: World, kind: str, where: int | None, option: str, place: int, populate: bool, hold: bool) -> Any:
    """Select objects of a class in the order of their keys, perhaps those of a name, perhaps with related ones."""
    entity = getattr(world.models, kind)
    statement = select(entity).order_by(*[getattr(entity, key) for key in world.schema.keys[kind]])
    if where is not None:
        statement = statement.where(entity.name == value_for("name", where))
    names = world.schema.related(kind)
    if option and names:
        loader = getattr(world.orm, option)
        statement = statement.options(loader(getattr(entity, names[place % len(names)])))
    if populate:
        statement = statement.execution_options(populate_existing=True)
    found = world.session.scalars(statement).unique().all()
    if hold:
        for each in found:
            world.hold(each)
    return found


@step
def query_columns(world: World, kind: str) -> Any:
    """Select two columns, no objects."""
    entity = getattr(world.models, kind)
    keys = [getattr(entity, key) for key in world.schema.keys[kind]]
    return [list(row) for row in world.session.execute(select(*keys, entity.name).order_by(*keys))]


@step
def update_where(world: World, kind: str, where: int, value: int, how: str) -> Any:
    entity = getattr(world.models, kind)
    if kind in world.schema.parts:
        raise NothingToDo
    statement = update(entity).where(entity.name == value_for("name", where)).values(name="xyz"[value % 3])
    return world.session.execute(statement, execution_options={"synchronize_session": how}).rowcount


@step
def delete_where(world: World, kind: str, where: int, how: str) -> Any:
    entity = getattr(world.models, kind)
    if kind in world.schema.parts:  # its name is in another table, which SQLite cannot join to a DELETE
        raise NothingToDo
    statement = delete(entity).where(entity.name == value_for("name", where))
    return world.session.execute(statement, execution_options={"synchronize_session": how}).rowcount


@step
def behind(world: World, action: int) -> Any:
    """Change rows behind the back of the objects, in the same transaction; what is loaded and unchanged expires."""
    statements = world.schema.behind
    world.session.flush()
    world.session.execute(text(statements[action % len(statements)]))
    world.session.expire_all()


@step
def key_of(world: World, which: int) -> Any:
    return list(inspect(world.pick(which)).identity or ())
