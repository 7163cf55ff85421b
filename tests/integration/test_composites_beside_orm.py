"""Composites on this package and on ``sqlalchemy.orm``: sorted by, looked up by, in compound queries, in events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Engine, Integer, asc, desc, event, func, insert, inspect, select, text, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError

import session as ours

# sqlalchemy.orm does not read fields whose annotations are strings
Point: Any = dataclasses.make_dataclass("Point", [("x", int), ("y", int)])
Place: Any = dataclasses.make_dataclass("Place", [("x", int | None), ("y", int | None)])
VersionID: Any = dataclasses.make_dataclass("VersionID", [("id", int), ("number", int)], frozen=True)
One: Any = dataclasses.make_dataclass("One", [("id", int)])


class Model:
    """The classes, and a Session with three rows, on one library."""

    def __init__(self, orm: ModuleType, engine: Engine) -> None:
        self.orm = orm
        base: Any = orm.declarative_base()
        column = orm.mapped_column

        class Vertex(base):
            __tablename__ = "vertex"
            id = column(Integer, primary_key=True)
            start = orm.composite(Point, column("x1", Integer), column("y1", Integer))
            end = orm.composite(
                Place, column("x2", Integer), column("y2", Integer), return_none_on=lambda x, y: x is None and y is None
            )

        class Version(base):
            __tablename__ = "version"
            key = orm.composite(
                VersionID,
                column("id", Integer, primary_key=True, autoincrement=False),
                column("number", Integer, primary_key=True),
            )

        class Single(base):
            __tablename__ = "single"
            key = orm.composite(One, column("id", Integer, primary_key=True))

        self.Vertex: Any = Vertex
        self.Version: Any = Version
        self.Single: Any = Single
        base.metadata.create_all(engine)
        self.session = orm.Session(engine)
        self.session.add_all(
            [
                Vertex(id=1, start=Point(3, 4), end=Place(1, 2)),
                Vertex(id=2, start=Point(1, 2), end=None),
                Vertex(id=3, start=Point(1, 1), end=Place(None, 5)),
                Version(key=VersionID(1, 2)),
                Single(key=One(5)),
            ]
        )
        self.session.commit()


@pytest.fixture(params=[ours, sqlalchemy.orm], ids=["ours", "sqlalchemy.orm"])
def model(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Model]:
    made = Model(request.param, engine)
    with made.session:
        yield made


@pytest.fixture
def own(engine: Engine) -> Iterator[Model]:
    """The same on this package alone, for what ``sqlalchemy.orm`` fails at."""
    made = Model(ours, engine)
    with made.session:
        yield made


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (lambda start: start, [3, 2, 1]),
        (lambda start: start.asc(), [3, 2, 1]),
        (lambda start: start.desc(), [1, 2, 3]),
        (lambda start: asc(start), [3, 2, 1]),
        (lambda start: desc(start), [1, 2, 3]),
        (lambda start: start.desc().nulls_last(), [1, 2, 3]),
        (lambda start: start.nulls_first(), [3, 2, 1]),
    ],
)
def test_rows_are_sorted_by_all_columns_of_a_composite(
    model: Model, order: Callable[[Any], Any], expected: list[int]
) -> None:
    for entity in (model.Vertex, model.orm.aliased(model.Vertex)):
        statement = select(entity.id).order_by(order(entity.start))
        assert model.session.scalars(statement).all() == expected
        assert [row.id for row in model.session.query(entity).order_by(order(entity.start))] == expected


def test_rows_are_grouped_by_a_composite(model: Model) -> None:
    Vertex = model.Vertex
    statement = select(Vertex.start, func.count()).group_by(Vertex.start).order_by(Vertex.start.desc())
    assert model.session.execute(statement).all() == [(Point(3, 4), 1), (Point(1, 2), 1), (Point(1, 1), 1)]


@pytest.mark.parametrize(
    "write",
    [
        lambda start: start.in_([Point(1, 2)]),
        lambda start: start.is_(None),
        lambda start: start.between(Point(1, 2), Point(2, 3)),
        lambda start: start.distinct(),
        lambda start: start + 1,
        lambda start: 1 + start,
        lambda start: -start,
    ],
)
def test_other_operators_there_are_none(model: Model, write: Callable[[Any], Any]) -> None:
    with pytest.raises(NotImplementedError):
        write(model.Vertex.start)


def test_the_error_names_the_columns_to_take_in_its_place(own: Model) -> None:
    with pytest.raises(NotImplementedError, match=r"Vertex\.start.*'in_op'.*'x1', 'y1'"):
        own.Vertex.start.in_([])


def test_an_object_is_found_by_a_composite_primary_key(model: Model) -> None:
    session, Version = model.session, model.Version
    session.expunge_all()
    found = session.get(Version, VersionID(1, 2))
    assert found.key == VersionID(1, 2)
    assert session.get(Version, VersionID(1, 2)) is found
    assert session.get_one(Version, VersionID(1, 2), populate_existing=True) is found
    assert session.get(Version, VersionID(1, 3)) is None
    assert session.get(Version, VersionID(None, 3)) is None
    assert session.get(Version, Point(1, 2)) is found  # any composite value with as many parts
    assert session.get(model.Single, One(5)) is session.get(model.Single, 5)
    with pytest.raises(InvalidRequestError):
        session.get(Version, One(1))


def test_compound_queries_give_composites(model: Model) -> None:
    session, Vertex, Bundle = model.session, model.Vertex, model.orm.Bundle
    starts = session.query(Vertex.id, Vertex.start)
    both = starts.union(session.query(Vertex.id, Vertex.end)).filter(Vertex.id == 1)
    assert sorted(map(repr, both)) == ["(1, Point(x=1, y=2))", "(1, Point(x=3, y=4))"]
    assert both.column_descriptions[1]["name"] == "start"
    repeated = session.query(Vertex.start).union_all(session.query(Vertex.start)).order_by(Vertex.start)
    assert repeated.all() == [(Point(x, y),) for x, y in [(1, 1), (1, 1), (1, 2), (1, 2), (3, 4), (3, 4)]]
    bundle = Bundle("whole", Vertex.id, Vertex.start, Bundle("part", Vertex.x2))
    first = session.query(bundle).union(session.query(bundle)).order_by(Vertex.id).first()
    assert (first.whole.id, first.whole.start, first.whole.part.x2) == (1, Point(3, 4), 1)


def test_listeners_know_which_composite_is_set(model: Model) -> None:
    heard: list[Any] = []

    def on_set(target: Any, value: Any, old: Any, initiator: Any) -> None:
        heard.append((value, initiator.key))

    event.listen(model.Vertex.start, "set", on_set)
    event.listen(model.Vertex.end, "remove", lambda target, value, initiator: heard.append((value, initiator.key)))
    vertex = model.session.get(model.Vertex, 1)
    vertex.start = Point(7, 8)
    del vertex.end
    assert heard == [(Point(7, 8), "start"), (Place(1, 2), "end")]


def test_the_history_of_a_composite_loads_its_columns(model: Model) -> None:
    session, Vertex = model.session, model.Vertex
    vertex = session.get(Vertex, 1)
    session.expire(vertex)
    assert inspect(vertex).attrs.start.history == ((), [Point(3, 4)], ())
    assert vertex.__dict__["start"] == Point(3, 4)
    vertex.start = Point(7, 8)
    assert inspect(vertex).attrs.start.history == ([Point(7, 8)], (), [Point(3, 4)])
    assert inspect(Vertex()).attrs.start.history == ((), [Point(None, None)], ())
    assert inspect(Vertex()).attrs.end.history == ((), [None], ())


def test_a_composite_is_written_by_its_value_in_bulk(model: Model) -> None:
    session, Vertex = model.session, model.Vertex
    vertex = session.get(Vertex, 3)
    session.execute(insert(Vertex), [{"id": 4, "start": Point(9, 9)}])
    session.execute(update(Vertex).where(Vertex.start == Point(1, 1)).values({Vertex.start: Point(5, 6)}))
    assert vertex.start == Point(5, 6)
    found = session.execute(select(Vertex.id, Vertex.start, Vertex.end).order_by(Vertex.start.desc())).all()
    assert found == [
        (4, Point(9, 9), None),
        (3, Point(5, 6), Place(None, 5)),
        (1, Point(3, 4), Place(1, 2)),
        (2, Point(1, 2), None),
    ]


def test_a_composite_is_made_anew_of_columns_that_were_written(model: Model) -> None:
    session, Vertex = model.session, model.Vertex
    vertex = session.get(Vertex, 1)
    vertex.start = given = Point(7, 8)
    assert vertex.start is given
    session.flush()
    assert "start" not in vertex.__dict__
    assert vertex.start == given
    vertex.x1 = 9
    assert vertex.start == given  # until the columns are written
    session.flush()
    assert vertex.start == Point(9, 8)
    new = Vertex(id=9, start=given)
    session.add(new)
    session.flush()
    new.x1 = 1
    assert new.start == Point(1, 8)
    session.commit()
    assert new.start == Point(1, 8)


def test_a_composite_is_refreshed_by_name(own: Model) -> None:
    vertex = own.session.get(own.Vertex, 1)
    own.session.execute(text("UPDATE vertex SET x1 = 50, x2 = 60"))
    own.session.refresh(vertex, ["start"])
    assert (vertex.start, vertex.end) == (Point(50, 4), Place(1, 2))


def test_a_composite_flagged_as_modified_is_written(own: Model) -> None:
    vertex = own.session.get(own.Vertex, 1)
    own.session.execute(text("UPDATE vertex SET x1 = 50, y1 = 60"))
    ours.attributes.flag_modified(vertex, "start")
    assert own.session.is_modified(vertex)
    own.session.commit()
    assert vertex.start == Point(3, 4)


@pytest.mark.parametrize("orm", [ours, sqlalchemy.orm])
def test_defaults_of_a_dataclass_are_set(orm: Any, engine: Engine) -> None:
    class Base(orm.MappedAsDataclass, orm.DeclarativeBase):  # type: ignore[misc,name-defined]
        pass

    def version(prefix: str, **settings: Any) -> Any:
        return orm.composite(
            VersionID, orm.mapped_column(f"{prefix}x", Integer), orm.mapped_column(f"{prefix}y", Integer), **settings
        )

    class Row(Base):
        __tablename__ = "defaults"
        __annotations__ = {"id": orm.Mapped[int]}
        id = orm.mapped_column(Integer, primary_key=True, init=False)
        __annotations__["a"] = orm.Mapped[VersionID]
        a = version("a", default=VersionID(1, 2))
        __annotations__["b"] = orm.Mapped[VersionID]
        b = version("b", default=VersionID(3, 4), init=False)
        __annotations__["c"] = orm.Mapped[VersionID]
        c = version("c", default_factory=lambda: VersionID(5, 6), kw_only=True)

    row = Row()
    assert (row.a, row.b, row.c) == (VersionID(1, 2), VersionID(3, 4), VersionID(5, 6))
    assert (row.ax, row.by, row.cx) == (1, 4, 5)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(row)
        session.commit()
        assert session.execute(select(Row.a, Row.b, Row.c)).one() == (VersionID(1, 2), VersionID(3, 4), VersionID(5, 6))

    with pytest.raises(InvalidRequestError, match="mutable default"):

        class Shared(Base):
            __tablename__ = "shared"
            __annotations__ = {"id": orm.Mapped[int], "a": orm.Mapped[Point]}
            id = orm.mapped_column(Integer, primary_key=True, init=False)
            a = orm.composite(orm.mapped_column("ax"), orm.mapped_column("ay"), default=Point(1, 2))


@pytest.mark.parametrize("orm", [ours, sqlalchemy.orm])
def test_columns_are_counted_against_the_fields(orm: Any) -> None:
    def mapped(*names: str) -> Any:
        base: Any = orm.declarative_base()
        body = {
            "__tablename__": "counted",
            "__annotations__": {"start": orm.Mapped[Point]},
            "id": orm.mapped_column(Integer, primary_key=True),
            "start": orm.composite(*[orm.mapped_column(name) for name in names]),
        }
        return type("Counted", (base,), body)

    assert mapped("a").__table__.c.keys() == ["id", "a", "y"]
    assert mapped("a")(start=Point(1, 2)).y == 2
    with pytest.raises(ArgumentError):
        mapped("a", "b", "c")


def test_each_class_has_its_own_copy_of_the_composite_of_a_mixin(engine: Engine) -> None:
    class Base(ours.DeclarativeBase):
        pass

    class Placed:
        x: ours.Mapped[int] = ours.mapped_column("x_column")
        place: ours.Mapped[Point] = ours.composite(x, ours.mapped_column("y_column"))
        other: ours.Mapped[Point] = ours.composite(column_template="other_%s")

    class House(Placed, Base):
        __tablename__ = "house"
        id: ours.Mapped[int] = ours.mapped_column(primary_key=True)

    class Garden(Placed, Base):
        __tablename__ = "garden"
        id: ours.Mapped[int] = ours.mapped_column(primary_key=True)

    Base.metadata.create_all(engine)
    with ours.Session(engine) as session:
        session.add_all([House(place=Point(1, 2), other=Point(3, 4)), Garden(place=Point(5, 6), other=Point(7, 8))])
        session.commit()
        for class_, place, other in ((House, Point(1, 2), Point(3, 4)), (Garden, Point(5, 6), Point(7, 8))):
            assert set(class_.__table__.c.keys()) == {"id", "x_column", "y_column", "other_x", "other_y"}
            found = session.scalars(select(class_)).one()
            assert (found.x, found.place, found.other) == (place.x, place, other)
