"""What ``select()`` of mapped classes, their attributes and expressions gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, func, inspect, literal_column, select, text, union, union_all
from sqlalchemy.exc import InvalidRequestError, SAWarning

from session import Bundle, Session, aliased, selectinload
from tests.conftest import Database

from .everyday import Statements
from .selecting import Address, Employee, Engineer, Manager, User, filled

CROSSED = pytest.mark.filterwarnings("ignore:.*cartesian product")


def test_one_class_gives_its_objects(engine: Engine) -> None:
    with filled(engine) as session:
        ed = session.scalars(select(User).where(User.name == "ed")).one()
        assert (ed.id, ed.name, ed.age) == (1, "ed", 20)
        assert inspect(ed).persistent
        assert session.scalars(select(User).where(User.id == 1)).one() is ed


def test_a_statement_of_known_shape_takes_the_new_values(engine: Engine) -> None:
    with filled(engine) as session:
        names = [session.scalars(select(User).where(User.id == number)).one().name for number in (1, 2, 3)]
        assert names == ["ed", "wendy", "jack"]
        for wanted in ([1], [1, 2], [1, 2, 3], []):
            statement = select(User.id).where(User.id.in_(wanted)).order_by(User.id)
            assert session.scalars(statement).all() == wanted
        assert [session.scalar(select(User.name).order_by(User.id).limit(1).offset(n)) for n in (0, 1)] == [
            "ed",
            "wendy",
        ]


def test_several_classes_and_columns_give_rows(engine: Engine) -> None:
    with filled(engine) as session:
        statement = (
            select(User, Address.email, func.length(User.name).label("size")).join(User.addresses).order_by(Address.id)
        )
        rows = session.execute(statement).all()
        assert [(row.User.name, row.email, row.size) for row in rows] == [
            ("ed", "ed@one", 2),
            ("ed", "ed@two", 2),
            ("wendy", "wendy@one", 5),
        ]
        assert rows[0].User is rows[1].User
        assert rows[0]._mapping[User] is rows[0][0]
        assert rows[0]._mapping[Address.email] == "ed@one"


@CROSSED
def test_names_of_the_row(engine: Engine) -> None:
    with filled(engine) as session:
        other = aliased(User, name="other")
        statement = select(User, User.name, other, other.name, func.count(), literal_column("1")).group_by(User, other)
        assert list(session.execute(statement).keys()) == ["User", "name", "other", "name_1", "count", "1"]


def test_columns_alone_are_plain_values(engine: Engine) -> None:
    with filled(engine) as session:
        assert session.execute(select(User.id, User.name).order_by(User.id)).all() == [
            (1, "ed"),
            (2, "wendy"),
            (3, "jack"),
        ]
        assert session.scalar(select(func.count(User.id))) == 3
        assert session.execute(select(User.id, User.id + 1).where(User.id == 1)).one() == (1, 2)
        assert session.execute(select(text("1"), User.id, text("2")).where(User.id == 3)).one() == (1, 3, 2)


@CROSSED
def test_an_alias_is_the_same_class_again(engine: Engine) -> None:
    with filled(engine) as session:
        for _ in range(2):
            other = aliased(User)
            row = session.execute(select(User, other).where(User.id == 1, other.id == 2)).one()
            assert (row[0].name, row[1].name) == ("ed", "wendy")
            assert row._mapping[other] is row[1]


def test_an_alias_of_a_subquery_reads_from_it(engine: Engine) -> None:
    with filled(engine) as session:
        old = aliased(User, select(User).where(User.age > 25).subquery())
        assert [user.name for user in session.scalars(select(old))] == ["wendy"]


def test_bundles_group_columns(engine: Engine) -> None:
    with filled(engine) as session:
        bundle = Bundle("who", User.id, User.name)
        row = session.execute(select(bundle, User.age).where(bundle.c.name == "ed")).one()
        assert (row.who.id, row.who.name, row.age) == (1, "ed", 20)

    class Upper(Bundle):
        def create_row_processor(self, query, procs, labels):  # type: ignore[no-untyped-def]
            return lambda row: {label: str(proc(row)).upper() for label, proc in zip(labels, procs, strict=True)}

    with Session(engine) as session:
        assert session.execute(select(Upper("who", User.name)).where(User.id == 1)).scalar_one() == {"name": "ED"}


def test_subqueries_exists_and_ctes(engine: Engine) -> None:
    with filled(engine) as session:
        counts = select(Address.user_id, func.count().label("n")).group_by(Address.user_id).subquery()
        rows = session.execute(
            select(User.name, counts.c.n).outerjoin(counts, counts.c.user_id == User.id).order_by(User.id)
        ).all()
        assert rows == [("ed", 2), ("wendy", 1), ("jack", None)]

        with_address = select(Address.id).where(Address.user_id == User.id).exists()
        assert session.scalars(select(User.name).where(~with_address)).all() == ["jack"]
        assert session.scalars(select(User.name).where(User.addresses.any(Address.email == "ed@two"))).all() == ["ed"]

        size = select(func.count(Address.id)).where(Address.user_id == User.id).scalar_subquery()
        assert session.execute(select(User.name, size.label("n")).order_by(User.id)).all() == [
            ("ed", 2),
            ("wendy", 1),
            ("jack", 0),
        ]

        adult = select(User).where(User.age >= 20).cte("adult")
        entity = aliased(User, adult)
        assert session.scalars(select(entity.name).order_by(entity.id)).all() == ["ed", "wendy"]


def test_set_operations(engine: Engine) -> None:
    with filled(engine) as session:
        both = union(select(User.id).where(User.id == 1), select(User.id).where(User.id == 2))
        assert sorted(session.scalars(both).all()) == [1, 2]
        whole = union_all(select(User).where(User.id == 1), select(User).where(User.id == 3))
        found = session.scalars(select(User).from_statement(whole)).all()
        assert sorted(user.name for user in found) == ["ed", "jack"]
        entity = aliased(User, whole.subquery())
        assert session.scalars(select(entity.name).order_by(entity.id)).all() == ["ed", "jack"]


def test_from_statement_takes_textual_sql(engine: Engine) -> None:
    with filled(engine) as session:
        statement = text("SELECT id, user_name FROM users WHERE id = :id")
        wendy = session.scalars(select(User).from_statement(statement), {"id": 2}).one()
        assert wendy.name == "wendy"
        assert "age" in inspect(wendy).unloaded
        assert wendy.age == 30
        positional = text("SELECT id, user_name FROM users ORDER BY id").columns(User.id, User.name)
        assert session.execute(select(User.name).from_statement(positional)).scalars().all() == ["ed", "wendy", "jack"]
        with pytest.raises(Exception, match="primary key"):
            session.scalars(select(User).from_statement(text("SELECT user_name FROM users"))).all()


def test_filter_by_looks_in_all_entities(engine: Engine) -> None:
    with filled(engine) as session:
        assert session.scalars(select(User).filter_by(name="ed")).one().id == 1
        statement = select(User).join(User.addresses).filter_by(email="ed@two", name="ed")
        assert session.scalars(statement).one().id == 1
        with pytest.raises(InvalidRequestError):
            select(User).filter_by(nothing=1)


def test_column_descriptions() -> None:
    other = aliased(User, name="other")
    found = select(User, User.name, other.id, func.max(User.id).label("top")).column_descriptions
    assert [(each["name"], each["entity"], each["aliased"]) for each in found] == [
        ("User", User, False),
        ("name", User, False),
        ("id", other, True),
        ("top", User, False),
    ]
    assert found[0]["type"] is User
    assert found[0]["expr"] is User
    assert found[1]["expr"] is User.name


def test_names_in_subqueries() -> None:
    assert select(User).subquery().c.keys() == ["id", "user_name", "age"]
    assert select(User.id, User.name).subquery().c.keys() == ["id", "name"]


def test_with_only_columns_keeps_joins(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).join(User.addresses).where(Address.email.like("%one"))
        counted = statement.with_only_columns(func.count(), maintain_column_froms=True)
        assert session.scalar(counted) == 2
        assert session.scalars(statement.with_only_columns(Address.email).order_by(Address.id)).all() == [
            "ed@one",
            "wendy@one",
        ]


def test_inheritance_limits_and_joins(engine: Engine) -> None:
    with filled(engine) as session:
        assert [type(each) for each in session.scalars(select(Employee).order_by(Employee.id))] == [
            Manager,
            Engineer,
            Engineer,
            Employee,
        ]
        assert [each.language for each in session.scalars(select(Engineer).order_by(Engineer.id))] == ["python", "c"]
        assert session.scalars(select(Engineer.name).order_by(Engineer.id)).all() == ["eric", "elsa"]
        assert session.scalars(select(Manager.name)).all() == ["mary"]
        assert session.scalar(select(func.count(Manager.id))) == 1
        assert session.scalar(select(func.count()).select_from(Engineer)) == 2
        chief = aliased(Manager)
        statement = select(Engineer.name).join(chief, Engineer.boss_id == chief.id).order_by(Engineer.id)
        assert session.scalars(statement).all() == ["eric", "elsa"]
        names = select(Employee.name).join(Employee.boss.of_type(chief)).order_by(Employee.id)
        assert session.scalars(names).all() == ["eric", "elsa", "emil"]


def test_options_of_a_subquery_do_not_get_in_the_way(engine: Engine) -> None:
    with filled(engine) as session:
        inner = select(User.id).options(selectinload(User.addresses)).where(User.age > 25)
        assert session.scalars(select(User.name).where(User.id.in_(inner))).all() == ["wendy"]


def test_loading_emits_one_statement(engine: Engine) -> None:
    with filled(engine) as session, Statements(engine) as sent:
        users = session.scalars(select(User).order_by(User.id)).all()
        assert [user.name for user in users] == ["ed", "wendy", "jack"]
        assert len(sent) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: select(User.id, Address.id),
        lambda: select(User).where(Address.id == 1),
        lambda: select(User, aliased(User)),
    ],
    ids=["columns", "a condition", "an alias"],
)
def test_tables_that_nothing_joins_are_warned_of(database: Database, make: Callable[[], Any]) -> None:
    with filled(database.create_engine()) as session:
        with pytest.warns(SAWarning, match="cartesian product"):
            session.execute(make()).all()
        session.scalars(select(User).join(User.addresses).where(Address.id == 1)).all()
    with Session(database.create_engine(enable_from_linting=False)) as session:
        session.execute(make()).all()
