"""Results of mapped classes: uniqueness, chunks, refreshing, execution options."""

from __future__ import annotations

import random
from operator import methodcaller
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, event, func, select, text
from sqlalchemy.engine.result import IteratorResult
from sqlalchemy.exc import InvalidRequestError, MultipleResultsFound, NoResultFound

from session import Session, contains_eager, joinedload, selectinload

from .everyday import Statements
from .selecting import Address, User, fill, filled


def test_joined_collections_have_to_be_made_unique(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).options(joinedload(User.addresses)).order_by(User.id)
        with pytest.raises(InvalidRequestError, match="unique"):
            session.scalars(statement).all()
        with pytest.raises(InvalidRequestError, match="unique"):
            next(iter(session.execute(statement)))
        assert [user.name for user in session.scalars(statement).unique()] == ["ed", "wendy", "jack"]
        assert len(session.execute(statement).unique().all()) == 3


def test_unique_does_not_go_with_rows_that_are_to_be_forgotten(engine: Engine) -> None:
    with filled(engine) as session:
        for statement in (select(User), select(User.name), select(User).from_statement(select(User))):
            statement = statement.execution_options(yield_per=2)
            with pytest.raises(InvalidRequestError, match="unique"):
                session.execute(statement).unique().all()
            with pytest.raises(InvalidRequestError, match="unique"):
                session.scalars(statement).unique().all()
        statement = select(User).order_by(User.id).execution_options(yield_per=2)
        users = session.scalars(statement).unique(lambda user: user.name)
        assert [user.name for user in users] == ["ed", "wendy", "jack"]


def test_unique_rows_of_a_stream_whose_objects_are_let_go(engine: Engine) -> None:
    with filled(engine) as session:
        session.execute(User.__table__.insert(), [{"id": number, "user_name": "many"} for number in range(10, 3010)])
        statement = select(User).order_by(User.id).execution_options(stream_results=True)
        assert sum(1 for _ in session.scalars(statement).unique()) == 3003


@pytest.mark.parametrize("given", [lambda: select(User), lambda: text("SELECT * FROM users")])
def test_a_given_statement_is_loaded_chunk_by_chunk(engine: Engine, given: Any) -> None:
    with filled(engine) as session:
        session.execute(User.__table__.insert(), [{"id": number, "user_name": "many"} for number in range(10, 20)])
        loaded: list[Any] = []
        event.listen(session, "loaded_as_persistent", lambda session, user: loaded.append(user))
        statement = select(User).from_statement(given()).execution_options(yield_per=5)
        result = session.scalars(statement)
        assert len(result.fetchmany(5)) == len(loaded) == 5
        assert [len(part) for part in result.partitions()] == [5, 3]
        result = session.scalars(statement)
        next(result)
        session.expunge_all()
        with pytest.raises(InvalidRequestError):
            result.all()


def test_a_given_statement_in_chunks_takes_no_joined_collections(engine: Engine) -> None:
    with filled(engine) as session:
        statement = (
            select(User).from_statement(select(User).join(User.addresses)).options(contains_eager(User.addresses))
        )
        with pytest.raises(InvalidRequestError, match="yield_per"):
            session.execute(statement, execution_options={"yield_per": 2})
        session.connection().execute(select(1))


def test_unique_rows_of_objects_and_values(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User, User.name).join(User.addresses).order_by(User.id)
        assert len(session.execute(statement).all()) == 3
        assert [name for _, name in session.execute(statement).unique()] == ["ed", "wendy"]


def test_ways_to_take_rows(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).order_by(User.id)
        assert session.execute(statement).scalars().first().name == "ed"  # type: ignore[union-attr]
        assert session.scalar(statement).name == "ed"
        assert next(iter(session.execute(statement)))[0].name == "ed"  # type: ignore[index]
        assert [row["User"].name for row in session.execute(statement).mappings()] == ["ed", "wendy", "jack"]
        assert [len(part) for part in session.scalars(statement).partitions(2)] == [2, 1]
        result = session.scalars(statement)
        assert next(result).name == "ed"
        assert [user.name for user in result] == ["wendy", "jack"]
        result = session.scalars(statement)
        assert [user.name for user in result.fetchmany(2)] == ["ed", "wendy"]
        assert [user.name for user in result.all()] == ["jack"]
        assert result.all() == []
        with pytest.raises(MultipleResultsFound):
            session.scalars(statement).one()
        with pytest.raises(NoResultFound):
            session.scalars(select(User).where(User.id == 9)).one()
        assert session.scalars(select(User).where(User.id == 9)).one_or_none() is None
        frozen = session.execute(statement).freeze()
        assert [user.name for user in frozen().scalars()] == [user.name for user in frozen().scalars()]


