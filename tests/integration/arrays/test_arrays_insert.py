"""Many new rows at once: keys belong to their rows, and what the database makes comes back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Identity,
    Integer,
    Sequence,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.exc import ProgrammingError

from session import DeclarativeBase, Session, mapped_column
from session.core import arrays
from tests.conftest import Database

from .notes import MANY, Notes, Text, item_class, only_postgresql

pytestmark = only_postgresql


def test_keys_belong_to_their_rows_over_many_pages(item: Any, notes: Notes) -> None:
    with Session(notes.engine) as session:
        objects = [item(name=f"name {i}", number=i) for i in range(2500)]
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=3)
        assert [obj.id for obj in objects] == sorted(obj.id for obj in objects)
        found = dict(session.execute(select(item.id, item.number)).all())
    assert found == {obj.id: obj.number for obj in objects}


def test_the_size_of_pages_is_the_one_of_cores_batches(item: Any, database: Database) -> None:
    notes = Notes(database, insertmanyvalues_page_size=7)
    with Session(notes.engine) as session:
        session.add_all([item() for _ in range(MANY)])
        session.flush()
        notes.check("INSERT", in_arrays=3)
        notes.forget()
        session.connection().execution_options(insertmanyvalues_page_size=10)
        session.add_all([item() for _ in range(MANY)])
        session.flush()
        notes.check("INSERT", in_arrays=2)


def test_a_page_that_is_too_long_is_cut(item: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_LARGE", 120)
    with Session(notes.engine) as session:
        objects = [item(name="x" * 25, number=i) for i in range(10)]
        session.add_all(objects)
        session.flush()
        assert session.scalars(select(item).order_by(item.id)).all() == objects
        assert session.scalars(select(item.number).order_by(item.id)).all() == list(range(10))
    assert notes.count("INSERT") > 3 or not notes.unfolding


def test_given_keys_need_nothing_back(item: Any, notes: Notes) -> None:
    with Session(notes.engine) as session:
        session.add_all([item(id=i, name=str(i)) for i in range(MANY)])
        session.flush()
        notes.check("INSERT", in_arrays=1)
        assert "RETURNING" not in notes.sent[-1]
        assert session.scalar(select(func.count()).select_from(item)) == MANY


@pytest.mark.parametrize("given", [{}, {"id": None}])
def test_rows_with_values_of_unusual_classes_go_another_way(
    item: Any, notes: Notes, database: Database, given: dict[str, Any]
) -> None:
    notes = Notes(database, insertmanyvalues_page_size=5)
    with Session(notes.engine) as session:
        objects = [item(name=f"{i}", number=i) for i in range(MANY)]
        objects[12].name = Text("12")
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=2, others=2)
        session.expire_all()
        assert [obj.name for obj in objects] == [str(obj.number) for obj in objects]
        assert len({obj.id for obj in objects}) == MANY


def test_a_single_row_may_be_left_over(item: Any, database: Database) -> None:
    notes = Notes(database, insertmanyvalues_page_size=5)
    with Session(notes.engine) as session:
        objects = [item(name="a", number=i) for i in range(6)]
        objects[-1].name = Text("b")
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=1, others=1)
        assert dict(session.execute(select(item.id, item.number)).all()) == {obj.id: obj.number for obj in objects}


def test_rows_without_a_return_go_in_cores_batches_otherwise(item: Any, notes: Notes) -> None:
    with Session(notes.engine) as session:
        session.add_all([item(id=i, name=Text(i)) for i in range(MANY)])
        session.flush()
        notes.check("INSERT", in_arrays=0, others=1)
        assert session.scalar(select(func.count()).select_from(item)) == MANY


@pytest.mark.parametrize("name", ["point", "path", "Quoted Table", 'per%cent "quoted"', "it's"])
def test_tables_of_any_name(base: type[DeclarativeBase], notes: Notes, name: str) -> None:
    Item = item_class(base, name, odd=mapped_column('odd %(name)s "column', Integer, nullable=True))
    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        objects = [Item(name=f"{i}", odd=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        for obj in objects:
            obj.odd += 1
        session.flush()
        assert session.scalars(select(Item.odd).order_by(Item.id)).all() == list(range(1, MANY + 1))
        for obj in objects:
            session.delete(obj)
        session.flush()
        assert session.scalar(select(func.count()).select_from(Item)) == 0


def test_defaults_of_the_database_and_of_the_statement(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(
        base,
        by_server=mapped_column(Integer, server_default="5"),
        by_sql=mapped_column(Integer, default=func.abs(-4)),
        by_python=mapped_column(Integer, default=lambda context: context.get_current_parameters()["number"] * 10),
        computed=mapped_column(Integer, Computed("number * 2", persisted=True)),
    )
    base.metadata.create_all(notes.engine)
    notes.forget()
    with Session(notes.engine) as session:
        objects = [Item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=1)
        notes.forget()
        for i, obj in enumerate(objects):
            assert (obj.by_server, obj.by_sql, obj.by_python, obj.computed) == (5, 4, i * 10, i * 2)
        assert not notes.sent, "all of it came back with the INSERT"


@pytest.mark.parametrize("eager", [True, False])
def test_eager_defaults_decide_what_comes_back(base: type[DeclarativeBase], notes: Notes, eager: bool) -> None:
    Item = item_class(
        base,
        by_server=mapped_column(Integer, server_default="5"),
        touched=mapped_column(Integer, onupdate=func.abs(-8), nullable=True),
        __mapper_args__={"eager_defaults": eager},
    )
    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        objects = [Item(number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        assert all(("by_server" in obj.__dict__) is eager for obj in objects)
        assert {obj.by_server for obj in objects} == {5}
        for obj in objects:
            obj.number += 1
        notes.forget()
        session.flush()
        notes.check("UPDATE", in_arrays=int(not eager), others=MANY if eager else 0)
        assert all(("touched" in obj.__dict__) is eager for obj in objects)
        assert {obj.touched for obj in objects} == {8}


def test_keys_of_sequences_and_identities(base: type[DeclarativeBase], notes: Notes) -> None:
    drawn = item_class(base, "drawn", id=mapped_column(Integer, Sequence("drawn_keys", start=7), primary_key=True))
    always = item_class(base, "always", id=mapped_column(Integer, Identity(always=True), primary_key=True))
    downward = item_class(
        base, "downward", id=mapped_column(Integer, Identity(start=-1, increment=-1), primary_key=True)
    )
    base.metadata.create_all(notes.engine)
    for kind in (drawn, always, downward):
        with Session(notes.engine) as session:
            objects = [kind(number=i) for i in range(MANY)]
            session.add_all(objects)
            session.flush()
            found = dict(session.execute(select(kind.id, kind.number)).all())
            assert found == {obj.id: obj.number for obj in objects}, kind.__tablename__
    with Session(notes.engine) as session:
        session.add_all([always(id=1), always(id=2)])
        with pytest.raises(ProgrammingError, match="GENERATED ALWAYS"):
            session.flush()


def test_an_expression_among_the_values_goes_by_itself(item: Any, notes: Notes) -> None:
    with Session(notes.engine) as session:
        objects = [item(number=i) for i in range(MANY)]
        objects[5].number = func.abs(-500)
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=2, others=1)
        assert objects[5].number == 500
        for obj in objects:
            obj.number = obj.number + 1
        objects[7].number = item.number + 1
        notes.forget()
        session.flush()
        assert objects[7].number == 8
        assert len({obj.id for obj in objects}) == MANY


def test_a_column_that_is_not_mapped_keeps_its_default(base: type[DeclarativeBase], notes: Notes) -> None:
    table = Table(
        "partly",
        base.metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(30)),
        Column("hidden", Integer, default=9),
    )

    class Partly(base):  # type: ignore[misc, valid-type]
        __table__ = table
        __mapper_args__ = {"exclude_properties": ["hidden"]}

    base.metadata.create_all(notes.engine)
    notes.forget()
    with Session(notes.engine) as session:
        session.add_all([Partly(name="a"), Partly(name="b")])
        session.flush()
        notes.check("INSERT", in_arrays=1, others=0)
        assert session.scalars(select(table.c.hidden)).all() == [9, 9]
