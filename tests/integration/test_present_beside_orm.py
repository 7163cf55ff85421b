"""Chains of eager loads over objects that the Session has already, here and in ``sqlalchemy.orm``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, insert, inspect, select, text

from .beside import Beside
from .everyday import Statements


@pytest.fixture
def beside(engine: Engine) -> Beside:
    return Beside(engine)


def key_of(obj: Any) -> Any:
    return inspect(obj).mapper.primary_key_from_instance(obj)[0]


def loaded(obj: Any, *keys: str) -> Any:
    """Give what an object has of a relationship, and what that has of the next one."""
    key, *more = keys
    if key not in obj.__dict__:
        return "-"
    value = obj.__dict__[key]
    found = value if isinstance(value, list) else [] if value is None else [value]
    return [(key_of(each), loaded(each, *more)) if more else key_of(each) for each in found]


def changed(change: Callable[[list[Any], Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Give what leaves the owners and all items in the Session, some of which a function changes."""

    def present(orm: Any, models: Any, session: Any) -> Any:
        items = session.query(models.Item).all()
        owners = session.query(models.Owner).order_by(models.Owner.id).all()
        change(owners, models)
        return owners, items

    return present


PRESENT: dict[str, Callable[[Any, Any, Any], Any]] = {
    "nothing": lambda orm, m, s: None,
    "owners": lambda orm, m, s: s.query(m.Owner).all(),
    "items": lambda orm, m, s: s.query(m.Item).all(),
    "owners with items": lambda orm, m, s: s.query(m.Owner).options(orm.selectinload(m.Owner.items)).all(),
    "all of it": lambda orm, m, s: (
        s.query(m.Owner).options(orm.selectinload(m.Owner.items).selectinload(m.Item.tags)).all()
    ),
    "owners with items, one with tags": lambda orm, m, s: (
        s.query(m.Owner).options(orm.selectinload(m.Owner.items)).all(),
        len(s.get(m.Item, 1).tags),
    ),
    "owners with items that are expired": lambda orm, m, s: [
        (owner, [s.expire(item) for item in owner.items]) for owner in s.query(m.Owner).all()
    ],
    "an item more": changed(lambda owners, m: owners[0].items.append(m.Item(name="new"))),
    "an item changed": changed(lambda owners, m: setattr(owners[0].items[0], "name", "new")),
    "an item moved": changed(lambda owners, m: setattr(owners[0].items[0], "owner", owners[1])),
    "items with owners": lambda orm, m, s: s.query(m.Item).options(orm.selectinload(m.Item.owner)).all(),
}


@pytest.mark.parametrize("second", ["selectinload", "joinedload", "immediateload"])
@pytest.mark.parametrize("first", ["selectinload", "joinedload", "subqueryload"])
def test_what_the_next_relationship_of_a_collection_has(beside: Beside, first: str, second: str) -> None:
    for name, present in PRESENT.items():
        if first == "subqueryload" and name == "an item moved":
            continue  # it does not load a collection that waits for what was moved there; here it is as selectinload()

        def program(orm: Any, models: Any, session: Any, present: Any = present) -> Any:
            kept = present(orm, models, session)
            option = getattr(getattr(orm, first)(models.Owner.items), second)(models.Item.tags)
            owners = session.scalars(select(models.Owner).order_by(models.Owner.id).options(option)).unique().all()
            return [(owner.id, loaded(owner, "items", "tags")) for owner in owners], kept is None

        assert isinstance(beside(program, autoflush=False), tuple)


@pytest.mark.parametrize("second", ["selectinload", "joinedload", "immediateload"])
@pytest.mark.parametrize("first", ["selectinload", "joinedload"])
def test_what_the_next_relationship_of_a_reference_has(beside: Beside, first: str, second: str) -> None:
    for present in PRESENT.values():

        def program(orm: Any, models: Any, session: Any, present: Any = present) -> Any:
            kept = present(orm, models, session)
            option = getattr(getattr(orm, first)(models.Item.owner), second)(models.Owner.items)
            items = session.scalars(select(models.Item).order_by(models.Item.id).options(option)).unique().all()
            return [(item.id, loaded(item, "owner", "items")) for item in items], kept is None

        assert isinstance(beside(program, autoflush=False), tuple)


def test_three_relationships_one_after_the_other(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        owner, item, tag = models.Owner, models.Item, models.Tag
        two = orm.selectinload(owner.items).selectinload(item.tags)
        kept = session.scalars(select(owner).options(two)).all()
        owners = session.scalars(select(owner).order_by(owner.id).options(two.selectinload(tag.items))).all()
        return [loaded(each, "items", "tags", "items") for each in owners], len(kept)

    assert beside(program)[0][0][0] == (1, [("a", [1, 3]), ("b", [1])])


def test_levels_of_a_recursion(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        node = models.Node
        root = session.get(node, 1, options=[orm.selectinload(node.children)])
        session.scalars(
            select(node).where(node.id == 1).options(orm.selectinload(node.children, recursion_depth=3))
        ).one()
        return loaded(root, "children", "children", "children")

    assert beside(program) == [(2, [(3, [])])]


def test_nothing_is_sent_where_nothing_is_missing(beside: Beside, engine: Engine) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        statement = select(models.Owner).options(orm.selectinload(models.Owner.items).selectinload(models.Item.tags))
        kept = session.scalars(statement).all()
        with Statements(engine) as sent:
            session.scalars(statement).all()
        if orm.__name__ == "session":
            assert len(sent) == 1
        return len(kept)

    beside(program)


@pytest.mark.parametrize("without", ["load_only", "defer", "rows"])
def test_a_foreign_key_that_is_not_loaded_is_not_read_one_by_one(beside: Beside, engine: Engine, without: str) -> None:
    with engine.begin() as connection:
        rows = [{"id": number, "name": "n", "owner_id": None if number % 5 == 0 else 1} for number in range(10, 30)]
        connection.execute(insert(beside.models.Item.__table__), rows)

    def program(orm: Any, models: Any, session: Any) -> Any:
        item = models.Item
        statement: Any = select(item).order_by(item.id)
        if without == "rows":
            statement = select(item).from_statement(text("SELECT id, name FROM item ORDER BY id"))
        elif without == "defer":
            statement = statement.options(orm.defer(item.owner_id))
        else:
            statement = statement.options(orm.load_only(item.name))
        with Statements(engine) as sent:
            items = session.scalars(statement.options(orm.selectinload(item.owner))).all()
        if orm.__name__ == "session":
            assert len(sent) == 2
        return [(each.id, "owner_id" in each.__dict__, each.owner and each.owner.id) for each in items]

    found = beside(program)
    assert len(found) == 23
    assert found[0] == (1, False, 1)
