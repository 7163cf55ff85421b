"""Composites and hybrids in statements: written by their value, loaded and deferred as one, by every way there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, bindparam, insert, inspect, select, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.ext.hybrid import hybrid_property

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    composite,
    defer,
    load_only,
    mapped_column,
    synonym,
    undefer,
    undefer_group,
)
from session.attributes import set_committed_value


class Base(DeclarativeBase):
    pass


@dataclasses.dataclass
class Point:
    x: int | None
    y: int | None


class Vertex(Base):
    __tablename__ = "vertex"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    label: Mapped[str | None]
    x: Mapped[int | None] = mapped_column("x_column")
    y: Mapped[int | None]
    place: Mapped[Point] = composite("x", "y")
    spot: Mapped[Point] = synonym("place")

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vertex"}


class Corner(Vertex):
    __tablename__ = "corner"

    id: Mapped[int] = mapped_column(ForeignKey("vertex.id"), primary_key=True)
    left: Mapped[int | None]
    right: Mapped[int | None]
    sides: Mapped[Point] = composite("left", "right")

    __mapper_args__ = {"polymorphic_identity": "corner"}


class Sketch(Base):
    __tablename__ = "sketch"

    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[Point] = composite(mapped_column("a"), mapped_column("b"), deferred=True, group="place")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Vertex(id=1, place=Point(1, 2), label="one"), Sketch(id=1, place=Point(3, 4))])
        session.commit()
        yield session


def places(session: Session) -> list[tuple[int | None, int | None]]:
    table = Vertex.__table__
    return [tuple(row) for row in session.execute(select(table.c.x_column, table.c.y).order_by(table.c.id))]


def inserted(rows: list[dict[str, Any]]) -> Callable[[Session], Any]:
    return lambda session: session.execute(insert(Vertex), rows)


@pytest.mark.parametrize(
    "write",
    [
        lambda session: session.bulk_insert_mappings(Vertex, [{"id": 2, "place": Point(5, 6)}]),
        lambda session: session.bulk_insert_mappings(Vertex, [{"place": Point(5, 6)}], return_defaults=True),
        inserted([{"id": 2, "place": Point(5, 6)}]),
        lambda session: session.execute(insert(Vertex), {"id": 2, "place": Point(5, 6)}),
        lambda session: session.execute(insert(Vertex).values(id=2, kind="vertex", place=Point(5, 6))),
        lambda session: session.execute(
            insert(Vertex).values({Vertex.id: 2, Vertex.kind: "vertex", Vertex.place: Point(5, 6)})
        ),
        lambda session: session.execute(insert(Vertex).values([{"id": 2, "kind": "vertex", "place": Point(5, 6)}])),
        lambda session: session.execute(insert(Vertex).values(place=Point(5, 6)), [{"id": 2}]),
        lambda session: session.bulk_insert_mappings(Vertex, [{"id": 2, "place": Point(5, 6), "x": 9}]),
    ],
)
def test_an_insert_writes_the_columns_of_a_composite(session: Session, write: Callable[[Session], Any]) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql("SELECT setval(pg_get_serial_sequence('vertex', 'id'), 1)")
    write(session)
    assert places(session) == [(1, 2), (5, 6)]


@pytest.mark.parametrize(
    "write",
    [
        lambda session: session.bulk_update_mappings(Vertex, [{"id": 1, "place": Point(5, 6)}]),
        lambda session: session.execute(update(Vertex), [{"id": 1, "place": Point(5, 6)}]),
        lambda session: session.execute(update(Vertex).values(place=Point(5, 6))),
        lambda session: session.execute(update(Vertex).values({Vertex.place: Point(5, 6)})),
        lambda session: session.execute(update(Vertex).values(place=bindparam("anything", Point(5, 6)))),
        lambda session: session.execute(update(Vertex).ordered_values((Vertex.place, Point(5, 6)), ("label", "x"))),
        lambda session: session.query(Vertex).update({"place": Point(5, 6)}),
        lambda session: session.query(Vertex).update({Vertex.place: Point(5, 6)}),
    ],
)
def test_an_update_writes_the_columns_of_a_composite(session: Session, write: Callable[[Session], Any]) -> None:
    write(session)
    assert places(session) == [(5, 6)]


def test_none_for_a_composite_is_null_in_all_its_columns(session: Session) -> None:
    session.execute(update(Vertex).values(place=None))
    assert places(session) == [(None, None)]
    session.bulk_update_mappings(Vertex, [{"id": 1, "place": Point(1, 2)}])
    session.bulk_update_mappings(Vertex, [{"id": 1, "place": None}])
    assert places(session) == [(None, None)]


def test_what_is_no_composite_value_is_refused(session: Session) -> None:
    for write in (
        lambda: session.bulk_update_mappings(Vertex, [{"id": 1, "place": 5}]),
        lambda: session.execute(insert(Vertex), [{"id": 2, "place": 5}]),
        lambda: update(Vertex).values(place=5),
    ):
        with pytest.raises(ArgumentError, match=r"Vertex\.place"):
            write()
        session.rollback()


def test_composites_of_two_tables_are_inserted_into_each(session: Session) -> None:
    session.execute(insert(Corner), [{"id": 2, "place": Point(5, 6), "sides": Point(7, 8)}])
    corner = session.get_one(Corner, 2)
    assert (corner.place, corner.sides) == (Point(5, 6), Point(7, 8))


@pytest.mark.parametrize("row", [{"x": 5, "y": 6}, {"place": Point(5, 6)}])
def test_objects_follow_an_update_by_primary_key(session: Session, row: dict[str, Any]) -> None:
    vertex = session.get_one(Vertex, 1)
    assert vertex.place == Point(1, 2)
    session.execute(update(Vertex), [{"id": 1, **row}])
    assert (vertex.place, vertex.x, vertex.y) == (Point(5, 6), 5, 6)
    assert not session.is_modified(vertex)


@pytest.mark.parametrize("synchronize", ["evaluate", "fetch"])
def test_objects_follow_an_update_with_criteria(session: Session, synchronize: str) -> None:
    vertex = session.get_one(Vertex, 1)
    assert vertex.place == Point(1, 2)
    statement = update(Vertex).where(Vertex.place == Point(1, 2)).values(place=Point(5, 6))
    session.execute(statement, execution_options={"synchronize_session": synchronize})
    assert vertex.place == Point(5, 6)


def test_returning_gives_the_value(session: Session) -> None:
    made = insert(Vertex).values(id=2, kind="vertex", place=Point(5, 6)).returning(Vertex.place)
    assert session.scalars(made).one() == Point(5, 6)
    changed = update(Vertex).where(Vertex.id == 1).values(place=Point(7, 8)).returning(Vertex.place)
    assert session.scalars(changed).one() == Point(7, 8)


@pytest.mark.parametrize(
    ("options", "unloaded"),
    [
        ([load_only(Vertex.place)], {"label"}),
        ([load_only(Vertex.spot)], {"label"}),
        ([load_only(Vertex.place, Vertex.label)], set()),
        ([defer(Vertex.place)], {"x", "y", "place"}),
        ([defer("*"), undefer(Vertex.place)], {"label"}),
    ],
)
def test_loader_options_for_a_composite_are_for_its_columns(
    session: Session, options: list[Any], unloaded: set[str]
) -> None:
    vertex = session.scalars(select(Vertex).options(*options)).one()
    assert inspect(vertex).unloaded - {"spot"} == unloaded
    assert (vertex.place, vertex.label) == (Point(1, 2), "one")


def test_a_composite_of_an_alias_is_deferred(session: Session) -> None:
    other = aliased(Vertex)
    vertex = session.scalars(select(other).options(defer(other.place))).one()
    assert {"x", "y", "place"} <= inspect(vertex).unloaded


def test_a_deferred_composite_is_undeferred(session: Session) -> None:
    for option in (undefer(Sketch.place), undefer_group("place")):
        sketch = session.scalars(select(Sketch).options(option)).one()
        assert not inspect(sketch).unloaded
        session.expunge(sketch)


class Rectangle(Base):
    __tablename__ = "rectangle"

    id: Mapped[int] = mapped_column(primary_key=True)
    width: Mapped[int | None]
    height: Mapped[int | None]

    @hybrid_property
    def size(self) -> Any:
        return self.width

    @size.inplace.bulk_dml
    @classmethod
    def _size_in_bulk(cls, row: dict[str, Any], value: tuple[int, int]) -> None:
        row["width"], row["height"] = value

    @hybrid_property
    def area(self) -> Any:
        return self.width * self.height


@pytest.mark.parametrize(
    "write",
    [
        lambda session: session.bulk_insert_mappings(Rectangle, [{"id": 1, "size": (2, 3)}]),
        lambda session: session.execute(insert(Rectangle), [{"id": 1, "size": (2, 3)}]),
        lambda session: session.bulk_update_mappings(Rectangle, [{"id": 0, "size": (2, 3)}]),
        lambda session: session.execute(update(Rectangle), [{"id": 0, "size": (2, 3)}]),
    ],
)
def test_hybrids_that_say_so_are_written_in_bulk(session: Session, write: Callable[[Session], Any]) -> None:
    session.add(Rectangle(id=0, width=2, height=3))
    session.flush()
    write(session)
    rows = session.execute(select(Rectangle.width, Rectangle.height)).all()
    assert set(rows) == {(2, 3)}


def test_hybrids_that_do_not_say_how_are_refused_in_bulk(session: Session) -> None:
    for write in (
        lambda: session.bulk_insert_mappings(Rectangle, [{"id": 1, "area": 6}]),
        lambda: session.execute(insert(Rectangle), [{"id": 1, "area": 6}]),
        lambda: session.bulk_update_mappings(Rectangle, [{"id": 1, "area": 6}]),
        lambda: session.execute(update(Rectangle), [{"id": 1, "area": 6}]),
    ):
        with pytest.raises(InvalidRequestError):
            write()
        session.rollback()


def test_a_composite_is_set_as_if_it_had_been_loaded(session: Session) -> None:
    vertex = Vertex(id=70, x=1, y=2)
    session.add(vertex)
    session.commit()
    assert vertex.place == Point(1, 2)
    set_committed_value(vertex, "place", Point(7, 8))
    assert (vertex.place, vertex.x) == (Point(7, 8), 1)
    assert not session.is_modified(vertex)
    session.commit()
    assert vertex.place == Point(1, 2)


def test_a_concrete_subclass_has_the_composites_of_its_base(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Whole(Own):
        __tablename__ = "whole"
        id: Mapped[int] = mapped_column(primary_key=True)
        x: Mapped[int | None] = mapped_column("x_column")
        y: Mapped[int | None] = mapped_column()
        place: Mapped[Point] = composite(x, y, info={"a": 1})
        other: Mapped[Point | None] = composite("x", "y")

    class Part(Whole):
        __tablename__ = "part"
        id: Mapped[int] = mapped_column(primary_key=True)
        x: Mapped[int | None]
        y: Mapped[int | None]
        __mapper_args__ = {"concrete": True}

    class Less(Whole):
        __tablename__ = "less"
        id: Mapped[int] = mapped_column(primary_key=True)
        x: Mapped[int | None]
        __mapper_args__ = {"concrete": True}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Part(id=1, place=Point(1, 2)), Part(id=2, other=Point(3, 4)), Part(id=3)])
        session.commit()
        assert session.scalars(select(Part.id).where(Part.place == Point(3, 4))).all() == [2]
        part = session.get_one(Part, 1)
        part.place = Point(5, 6)
        session.commit()
        assert session.scalars(select(Part.other).where(Part.id == 1)).one() == Point(5, 6)
        assert session.get_one(Part, 3).other is None
        assert inspect(Part).composites.keys() == ["place", "other"]
        assert Part.place.info == {"a": 1}
        assert not hasattr(Less(), "place")
