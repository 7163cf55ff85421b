"""SQL expressions as values of rows: in columns that the database has a default for, and in primary keys."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, func, inspect, select, update
from sqlalchemy.exc import IntegrityError, SAWarning

from session import DeclarativeBase, Mapped, Session, mapped_column
from session.attributes import set_committed_value

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Reading(Base):
    __tablename__ = "reading"

    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(server_default="4")
    note: Mapped[str | None]


def test_a_value_in_place_of_a_server_default_comes_back_with_the_insert(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        reading = Reading(level=func.abs(-3), note=func.lower("A"))
        session.add(reading)
        session.flush()
        assert inspect(reading).unloaded == {"note"}
        with Statements(engine) as sent:
            assert reading.level == 3
        assert not len(sent)
        assert reading.note == "a"


class Gauge(Base):
    __tablename__ = "gauge"

    code: Mapped[str] = mapped_column(primary_key=True)
    note: Mapped[str | None]


def test_a_row_without_its_key_is_refused_by_the_database_also_with_sql_among_its_values(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Gauge(note=func.lower("A")))
        with pytest.warns(SAWarning, match="primary key"), pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        session.add(Gauge(code="a", note=func.lower("A")))
        session.flush()
        assert session.scalars(select(Gauge.note)).all() == ["a"]


class Leaf(Base):
    __tablename__ = "leaf"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


@pytest.mark.parametrize("eager", [True, False])
def test_a_primary_key_that_is_set_to_an_expression_is_that_of_the_row(engine: Engine, eager: bool) -> None:
    Base.metadata.create_all(engine)
    inspect(Leaf).eager_defaults = eager
    with Session(engine) as session:
        first, second = Leaf(id=1), Leaf(id=5)
        session.add_all([first, second])
        session.commit()
        first.id, second.id = Leaf.id + 1, func.abs(-9)
        session.flush()
        assert (first.id, second.id) == (2, 9)
        assert session.get(Leaf, 2) is first
        assert session.get(Leaf, 9) is second
        session.commit()
        assert session.scalars(select(Leaf.id).order_by(Leaf.id)).all() == [2, 9]


def test_a_key_that_a_listener_has_changed_in_the_database_may_be_set_as_committed(engine: Engine) -> None:
    Base.metadata.create_all(engine)

    def moved(mapper: Any, connection: Any, leaf: Leaf) -> None:
        connection.execute(update(Leaf.__table__).where(Leaf.__table__.c.id == leaf.id).values(id=9))
        set_committed_value(leaf, "id", 9)

    with Session(engine) as session:
        leaf = Leaf(id=1, name="old")
        session.add(leaf)
        session.commit()
        leaf.name = "new"
        event.listen(Leaf, "after_update", moved)
        try:
            session.flush()
        finally:
            event.remove(Leaf, "after_update", moved)
        assert session.get(Leaf, 9) is leaf
        session.commit()
        assert (leaf.id, leaf.name) == (9, "new")
