"""Lists of rows given to UPDATE, DELETE and INSERT in forms that are rarely used, and values that Python makes on UPDATE."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, FetchedValue, bindparam, delete, func, insert, inspect, select, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SAWarning

from session import DeclarativeBase, Mapped, Session, mapped_column
from session.exc import StaleDataError, UnmappedClassError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "bulk_person"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int] = mapped_column("years")
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Boss(Person):
    __mapper_args__ = {"polymorphic_identity": "boss"}


class Paper(Base):
    __tablename__ = "bulk_paper"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


numbers = itertools.count(100)


class Ticket(Base):
    __tablename__ = "bulk_ticket"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version, "version_id_generator": lambda version: next(numbers)}


class Stamped(Base):
    __tablename__ = "bulk_stamped"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    constant: Mapped[int | None] = mapped_column(onupdate=5)
    called: Mapped[str | None] = mapped_column(onupdate=lambda context: context.get_current_parameters()["name"] + "!")
    by_sql: Mapped[int | None] = mapped_column(onupdate=func.abs(-3))
    by_server: Mapped[int | None] = mapped_column(server_onupdate=FetchedValue())


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Person(id=1, name="a", age=10), Person(id=2, name="b", age=20), Boss(id=3, name="c", age=30)])
        session.add_all([Paper(id=1, name="x"), Stamped(id=1, name="s"), Stamped(id=2, name="t")])
        session.commit()
        yield session


UNSYNCHRONIZED = {"synchronize_session": False}


def people(session: Session) -> list[tuple[str, int]]:
    return [tuple(row) for row in session.execute(select(Person.name, Person.age).order_by(Person.id))]


@pytest.mark.parametrize("strategy", [None, False])
def test_rows_for_an_update_with_criteria_are_written_by_key_within_them(session: Session, strategy: Any) -> None:
    statement = update(Person).where(Person.age > 15)
    rows = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}, {"id": 3, "age": 31}]
    session.execute(statement, rows, execution_options={"synchronize_session": strategy})
    assert people(session) == [("a", 10), ("B", 20), ("c", 31)]


def test_values_and_parameters_of_the_criteria_go_with_the_rows(session: Session) -> None:
    statement = update(Person).where(Person.age < bindparam("limit")).values(age=99)
    rows = [{"id": 1, "name": "A", "limit": 15}, {"id": 2, "name": func.upper("q"), "limit": 21}, {"id": 3, "limit": 1}]
    session.execute(statement, rows, execution_options=UNSYNCHRONIZED)
    assert people(session) == [("A", 99), ("Q", 99), ("c", 30)]


def test_rows_for_an_update_with_criteria_need_their_keys(session: Session) -> None:
    statement = update(Person).where(Person.id == bindparam("which")).values(name=bindparam("name_now"))
    with pytest.raises(InvalidRequestError) as caught:
        session.execute(statement, [{"which": 1, "name_now": "A"}], execution_options=UNSYNCHRONIZED)
    assert caught.value.code == "bupq"


def test_versions_within_criteria_are_compared_but_cannot_be_counted(session: Session) -> None:
    statement = update(Paper).where(Paper.name != "kept")
    with pytest.warns(SAWarning, match="criteria"):
        session.execute(statement, [{"id": 1, "name": "X", "version": 1}], execution_options=UNSYNCHRONIZED)
    with pytest.warns(SAWarning, match="criteria"):
        session.execute(statement, [{"id": 1, "name": "old", "version": 1}], execution_options=UNSYNCHRONIZED)
    assert session.execute(select(Paper.name, Paper.version)).all() == [("X", 2)]
    with pytest.raises(StaleDataError):
        session.execute(update(Paper), [{"id": 1, "name": "old", "version": 1}])


FOR_EACH = {"dml_strategy": "orm"}


@pytest.mark.parametrize("strategy", ["auto", "evaluate", "fetch", False, None])
def test_an_update_by_criteria_may_be_run_for_each_of_several_rows(session: Session, strategy: Any) -> None:
    first, second = session.get_one(Person, 1), session.get_one(Person, 2)
    statement = update(Person).where(Person.id == bindparam("which"))
    rows = [{"which": 1, "name": "A", "age": 11}, {"which": 2, "name": "B", "age": 21}]
    result = session.execute(statement, rows, execution_options={**FOR_EACH, "synchronize_session": strategy})
    assert result.rowcount == 2
    assert people(session)[:2] == [("A", 11), ("B", 21)]
    followed = bool(strategy)
    assert (first.name, second.age) == (("A", 21) if followed else ("a", 20))


@pytest.mark.parametrize("strategy", ["auto", "evaluate", "fetch", False, None])
def test_a_delete_may_be_run_for_each_of_several_rows(session: Session, strategy: Any) -> None:
    gone = session.get_one(Person, 1)
    statement = delete(Person).where(Person.id == bindparam("which"))
    options = {**FOR_EACH, "synchronize_session": strategy}
    result = session.execute(statement, [{"which": 1}, {"which": 2}], execution_options=options)
    assert result.rowcount == 2
    assert people(session) == [("c", 30)]
    assert (gone in session) == (not strategy)


def test_rows_of_which_no_object_is_there_go_to_the_database_at_once(engine: Engine, session: Session) -> None:
    session.expunge_all()
    statement = delete(Person).where(Person.id == bindparam("which"))
    with Statements(engine) as sent:
        assert session.execute(statement, [{"which": 1}, {"which": 2}], execution_options=FOR_EACH).rowcount == 2
    assert len(sent.starting("DELETE")) == 1


def test_a_statement_for_each_of_several_rows_returns_none(session: Session) -> None:
    statement = delete(Person).where(Person.id == bindparam("which")).returning(Person.id)
    with pytest.raises(InvalidRequestError, match="RETURNING"):
        session.execute(statement, [{"which": 1}, {"which": 2}], execution_options=FOR_EACH)


def test_a_way_to_synchronize_that_is_none_is_refused_first(session: Session) -> None:
    for statement in (delete(Person), update(Person)):
        with pytest.raises(ArgumentError):
            session.execute(statement, [{"id": 1}], execution_options={"synchronize_session": "bogus"})


def test_objects_of_other_classes_of_the_hierarchy_follow_an_update_by_key(session: Session) -> None:
    person = session.get_one(Person, 1)
    session.execute(update(Boss), [{"id": 1, "name": "A"}])
    assert person.name == "A"


def test_rows_inserted_with_a_version_get_the_first_one_all_the_same(session: Session) -> None:
    session.execute(insert(Paper), [{"id": 2, "name": "y", "version": 7}, {"id": 3, "name": "z"}])
    session.execute(insert(Paper), {"id": 4, "version": 7})
    session.bulk_insert_mappings(Paper, [{"id": 5, "version": 7}])
    session.bulk_save_objects([Paper(id=6, version=7)])
    assert session.scalars(select(Paper.version)).all() == [1] * 6


def test_each_inserted_row_has_a_version_of_its_own(session: Session) -> None:
    session.execute(insert(Ticket), [{"id": 1}, {"id": 2}, {"id": 3}])
    assert len(set(session.scalars(select(Ticket.version)))) == 3


def test_a_raw_insert_returns_rows_of_columns(session: Session) -> None:
    rows = [{"id": 8, "name": "p", "version": 3}]
    result = session.execute(insert(Paper).returning(Paper), rows, execution_options={"dml_strategy": "raw"})
    assert result.all() == [(8, "p", 3)]


@pytest.mark.parametrize("strategy", ["auto", "evaluate", "fetch"])
def test_objects_take_the_values_that_python_makes_on_update(engine: Engine, session: Session, strategy: str) -> None:
    first, second = session.scalars(select(Stamped).order_by(Stamped.id))
    statement = update(Stamped).where(Stamped.id == 1).values(name="n")
    session.execute(statement, execution_options={"synchronize_session": strategy})
    assert inspect(first).expired_attributes == {"by_sql", "by_server"}
    with Statements(engine) as sent:
        assert (first.name, first.constant, first.called) == ("n", 5, "n!")
        assert (second.name, second.constant) == ("t", None)
    assert not sent.texts
    assert first.by_sql == 3
    assert not inspect(first).modified


def test_bulk_methods_refuse_a_class_that_is_not_mapped(session: Session) -> None:
    for method in (session.bulk_insert_mappings, session.bulk_update_mappings):
        with pytest.raises(UnmappedClassError):
            method(int, [{"id": 1}])
