"""Wrong use raises errors of the classes that ``sqlalchemy.orm`` raises, or of classes that derive from these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchColumnError

import session as package
from session.exc import LoaderStrategyException, UnmappedInstanceError

from .beside import Beside

Refused = Callable[[Any, Any, Any], Any]

REFUSED: dict[str, tuple[type[Exception], Refused]] = {
    "refresh of no attribute": (KeyError, lambda orm, m, s: s.refresh(s.get(m.Item, 1), ["nope"])),
    "refresh of an attribute and none": (KeyError, lambda orm, m, s: s.refresh(s.get(m.Item, 1), ["name", "nope"])),
    "refresh by letters": (KeyError, lambda orm, m, s: s.refresh(s.get(m.Item, 1), "name")),
    "refresh by the attribute itself": (KeyError, lambda orm, m, s: s.refresh(s.get(m.Item, 1), [m.Item.name])),
    "expire of no attribute": (KeyError, lambda orm, m, s: s.expire(s.get(m.Item, 1), ["nope"])),
    "expire by letters": (KeyError, lambda orm, m, s: s.expire(s.get(m.Item, 1), "name")),
    "refresh of a transient object": (InvalidRequestError, lambda orm, m, s: s.refresh(m.Item())),
    "expire of a transient object": (InvalidRequestError, lambda orm, m, s: s.expire(m.Item())),
    "expunge of a transient object": (InvalidRequestError, lambda orm, m, s: s.expunge(m.Item())),
    "delete of a transient object": (InvalidRequestError, lambda orm, m, s: s.delete(m.Item())),
    "merge of nothing": (UnmappedInstanceError, lambda orm, m, s: s.merge(None)),
    "add of nothing": (UnmappedInstanceError, lambda orm, m, s: s.add(None)),
    "add of a list": (UnmappedInstanceError, lambda orm, m, s: s.add([m.Item()])),
    "delete of a class": (UnmappedInstanceError, lambda orm, m, s: s.delete(m.Item)),
    "get with too many values": (InvalidRequestError, lambda orm, m, s: s.get(m.Item, (1, 2))),
    "get with no values": (InvalidRequestError, lambda orm, m, s: s.get(m.Item, ())),
    "get by other names": (InvalidRequestError, lambda orm, m, s: s.get(m.Item, {"nope": 1})),
    "get by more names": (InvalidRequestError, lambda orm, m, s: s.get(m.Item, {"id": 1, "name": "pen"})),
    "get by no names": (InvalidRequestError, lambda orm, m, s: s.get(m.Item, {})),
    "relationship option for a column": (
        LoaderStrategyException,
        lambda orm, m, s: s.scalars(select(m.Item).options(orm.joinedload(m.Item.name))).all(),
    ),
    "column option for a relationship": (
        LoaderStrategyException,
        lambda orm, m, s: s.scalars(select(m.Item).options(orm.defer(m.Item.tags))).all(),
    ),
    "something else below an option": (ArgumentError, lambda orm, m, s: orm.joinedload(m.Item.tags).options("name")),
    "a given statement without the column": (
        NoSuchColumnError,
        lambda orm, m, s: s.query(m.Item.name).from_statement(text("SELECT id FROM item")).all(),
    ),
    "update of a column's query": (ArgumentError, lambda orm, m, s: s.query(m.Item.id).update({"name": "x"})),
    "update of a function's query": (ArgumentError, lambda orm, m, s: s.query(func.count()).update({"name": "x"})),
    "delete of a function's query": (ArgumentError, lambda orm, m, s: s.query(func.count()).delete()),
    "update of a union": (
        InvalidRequestError,
        lambda orm, m, s: s.query(m.Item).union(s.query(m.Item)).update({"name": "x"}, synchronize_session=False),
    ),
    "count of text": (
        InvalidRequestError,
        lambda orm, m, s: s.query(m.Item).from_statement(text("SELECT * FROM item")).count(),
    ),
    "parent that is nothing": (UnmappedInstanceError, lambda orm, m, s: s.query(m.Item).with_parent(None).all()),
    "get of a query with a condition": (
        InvalidRequestError,
        lambda orm, m, s: s.query(m.Item).filter(m.Item.id == 1).get(1),
    ),
}


@pytest.fixture
def beside(engine: Engine) -> Beside:
    return Beside(engine)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.LegacyAPIWarning", "ignore::sqlalchemy.exc.SADeprecationWarning")
def test_classes_of_errors(beside: Beside) -> None:
    for name, (kind, refused) in REFUSED.items():
        with package.Session(beside.engine) as session, pytest.raises(kind):
            refused(package, beside.models, session)
        theirs = getattr(sqlalchemy.orm.exc, kind.__name__, kind)
        with sqlalchemy.orm.Session(beside.engine) as session, pytest.raises(theirs):
            refused(sqlalchemy.orm, beside.others, session)
            pytest.fail(name)


def test_an_unknown_name_changes_nothing(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        item = session.get(models.Item, 1)
        item.name = "new"
        for change in (session.expire, session.refresh):
            with pytest.raises(KeyError, match="nope"):
                change(item, ["nope"])
        return item.name, session.is_modified(item)

    assert beside(program) == ("new", True)
