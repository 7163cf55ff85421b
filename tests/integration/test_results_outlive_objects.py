"""Results that are read after their Session has let go of its objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, inspect, select, text, update
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError

from session import Bundle, Session, aliased

from .selecting import User, filled

LETTING_GO = {
    "close": lambda session: session.close(),
    "reset": lambda session: session.reset(),
    "expunge_all": lambda session: session.expunge_all(),
    "invalidate": lambda session: session.invalidate(),
}
OF_OBJECTS: dict[str, Callable[[Session], Any]] = {
    "entity": lambda session: session.execute(select(User)),
    "entity and column": lambda session: session.execute(select(User.id, User)),
    "alias": lambda session: session.execute(select(aliased(User))),
    "bundle": lambda session: session.execute(select(Bundle("both", User, User.id))),
    "given statement": lambda session: session.execute(select(User).from_statement(text("SELECT * FROM users"))),
    "scalars": lambda session: session.scalars(select(User)),
    "mappings": lambda session: session.execute(select(User)).mappings(),
    "columns": lambda session: session.execute(select(User)).columns(0),
    "unique": lambda session: session.scalars(select(User)).unique(),
    "merged": lambda session: session.execute(select(User)).merge(session.execute(select(User))),
    "insert": lambda session: session.execute(insert(User).returning(User), [{"id": 10, "name": "new"}]),
    "update": lambda session: session.execute(update(User).values(name="other").returning(User)),
    "delete": lambda session: session.execute(delete(User).where(User.id == 9).returning(User)),
}
READING: dict[str, Callable[[Any], Any]] = {
    "all": lambda result: result.all(),
    "first": lambda result: result.first(),
    "one": lambda result: result.one(),
    "one_or_none": lambda result: result.one_or_none(),
    "fetchmany": lambda result: result.fetchmany(2),
    "iteration": lambda result: list(result),
    "partitions": lambda result: list(result.partitions(2)),
}


@pytest.mark.parametrize("let_go", LETTING_GO.values(), ids=LETTING_GO)
def test_objects_that_the_session_let_go_of_are_not_given(engine: Engine, let_go: Any) -> None:
    with filled(engine) as session:
        for read in READING.values():
            for given in (select(User), select(User.id, User)):
                result = session.execute(given)
                let_go(session)
                with pytest.raises(InvalidRequestError, match="let go of all its objects") as caught:
                    read(result)
                assert caught.value.code == "lkrp"
                assert result.all() == []
        assert len(session.scalars(select(User)).all()) == 3


@pytest.mark.parametrize("given", OF_OBJECTS.values(), ids=OF_OBJECTS)
def test_all_results_of_objects_are_refused(engine: Engine, given: Any) -> None:
    if not engine.dialect.insert_returning:
        pytest.skip("no RETURNING")
    with filled(engine) as session:
        session.execute(insert(User), [{"id": 9, "name": "last"}])
        result = given(session)
        session.expunge_all()
        with pytest.raises(InvalidRequestError, match="let go of all its objects"):
            result.all()


def test_a_single_object_is_refused(engine: Engine) -> None:
    with filled(engine) as session:
        for way in ("scalar", "scalar_one", "scalar_one_or_none"):
            result = session.execute(select(User).where(User.id == 1))
            session.expunge_all()
            with pytest.raises(InvalidRequestError, match="let go of all its objects"):
                getattr(result, way)()


def test_a_result_that_was_begun_gives_the_rest(engine: Engine) -> None:
    with filled(engine) as session:
        result = session.scalars(select(User).order_by(User.id))
        first = result.fetchmany(1)
        session.close()
        assert [user.id for user in [*first, *result]] == [1, 2, 3]


def test_values_and_empty_results_need_no_session(engine: Engine) -> None:
    with filled(engine) as session:
        names = session.scalars(select(User.name).order_by(User.id))
        pairs = session.execute(select(Bundle("pair", User.id, User.name)).order_by(User.id))
        nobody = session.scalars(select(User).where(User.id < 0))
        kept = session.execute(select(User).order_by(User.id)).freeze()
        session.close()
        assert names.all() == ["ed", "wendy", "jack"]
        assert [row.pair.name for row in pairs] == ["ed", "wendy", "jack"]
        assert nobody.all() == []
        assert [user.id for user in kept().scalars()] == [1, 2, 3]


@pytest.mark.parametrize("let_go", LETTING_GO.values(), ids=LETTING_GO)
def test_buffered_rows_outlive_the_session(engine: Engine, let_go: Any) -> None:
    with filled(engine) as session:
        for given in (
            select(User).order_by(User.id),
            select(User).from_statement(select(User).order_by(User.id)),
            update(User).values(age=1).returning(User).execution_options(synchronize_session=False),
        ):
            result = session.scalars(given, execution_options={"prebuffer_rows": True})
            let_go(session)
            users = result.all()
            assert sorted(user.id for user in users) == [1, 2, 3]
            assert all(inspect(user).detached for user in users)


@pytest.mark.parametrize("end", ["commit", "rollback", "expire_all"])
def test_the_end_of_a_transaction_leaves_results_readable(engine: Engine, end: str) -> None:
    with filled(engine) as session:
        result = session.scalars(select(User).order_by(User.id))
        getattr(session, end)()
        assert [user.name for user in result] == ["ed", "wendy", "jack"]


def test_a_stream_says_so_too(engine: Engine) -> None:
    with filled(engine) as session:
        result = session.scalars(select(User).execution_options(yield_per=2))
        assert len(result.fetchmany(2)) == 2
        session.close()
        with pytest.raises(SQLAlchemyError, match="let go of all its objects") as caught:
            result.all()
        assert caught.value.code == "lkrp"
