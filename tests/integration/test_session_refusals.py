"""What a Session refuses, and with which error: parameters, keys, and work after the end of its ``with`` block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ColumnDefault, Engine, Sequence, bindparam, func, insert, inspect, select, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError, StatementError

from session import DeclarativeBase, Mapped, NotExtension, Session, exc, mapped_column


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(doc="What it is called.")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
def test_no_sql_in_the_block_of_a_savepoint_that_has_ended(session: Session, end: str) -> None:
    with session.begin_nested() as savepoint:
        getattr(savepoint, end)()
        for work in (
            lambda: session.get(Thing, 1),
            lambda: session.scalars(select(Thing)),
            lambda: session.execute(select(1)),
            session.connection,
        ):
            with pytest.raises(InvalidRequestError, match="with"):
                work()
    assert session.get(Thing, 1) is None


WRONG = [(1,), [1], "abc", 5, [None], [{"name": "x"}, 3]]


@pytest.mark.parametrize("params", WRONG)
def test_parameters_that_are_no_dictionaries(session: Session, params: Any) -> None:
    for statement in (select(Thing).where(Thing.name == bindparam("name")), insert(Thing), update(Thing)):
        with pytest.raises(ArgumentError, match="dictionary"):
            session.execute(statement, params)


@pytest.mark.parametrize("rows", [{"name": "x"}, [None], [Thing(name="x")], "ab", [{"name": "x"}, ("name", "y")]])
def test_rows_for_bulk_methods_that_are_no_dictionaries(session: Session, rows: Any) -> None:
    for method in (session.bulk_insert_mappings, session.bulk_update_mappings):
        with pytest.raises(ArgumentError, match="dictionary"):
            method(Thing, rows)
        session.rollback()


def test_a_missing_parameter_has_its_code(session: Session) -> None:
    for params in (None, {}, [], {"other": 1}):
        with pytest.raises(StatementError) as caught:
            session.execute(select(Thing).where(Thing.name == bindparam("name")), params)
        assert caught.value.code == "cd3x"


def test_identity_keys_of_what_is_not_mapped() -> None:
    with pytest.raises(exc.UnmappedClassError):
        Session.identity_key(object, 1)
    with pytest.raises(ArgumentError):
        Session.identity_key("Thing", 1)  # type: ignore[arg-type]
    assert Session.identity_key(Thing, 1) == (Thing, (1,), None)


def test_scalar_of_a_default(session: Session, recwarn: pytest.WarningsRecorder) -> None:
    assert session.scalar(ColumnDefault(3)) == 3
    assert session.scalar(ColumnDefault(func.abs(-4))) == 4
    if session.get_bind().dialect.supports_sequences:
        sequence = Sequence("numbers")
        sequence.create(session.connection())
        assert (session.scalar(sequence), session.scalar(sequence)) == (1, 2)
    assert not recwarn.list


def test_attributes_tell_that_they_are_no_extension_and_their_documentation() -> None:
    assert {each.extension_type for each in inspect(Thing).all_orm_descriptors} == {NotExtension.NOT_EXTENSION}
    assert Thing.name.__doc__ == "What it is called."
    assert Thing.id.__doc__ is None


def test_no_name_at_all_means_all_attributes(session: Session) -> None:
    thing = Thing(id=1, name="a")
    session.add(thing)
    session.commit()
    thing.name = "pending"
    session.refresh(thing, [])
    assert thing.name == "a"
    assert not session.is_modified(thing)
    session.expire(thing, ())
    assert inspect(thing).expired_attributes >= {"id", "name"}
