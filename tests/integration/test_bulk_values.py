"""Lists of rows given to an INSERT or UPDATE that has ``values()`` of its own; columns that tell inserted rows apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, func, insert, select, update

from session import DeclarativeBase, Mapped, Session, mapped_column, orm_insert_sentinel


class Base(DeclarativeBase):
    pass


class Vehicle(Base):
    __tablename__ = "valued_vehicle"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    plate: Mapped[str | None]
    seats: Mapped[int | None] = mapped_column("seat_count")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}


class Truck(Vehicle):
    __tablename__ = "valued_truck"

    id: Mapped[int] = mapped_column(ForeignKey("valued_vehicle.id"), primary_key=True)
    load: Mapped[int | None]
    note: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "truck"}


class Reading(Base):
    __tablename__ = "valued_reading"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    _order: Mapped[int] = orm_insert_sentinel()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def trucks(session: Session) -> list[Any]:
    columns = (Truck.plate, Truck.seats, Truck.load, Truck.note)
    return [tuple(row) for row in session.execute(select(*columns).order_by(Truck.load))]


VALUES: list[tuple[Any, tuple[Any, ...]]] = [
    ({"plate": func.lower("P")}, ("p", None, None)),
    ({"plate": "p"}, ("p", None, None)),
    ({Truck.plate: func.lower("P")}, ("p", None, None)),
    ({"note": func.lower("N")}, (None, None, "n")),
    ({"plate": func.lower("P"), "seats": 4, "note": "n"}, ("p", 4, "n")),
]


@pytest.mark.parametrize(("values", "expected"), VALUES)
def test_values_of_an_insert_reach_the_tables_of_a_subclass(session: Session, values: Any, expected: Any) -> None:
    plate, seats, note = expected
    session.execute(insert(Truck).values(values), [{"load": 1}, {"load": 2}])
    assert trucks(session) == [(plate, seats, 1, note), (plate, seats, 2, note)]
    made = session.scalars(insert(Truck).values(values).returning(Truck), [{"load": 3}, {"load": 4}]).all()
    assert {truck.plate for truck in made} == {plate}


@pytest.mark.parametrize(("values", "expected"), VALUES)
def test_values_of_an_update_reach_the_tables_of_a_subclass(session: Session, values: Any, expected: Any) -> None:
    plate, seats, note = expected
    session.add_all([Truck(id=1, load=1), Truck(id=2, load=2)])
    session.flush()
    session.execute(update(Truck).values(values), [{"id": 1, "load": 11}, {"id": 2, "load": 12}])
    assert trucks(session) == [(plate, seats, 11, note), (plate, seats, 12, note)]


def test_a_column_that_tells_inserted_rows_apart_needs_no_value(session: Session) -> None:
    session.add_all([Reading(text="a"), Reading(text="b")])
    session.flush()
    rows = [{"text": text} for text in "cdef"]
    found = session.scalars(insert(Reading).returning(Reading, sort_by_parameter_order=True), rows).all()
    assert [reading.text for reading in found] == list("cdef")
    assert sorted(session.scalars(select(Reading.text))) == list("abcdef")
