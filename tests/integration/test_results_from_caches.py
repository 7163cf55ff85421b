"""Results that are kept by a listener and come back into other Sessions."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, select
from sqlalchemy.exc import SADeprecationWarning

from session import Session, UserDefinedOption, aliased, loading, merge_frozen_result, merge_result, selectinload

from .everyday import Statements
from .selecting import Address, User, fill, filled


class FromCache(UserDefinedOption):
    propagate_to_loaders = True


def cached(cache: dict[Any, Any]) -> Any:
    def listener(execute_state: Any) -> Any:
        for option in execute_state.user_defined_options:
            if isinstance(option, FromCache):
                values = str(sorted((execute_state.parameters or {}).items()))
                key = (option.payload, str(execute_state.statement), values)
                if key not in cache:
                    cache[key] = execute_state.invoke_statement().freeze()
                frozen = cache[key]
                return loading.merge_frozen_result(execute_state.session, execute_state.statement, frozen, load=False)()
        return None

    return listener


def test_a_cache_serves_later_sessions_without_sql(engine: Engine) -> None:
    fill(engine)
    cache: dict[Any, Any] = {}
    statement = select(User).options(FromCache("users"), selectinload(User.addresses)).order_by(User.id)
    held = []
    for first in (True, False):
        with Session(engine) as session:
            event.listen(session, "do_orm_execute", cached(cache))
            with Statements(engine) as sql:
                users = session.scalars(statement).all()
                names = [(user.name, [address.email for address in user.addresses]) for user in users]
            assert bool(sql) is first
            assert names == [("ed", ["ed@one", "ed@two"]), ("wendy", ["wendy@one"]), ("jack", [])]
            assert all(user in session for user in users)
            assert not session.dirty
            held.append(users)
    assert held[0][0] is not held[1][0]


def test_lazy_loads_come_from_the_cache_too(engine: Engine) -> None:
    fill(engine)
    cache: dict[Any, Any] = {}
    for first in (True, False):
        with Session(engine) as session:
            event.listen(session, "do_orm_execute", cached(cache))
            with Statements(engine) as sql:
                user = session.scalars(select(User).where(User.name == "wendy").options(FromCache("users"))).one()
                assert [address.email for address in user.addresses] == ["wendy@one"]
            assert bool(sql) is first


@pytest.mark.parametrize("load", [True, False])
def test_frozen_results_of_all_kinds(engine: Engine, load: bool) -> None:
    other = aliased(Address)
    statements = [
        select(User).order_by(User.id),
        select(User, User.name).order_by(User.id),
        select(User.id, User.name).order_by(User.id),
        select(User, other).outerjoin(other, other.user_id == User.id).order_by(User.id, other.id),
    ]
    with filled(engine) as session:
        frozen = [session.execute(statement).freeze() for statement in statements]
        expected = [[[_plain(value) for value in row] for row in each()] for each in frozen]
    with Session(engine) as session:
        for statement, each, rows in zip(statements, frozen, expected, strict=True):
            made = merge_frozen_result(session, statement, each, load=load)
            assert [[_plain(value) for value in row] for row in made()] == rows
            assert made().keys() == each().keys()
            assert made().all() == made().all()
            found = [value for row in made() for value in row if isinstance(value, (User, Address))]
            assert all(obj in session for obj in found)


def _plain(value: Any) -> Any:
    return inspect(value).key if isinstance(value, (User, Address)) else value


def test_rows_that_are_merged_into_the_session_of_a_query(engine: Engine) -> None:
    with filled(engine) as session:
        users = session.scalars(select(User).order_by(User.id)).all()
        frozen = session.execute(select(User).order_by(User.id)).freeze()
    with Session(engine) as session:
        query = session.query(User)
        with pytest.warns(SADeprecationWarning):
            mine = list(query.merge_result(users))
        assert [user.name for user in mine] == ["ed", "wendy", "jack"]
        assert all(user in session for user in mine)
        with pytest.warns(SADeprecationWarning):
            rows = list(merge_result(session.query(User, User.name), [(user, user.name) for user in users], load=False))
        assert [(row[0], row.name) for row in rows] == [(user, user.name) for user in mine]
        with pytest.warns(SADeprecationWarning):
            assert query.merge_result(frozen)().scalars().all() == mine


def test_a_merge_by_load_flushes_first(engine: Engine) -> None:
    with filled(engine) as session:
        frozen = session.execute(select(User).where(User.name == "ed")).freeze()
    with Session(engine) as session:
        session.add(User(id=77, name="new"))
        merge_frozen_result(session, select(User), frozen)
        assert not session.new