def test_yield_per_loads_chunk_by_chunk(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).options(selectinload(User.addresses)).order_by(User.id)
        result = session.scalars(statement.execution_options(yield_per=2))
        chunks = [[(user.name, len(user.addresses)) for user in chunk] for chunk in result.partitions()]
        assert chunks == [[("ed", 2), ("wendy", 1)], [("jack", 0)]]
        rows = session.execute(select(User.id, User.name).order_by(User.id), execution_options={"stream_results": True})
        assert rows.all() == [(1, "ed"), (2, "wendy"), (3, "jack")]
        with pytest.raises(InvalidRequestError, match="yield_per"):
            session.scalars(select(User).options(joinedload(User.addresses)).execution_options(yield_per=2))


def test_a_stream_that_is_not_read_to_its_end_can_be_closed(engine: Engine) -> None:
    with filled(engine) as session:
        result = session.scalars(select(User).order_by(User.id).execution_options(yield_per=1))
        assert next(result).name == "ed"
        result.close()
        assert session.scalar(select(func.count(User.id))) == 3


def test_populate_existing_overwrites(engine: Engine) -> None:
    with filled(engine) as session:
        ed = session.get_one(User, 1)
        session.connection().execute(text("UPDATE users SET user_name = 'edward' WHERE id = 1"))
        assert session.scalars(select(User).where(User.id == 1)).one().name == "ed"
        statement = select(User).where(User.id == 1).execution_options(populate_existing=True)
        assert session.scalars(statement).one() is ed
        assert ed.name == "edward"


def test_named_parameters(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User.name).where(User.id == bindparam("number"))
        assert session.scalars(statement, {"number": 2}).all() == ["wendy"]
        assert session.scalars(statement, {"number": 3}).all() == ["jack"]
        assert session.scalars(statement.params(number=1)).all() == ["ed"]
        with pytest.raises(Exception, match="number"):
            session.scalars(statement)


def test_plain_statements_give_what_core_gives(engine: Engine) -> None:
    with filled(engine) as session:
        assert session.execute(text("SELECT count(*) FROM users")).scalar_one() == 3
        table = User.__table__
        assert session.execute(select(table.c.id, table.c.user_name).where(table.c.id == 1)).one().user_name == "ed"


def test_pending_changes_are_flushed_before_a_select(engine: Engine) -> None:
    with filled(engine) as session:
        session.get_one(User, 1).name = "edgar"
        assert session.scalars(select(User.id).where(User.name == "edgar")).all() == [1]
        session.add(Address(id=9, email="new", user_id=3))
        options = {"autoflush": False}
        assert session.scalars(select(Address.id).where(Address.id == 9), execution_options=options).all() == []
        assert session.scalars(select(Address.id).where(Address.id == 9)).all() == [9]


def test_for_update_and_distinct(engine: Engine) -> None:
    with filled(engine) as session:
        assert session.scalars(select(User).where(User.id == 1).with_for_update(of=User)).one().name == "ed"
        assert session.scalars(select(Address.user_id).distinct().order_by(Address.user_id)).all() == [1, 2]


