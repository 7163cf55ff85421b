"""Queries with clauses that were called in rare orders, here and in ``sqlalchemy.orm``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from .beside import Beside

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


@pytest.fixture
def beside(engine: Engine) -> Beside:
    return Beside(engine)


def union(models: Any, session: Any) -> Any:
    return session.query(models.Item).filter(models.Item.id == 1).union(session.query(models.Item))


#: what is made of a query for the union of some items and all items
AFTER_UNION: dict[str, Callable[[Any, Any], Any]] = {
    "a column more": lambda query, m: query.add_columns(m.Item.name),
    "a label more": lambda query, m: query.add_columns(m.Item.name.label("other")),
    "a function more": lambda query, m: query.add_columns(func.upper(m.Item.name)),
    "the entity again": lambda query, m: query.add_entity(m.Item),
    "a joined entity": lambda query, m: query.join(m.Item.owner).add_entity(m.Owner),
    "a joined column": lambda query, m: query.join(m.Item.owner).add_columns(m.Owner.name),
    "another column": lambda query, m: query.with_entities(m.Item.name),
    "a count": lambda query, m: query.with_entities(func.count(m.Item.id)),
    "a joined column alone": lambda query, m: query.join(m.Item.owner).with_entities(m.Owner.name),
    "groups": lambda query, m: query.group_by(m.Item.owner_id).with_entities(m.Item.owner_id, func.count(m.Item.id)),
    "sorted": lambda query, m: query.order_by(m.Item.name).with_entities(m.Item.name),
}


def shown(row: Any) -> list[Any]:
    values = row if hasattr(row, "_fields") else (row,)
    return [(type(each).__name__, each.id) if hasattr(each, "_sa_instance_state") else each for each in values]


@pytest.mark.parametrize("change", AFTER_UNION)
def test_columns_of_a_union_are_read_from_it(beside: Beside, change: str) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        query = AFTER_UNION[change](union(models, session), models)
        return sorted(map(shown, query), key=str), [each["name"] for each in query.column_descriptions]

    assert isinstance(beside(program), tuple)


def test_columns_of_a_union_of_columns(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        query = session.query(models.Item.id).union(session.query(models.Owner.id))
        return sorted(query.add_columns(models.Item.id).all()), query.with_entities(func.max(models.Item.id)).scalar()

    assert beside(program) == ([(1, 1), (2, 2), (3, 3)], 3)


def test_a_query_with_joins_exists(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        owner, item = models.Owner, models.Item
        queries = [
            session.query(owner).join(owner.items),
            session.query(owner).join(owner.items).filter(item.name == "nope"),
            session.query(owner.id).select_from(owner).join(owner.items).join(item.tags),
            session.query(owner).join(item).limit(1),
            session.query(owner).outerjoin(owner.items).filter(item.id.is_(None)),
        ]
        found = [session.query(query.exists()).scalar() for query in queries]
        with_tags = session.query(item).filter(item.owner_id == owner.id).join(item.tags)
        return found, session.scalars(select(owner.id).where(with_tags.exists()).order_by(owner.id)).all()

    assert beside(program) == ([True, False, True, True, False], [1, 2])


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.LegacyAPIWarning")
def test_an_order_is_nothing_to_get(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        query = session.query(models.Item)
        other = query.enable_assertions(False).filter(models.Item.id == 2)
        return query.order_by(models.Item.name).get(3).id, query.distinct().get(2).id, other.get(1).id

    assert beside(program) == (3, 2, 1)
