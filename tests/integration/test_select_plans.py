"""Statements that run again, and statements like others: each runs with its own values."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

from sqlalchemy import Engine, bindparam, func, or_, select

from session import Session, aliased, selectinload
from session.core.shapes import shape_of
from session.load.known_plans import ATTRIBUTE

from .everyday import CPYTHON, Statements
from .selecting import Address, Employee, User, fill, filled


def names(session: Session, statement: Any, *values: Any) -> list[str]:
    return [user.name for user in session.scalars(statement, *values)]


def test_statements_of_one_shape_run_with_their_own_values(engine: Engine) -> None:
    with filled(engine) as session:
        for name in ("ed", "wendy", "nobody", "ed"):
            for low in (0, 25, 25):
                statement = select(User).where(User.name == name, User.age > low).order_by(User.id).limit(2)
                assert shape_of(statement) is not None
                expected = [name] if (name == "ed" and not low) or name == "wendy" else []
                assert names(session, statement) == expected


def test_a_statement_that_is_kept_runs_with_the_values_that_it_is_given(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).where(User.name == bindparam("name"), User.id < 9)
        for name in ("ed", "wendy", "jack", "ed", "wendy"):
            assert names(session, statement, {"name": name}) == [name]
        again = statement.where(User.id > 1)
        for name in ("ed", "wendy", "wendy", "wendy"):
            assert names(session, again, {"name": name}) == ([] if name == "ed" else [name])
        assert names(session, statement, {"name": "ed"}) == ["ed"]


def test_values_in_the_statement_can_be_callables(engine: Engine) -> None:
    with filled(engine) as session:
        wanted = ["ed"]
        statement = select(User).where(User.name == bindparam("name", callable_=lambda: wanted[0]))
        for name in ("ed", "wendy", "jack", "ed"):
            wanted[0] = name
            assert names(session, statement) == [name]


def test_lists_of_any_length(engine: Engine) -> None:
    with filled(engine) as session:
        kept = select(User).where(User.id.in_(bindparam("ids", expanding=True))).order_by(User.id)
        for ids in ([1], [1, 2], [], [3, 2, 1], [1]):
            assert [user.id for user in session.scalars(select(User).where(User.id.in_(ids)).order_by(User.id))] == (
                sorted(ids)
            )
            assert [user.id for user in session.scalars(kept, {"ids": ids})] == sorted(ids)


def test_parameters_that_stand_twice(engine: Engine) -> None:
    with filled(engine) as session:
        for number in (1, 2, 2, 1):
            value: Any = bindparam(None, number, unique=True)
            both = select(User).where(or_(User.id == value, User.age == value))
            assert [user.id for user in session.scalars(both)] == [number]
            one = select(User).where(or_(User.id == number, User.age == 30)).order_by(User.id)
            assert [user.id for user in session.scalars(one)] == sorted({number, 2})


def test_values_that_params_has_set(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).where(User.name == bindparam("name"))
        ed, wendy = statement.params(name="ed"), statement.params(name="wendy")
        for _ in range(3):
            assert names(session, ed) == ["ed"]
            assert names(session, wendy) == ["wendy"]
            assert names(session, wendy, {"name": "jack"}) == ["jack"]
            assert names(session, statement, {"name": "jack"}) == ["jack"]


def test_joins_of_one_shape(engine: Engine) -> None:
    with filled(engine) as session:
        for email in ("ed@one", "wendy@one", "ed@two"):
            statement = select(User).join(User.addresses).where(Address.email == email)
            assert shape_of(statement) is not None
            assert names(session, statement) == [email.partition("@")[0]]
            outer = select(User).outerjoin(User.addresses).where(Address.email == None)  # noqa: E711
            assert names(session, outer) == ["jack"]
            left = select(Address).join_from(User, Address).where(User.name == "ed", Address.email == email)
            assert len(session.scalars(left).all()) == email.startswith("ed")


def test_aliases_and_functions_have_no_shape_and_run_all_the_same(engine: Engine) -> None:
    with filled(engine) as session:
        for name in ("ed", "wendy", "ed"):
            other = aliased(User)
            statement = select(other).where(other.name == name)
            assert shape_of(statement) is None
            for _ in range(3):
                assert names(session, statement) == [name]
            assert session.scalar(select(func.count(User.id)).where(User.name == name)) == 1


def test_rows_answer_to_the_elements_of_their_own_statement(engine: Engine) -> None:
    with filled(engine) as session:
        for number in (1, 2, 1):
            older = (User.age + number).label("older")
            row = session.execute(select(User.name, older).where(User.id == 1)).one()
            assert (row.name, row.older, row._mapping[older], row._mapping[User.name]) == (
                "ed",
                20 + number,
                20 + number,
                "ed",
            )


def test_options_are_those_of_the_statement(engine: Engine) -> None:
    with filled(engine) as session:
        plain = select(User).where(User.id == 1)
        eager = plain.options(selectinload(User.addresses))
        for statement, loaded in ((plain, False), (eager, True)) * 3:
            session.expunge_all()
            user = session.scalars(statement).one()
            assert ("addresses" in user.__dict__) is loaded


def test_a_subclass_runs_by_its_own_plan(engine: Engine) -> None:
    with filled(engine) as session:
        for _ in range(3):
            assert len(session.scalars(select(Employee).where(Employee.id > 0)).all()) == 4
            assert len(session.scalars(select(Employee.id).where(Employee.id > 1)).all()) == 3


def test_schema_names_are_part_of_a_plan(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User.name).where(User.id == 1)
        here = {"schema_translate_map": {None: "main" if engine.dialect.name == "sqlite" else "public"}}
        with Statements(engine) as seen:
            for _ in range(3):
                assert session.scalar(statement) == "ed"
                assert session.scalar(statement, execution_options=here) == "ed"
        schema = here["schema_translate_map"][None]
        assert [f"{schema}." in text for text in seen.texts] == [False, True] * 3


def test_a_statement_that_is_gone_is_forgotten(engine: Engine) -> None:
    with filled(engine) as session:
        known = None
        for number in range(50 if CPYTHON else 3):  # a collection takes long elsewhere
            statement = select(User).where(User.id == number)
            for _ in range(4):
                session.scalars(statement).all()
            known = getattr(engine.dialect, ATTRIBUTE)
            assert id(statement) in known.by_statement
            reference = weakref.ref(statement)
            del statement
            gc.collect()
            assert reference() is None
            assert len(known.by_statement) == 0


def test_many_shapes_leave_room_for_more(engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr("session.load.known_plans.KEPT", 3)
    with filled(engine) as session:
        for _ in range(2):
            for length in range(1, 8):
                statement = select(User.id).where(*[User.id > 0 for _ in range(length)]).order_by(User.id)
                assert session.scalars(statement).all() == [1, 2, 3]
        assert len(getattr(engine.dialect, ATTRIBUTE)._by_shape) <= 3


def test_one_statement_in_many_threads(engine: Engine) -> None:
    fill(engine)
    statement = select(User).where(User.id == bindparam("id"))
    wrong: list[Any] = []

    def work(number: int) -> None:
        with Session(engine) as session:
            for _ in range(30):
                found = [user.id for user in session.scalars(statement, {"id": number})]
                found += [user.id for user in session.scalars(select(User).where(User.id == number))]
                if found != [number, number]:
                    wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
