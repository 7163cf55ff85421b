"""Relationships that are not to be loaded have an empty value from the start, here and in ``sqlalchemy.orm``."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, insert, inspect, select

import session as package

from .beside import Beside

pytestmark = pytest.mark.filterwarnings("ignore:.*noload:DeprecationWarning")


@pytest.fixture
def beside(engine: Engine) -> Beside:
    return Beside(engine)


def key_of(obj: Any) -> Any:
    return inspect(obj).mapper.primary_key_from_instance(obj)[0]


def values(obj: Any) -> dict[str, Any]:
    """Give what an object has of its relationships."""
    found = {}
    for prop in inspect(type(obj)).relationships:
        if prop.key in obj.__dict__:
            value = obj.__dict__[prop.key]
            found[prop.key] = sorted(map(key_of, value)) if isinstance(value, list) else value and key_of(value)
    return found


def test_an_option_empties_the_attribute(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        items = session.scalars(
            select(models.Item).options(orm.noload(models.Item.owner), orm.noload(models.Item.tags))
        )
        return [values(item) for item in items]

    assert beside(program) == [{"owner": None, "tags": []}] * 3


def test_an_option_for_all_attributes(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        seen = [values(item) for item in session.query(models.Item).options(orm.noload("*"))]
        session.expunge_all()
        options = orm.noload("*"), orm.selectinload(models.Item.owner)
        return seen, [values(item) for item in session.query(models.Item).order_by(models.Item.id).options(*options)]

    assert beside(program)[1][2] == {"badge": None, "owner": 2, "tags": []}


@pytest.mark.parametrize("eager", ["joinedload", "selectinload", "immediateload"])
def test_an_option_for_what_is_loaded_eagerly(beside: Beside, eager: str) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = getattr(orm, eager)(models.Owner.items).noload(models.Item.tags)
        owner = session.get(models.Owner, 1, options=[option])
        return [values(item) for item in owner.items]

    beside(program)


def test_an_object_that_is_there_is_given_what_it_lacks(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        item, other = session.get(models.Item, 1), session.get(models.Item, 2)
        assert len(item.tags) == 2
        statement = select(models.Item).options(orm.noload(models.Item.tags))
        session.scalars(statement).all()
        seen = [values(item), values(other)]
        session.scalars(statement.execution_options(populate_existing=True)).all()
        return seen, values(item), values(other), inspect(other).attrs.tags.loaded_value

    assert beside(program)[0] == [{"tags": ["a", "b"]}, {"tags": []}]


def test_the_value_lasts_as_long_as_others(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = orm.noload(models.Item.owner)
        item = session.scalars(select(models.Item).where(models.Item.id == 1).options(option)).one()
        session.refresh(item)
        seen = [values(item)]
        session.expire(item)
        assert item.name == "pen"
        seen.append(values(item))
        session.expire(item, ["owner"])
        return [*seen, item.owner.id]

    assert beside(program)[-1] == 1


def test_changes_that_were_not_flushed_stay(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        item, owner = session.get(models.Item, 1), session.get(models.Owner, 2)
        owner_of_item = item.owner
        new = models.Item(id=9, name="new", owner=owner_of_item)
        models.Item(id=10, name="newer", owner=owner)
        item.owner = None
        session.scalars(select(models.Item).options(orm.noload(models.Item.owner))).all()
        session.scalars(select(models.Owner).options(orm.noload(models.Owner.items))).all()
        return values(item), values(new), [each.id for each in owner.items]

    beside(program, autoflush=False)


def test_many_to_one_that_is_emptied_again_is_no_change(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = orm.noload(models.Item.owner)
        item = session.scalars(select(models.Item).where(models.Item.id == 1).options(option)).one()
        item.owner = None
        session.flush()
        return item.owner_id, session.is_modified(item)

    assert beside(program) == (1, False)


def make(orm: Any) -> Any:
    """Map classes whose relationships are never loaded."""
    base: Any = orm.declarative_base()

    class Item(base):
        __tablename__ = "item"
        id = Column(Integer, primary_key=True)
        owner_id = Column(ForeignKey("owner.id"))
        owner = orm.relationship("Owner", lazy="noload", back_populates="items")

    class Owner(base):
        __tablename__ = "owner"
        id = Column(Integer, primary_key=True)
        items = orm.relationship("Item", lazy="noload", back_populates="owner")
        as_set = orm.relationship("Item", lazy="noload", collection_class=set, viewonly=True)

    orm.configure_mappers()
    return Owner, Item


def test_a_mapping_without_loads(engine: Engine) -> None:
    seen = []
    for orm in (package, sqlalchemy.orm):
        owner, item = make(orm)
        owner.metadata.drop_all(engine)
        owner.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(owner.__table__), [{"id": 1}, {"id": 2}])
            connection.execute(insert(item.__table__), [{"id": 1, "owner_id": 1}, {"id": 2, "owner_id": 1}])
        with orm.Session(engine) as session:
            first = session.get(owner, 1)
            found: list[Any] = [values(first), first.__dict__["as_set"], values(session.get(item, 1))]
            session.expire(first, ["items"])
            found += [values(first), first.items, values(first)]
            new = item(id=3)
            session.add(new)
            session.flush()
            found.append(values(new))
            new.owner = session.get(owner, 2)
            session.flush()
            found += [new.owner_id, values(new.owner)]
            old = session.get(item, 2)
            old.owner = None
            session.commit()
            found += [old.owner_id, values(old)]
            for option in (orm.lazyload(owner.items), orm.selectinload(owner.items)):
                session.expunge_all()
                other = session.get(owner, 1, options=[option])
                found += [values(other), sorted(each.id for each in other.items)]
        seen.append(found)
    assert seen[0] == seen[1]
    assert seen[0][:3] == [{"items": [], "as_set": set()}, set(), {"owner": None}]
