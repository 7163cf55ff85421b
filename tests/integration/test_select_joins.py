"""``join()`` and its relatives: what they join, and how they find the left side."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, Select, func, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import aliased, contains_eager, join, joinedload, with_loader_criteria, with_polymorphic

from .selecting import Address, Employee, Engineer, Manager, Tag, User, filled

ua = aliased(Address)


def text_of(statement: Select[tuple[object]]) -> str:
    return " ".join(str(statement).split())


@pytest.mark.parametrize(
    ("statement", "joined"),
    [
        (select(User.id).join(User.addresses), "users JOIN addresses ON users.id = addresses.user_id"),
        (select(User.id).join(Address), "users JOIN addresses ON users.id = addresses.user_id"),
        (select(User.id).outerjoin(User.addresses), "users LEFT OUTER JOIN addresses ON users.id = addresses.user_id"),
        (
            select(User.id).join(User.addresses, full=True),
            "users FULL OUTER JOIN addresses ON users.id = addresses.user_id",
        ),
        (
            select(User.id).join(Address, Address.user_id == User.id),
            "users JOIN addresses ON addresses.user_id = users.id",
        ),
        (
            select(User.id).join(ua, User.addresses),
            "users JOIN addresses AS addresses_1 ON users.id = addresses_1.user_id",
        ),
        (
            select(User.id).join(User.addresses.of_type(ua)),
            "users JOIN addresses AS addresses_1 ON users.id = addresses_1.user_id",
        ),
        (
            select(User.id).join(User.addresses.and_(Address.email == "q")),
            "users JOIN addresses ON users.id = addresses.user_id AND addresses.email = :email_1",
        ),
        (
            select(User.id).join(User.tags),
            "users JOIN tagged AS tagged_1 ON users.id = tagged_1.user_id JOIN tags ON tags.id = tagged_1.tag_id",
        ),
        (
            select(User.id).outerjoin(User.tags),
            "users LEFT OUTER JOIN (tagged AS tagged_1 JOIN tags ON tags.id = tagged_1.tag_id) "
            "ON users.id = tagged_1.user_id",
        ),
        (
            select(User.id).join(User.addresses).join(User.tags),
            "users JOIN addresses ON users.id = addresses.user_id JOIN tagged AS tagged_1 "
            "ON users.id = tagged_1.user_id JOIN tags ON tags.id = tagged_1.tag_id",
        ),
        (select(Address.id, User.id).join(Address.user), "addresses JOIN users ON users.id = addresses.user_id"),
        (
            select(User.id).select_from(Address).join(Address.user),
            "addresses JOIN users ON users.id = addresses.user_id",
        ),
        (select(User.id).join_from(User, Address), "users JOIN addresses ON users.id = addresses.user_id"),
        (select(User.id).select_from(join(User, Address)), "users JOIN addresses ON users.id = addresses.user_id"),
        (
            select(Engineer.id).join(Engineer.boss.of_type(aliased(Employee, name="b"))),
            "employees JOIN engineers ON employees.id = engineers.id JOIN employees AS b ON b.id = employees.boss_id",
        ),
        (
            select(User.id).join(Engineer, Engineer.id == User.id),
            "users JOIN (employees JOIN engineers ON employees.id = engineers.id) ON engineers.id = users.id",
        ),
        (
            select(User.id).join(Manager, Manager.id == User.id),
            "users JOIN employees ON employees.id = users.id AND employees.kind IN (__[POSTCOMPILE_kind_1])",
        ),
    ],
)
def test_join_forms(statement: Select[tuple[object]], joined: str) -> None:
    assert text_of(statement).partition(" FROM ")[2] == joined


def test_joins_that_cannot_be_made() -> None:
    with pytest.raises(InvalidRequestError, match="how to join"):
        str(select(User).join(Engineer))
    with pytest.raises(ArgumentError):
        select(User).join("addresses")
    with pytest.raises(ArgumentError, match="no relationship"):
        str(select(User).join(User.name))


def test_rows_of_joins(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User.name, Tag.word).join(User.tags).order_by(User.id, Tag.id)
        assert session.execute(statement).all() == [("ed", "red"), ("ed", "blue"), ("wendy", "blue")]
        counted = (
            select(User.name, func.count(Address.id).label("n"))
            .outerjoin(User.addresses)
            .group_by(User.id, User.name)
            .having(func.count(Address.id) < 2)
            .order_by("n")
        )
        assert session.execute(counted).all() == [("jack", 0), ("wendy", 1)]


def test_contains_eager_takes_the_joined_rows(engine: Engine) -> None:
    with filled(engine) as session:
        statement = (
            select(User)
            .join(User.addresses)
            .where(Address.email.like("%one"))
            .options(contains_eager(User.addresses))
            .order_by(User.id)
        )
        users = session.scalars(statement).unique().all()
        assert [[each.email for each in user.addresses] for user in users] == [["ed@one"], ["wendy@one"]]


def test_joined_loading_with_limit_counts_parents(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).options(joinedload(User.addresses)).order_by(User.name.desc()).limit(2)
        users = session.scalars(statement).unique().all()
        assert [(user.name, len(user.addresses)) for user in users] == [("wendy", 1), ("jack", 0)]
        assert "FROM (SELECT" in text_of(statement)
        by_label = (
            select(User, func.length(User.name).label("size"))
            .options(joinedload(User.addresses), joinedload(User.tags))
            .order_by("size")
            .limit(1)
        )
        row = session.execute(by_label).unique().one()
        assert (row[0].name, row.size, len(row[0].addresses), len(row[0].tags)) == ("ed", 2, 2, 2)


def test_order_by_a_name_is_not_taken_from_eager_joins(engine: Engine) -> None:
    with filled(engine) as session:
        statement = select(User).options(joinedload(User.addresses)).order_by("id")
        assert [user.id for user in session.scalars(statement).unique()] == [1, 2, 3]


def test_loader_criteria_hold_wherever_the_class_appears(engine: Engine) -> None:
    with filled(engine) as session:
        only = with_loader_criteria(Address, Address.email.like("%two"))
        joined = select(User.name).join(User.addresses).options(only)
        assert session.scalars(joined).all() == ["ed"]
        nested = select(User.name).where(select(Address.id).where(Address.user_id == User.id).exists()).options(only)
        assert session.scalars(nested).all() == ["ed"]
        assert session.scalars(select(Address.email).options(only)).all() == ["ed@two"]


def test_with_polymorphic_reads_all_tables_at_once(engine: Engine) -> None:
    with filled(engine) as session:
        entity = with_polymorphic(Employee, [Engineer, Manager])
        statement = select(entity).where(entity.Engineer.language == "c")
        assert session.scalars(statement).one().name == "elsa"


def test_a_join_to_tables_that_stand_in_the_statement_already_is_refused(engine: Engine) -> None:
    with filled(engine) as session:
        for statement in (
            select(Employee.name).join(Engineer, Employee.id == Engineer.id),
            select(User.name).join(User, User.id == User.id),
            select(User).join(User.addresses).join(Address, Address.user_id == User.id),
        ):
            with pytest.raises(InvalidRequestError, match=r"aliased\(") as caught:
                session.execute(statement)
            assert caught.value.code == "xaj2"
        other = aliased(Engineer, flat=True)
        assert session.scalars(select(Employee.name).join(other, Employee.id == other.id)).all()