def test_the_second_statement_of_a_shape_is_not_compiled(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(engine) as session:
        session.scalars(select(User).where(User.id == 1)).all()

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("compiled again")

        monkeypatch.setattr("session.load.execute.plan_for", refuse)
        with Statements(engine) as sent:
            assert session.scalars(select(User).where(User.id == 2)).one().name == "wendy"
        assert len(sent) == 1


TAKERS = {
    "all": lambda result: result.all(),
    "fetchall": lambda result: result.fetchall(),
    "first": lambda result: result.first(),
    "one": lambda result: result.one(),
    "one_or_none": lambda result: result.one_or_none(),
    "next": lambda result: next(result, "end"),
    "list": lambda result: list(result),
    "fetchmany": lambda result: result.fetchmany(1),
    "partitions": lambda result: [list(part) for part in result.partitions(2)],
    "unique": lambda result: result.unique() and None,
    "yield_per": lambda result: result.yield_per(1) and None,
    "close": lambda result: result.close(),
    "closed": lambda result: result.closed,
}

WAYS = ("scalars", "execute", "execute.scalars", "execute.scalars.by_name", "execute.mappings")


def _result(session: Any, way: str, statement: Any) -> Any:
    if way == "scalars":
        return session.scalars(statement)
    result = session.execute(statement)
    if way == "execute":
        return result
    if way == "execute.mappings":
        return result.mappings()
    return result.scalars("User" if way.endswith("by_name") else 0)


def _outcome(take: Any, result: Any) -> Any:
    try:
        found = take(result)
    except Exception as error:
        return type(error).__name__
    return _plain(found)


def _plain(found: Any) -> Any:
    if isinstance(found, list):
        return [_plain(each) for each in found]
    if hasattr(found, "keys"):
        return {key: _plain(value) for key, value in found.items()}
    if hasattr(found, "_fields"):
        return ("row", *map(_plain, found))
    return getattr(found, "name", found)


def test_results_are_taken_as_those_of_core(engine: Engine) -> None:
    """Whatever is done with a result, one after the other: as with a result that is Core's altogether."""
    rng = random.Random(5)
    with filled(engine) as session:
        for way in WAYS:
            for ids in ([], [1], [1, 2], [1, 2, 3]):
                statement = select(User).where(User.id.in_(ids)).order_by(User.id)
                users = session.scalars(statement).all()
                metadata = session.execute(statement)._metadata
                for _ in range(25):
                    steps = [rng.choice(list(TAKERS)) for _ in range(3)]
                    ours = _result(session, way, statement)
                    core: Any = IteratorResult(metadata, iter(users), _source_supports_scalars=True)
                    if way.endswith("mappings"):
                        core = core.mappings()
                    elif "scalars" in way:
                        core = core.scalars("User" if way.endswith("by_name") else 0)
                    for step in steps:
                        assert _outcome(TAKERS[step], ours) == _outcome(TAKERS[step], core), (way, ids, steps, step)


def test_scalar_results_are_taken_as_those_of_core(engine: Engine) -> None:
    with filled(engine) as session:
        metadata = session.execute(select(User))._metadata
        for ids in ([], [1], [1, 2]):
            statement = select(User).where(User.id.in_(ids)).order_by(User.id)
            users = session.scalars(statement).all()
            for name in ("scalar", "scalar_one", "scalar_one_or_none"):
                for before in ("closed", "next", "unique", "fetchmany"):
                    ours = session.execute(statement)
                    core: Any = IteratorResult(metadata, iter(users), _source_supports_scalars=True)
                    for result in (ours, core):
                        TAKERS[before](result)
                    for _ in range(2):
                        taken = [_outcome(methodcaller(name), result) for result in (ours, core)]
                        assert taken[0] == taken[1], (ids, name, before)


def test_a_row_without_its_object_counts_as_in_core(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(Address).select_from(User).outerjoin(User.addresses).where(User.name == "jack")
        assert session.scalars(statement).all() == [None]
        with pytest.raises(NoResultFound):
            session.scalars(statement).one()
        assert session.scalars(statement).first() is None
        assert session.scalar(statement) is None
        assert session.scalars(statement).one_or_none() is None


def test_an_override_of_execute_is_not_asked_for_scalars(engine: Engine) -> None:
    class Own(Session):
        def execute(self, *args: Any, **keywords: Any) -> Any:
            raise AssertionError("not for scalars()")

    fill(engine)
    with Own(engine) as session:
        assert len(session.scalars(select(User)).all()) == 3
        assert session.scalar(select(User).where(User.id == 1)).name == "ed"  # type: ignore[union-attr]
