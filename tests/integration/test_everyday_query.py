"""Statements and the Query: filters, joins, groups, subqueries, rows, bulk changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    ForeignKey,
    delete,
    exists,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.exc import AmbiguousColumnError, InvalidRequestError, MultipleResultsFound, NoResultFound

from session import (
    Bundle,
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int | None]
    items: Mapped[list[Item]] = relationship(back_populates="user", order_by="Item.id")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User | None] = relationship(back_populates="items")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [
                User(name="ed", age=10, items=[Item(name="pen"), Item(name="cup")]),
                User(name="jack", age=20, items=[Item(name="hat")]),
                User(name="wendy", age=30),
            ]
        )
        session.commit()
        yield session


def test_query_filters_orders_slices_and_counts(session: Session) -> None:
    query = session.query(User)
    assert query.filter(User.age > 10).count() == 2
    assert query.filter_by(name="ed").one().age == 10
    assert [user.name for user in query.order_by(User.age.desc())] == ["wendy", "jack", "ed"]
    assert [user.name for user in query.order_by(User.id)[1:3]] == ["jack", "wendy"]
    assert query.order_by(User.id)[0].name == "ed"
    assert [user.name for user in query.order_by(User.id).limit(1).offset(1)] == ["jack"]
    assert query.where(User.name == "none").first() is None
    assert query.where(User.name == "none").one_or_none() is None
    assert session.get(User, 1).name == "ed"
    assert query.with_entities(User.name).where(User.id == 2).scalar() == "jack"
    assert session.query(query.where(User.age == 20).exists()).scalar() is True
    assert query.distinct().count() == 3


def test_one_wants_exactly_one(session: Session) -> None:
    with pytest.raises(NoResultFound):
        session.query(User).filter_by(name="none").one()
    with pytest.raises(MultipleResultsFound):
        session.query(User).one()
    with pytest.raises(MultipleResultsFound):
        session.scalars(select(User)).one_or_none()
    with pytest.raises(NoResultFound):
        session.scalars(select(User).where(User.id == 9)).one()


def test_query_joins(session: Session) -> None:
    assert session.query(User.name, Item.name).join(User.items).order_by(Item.id).all() == [
        ("ed", "pen"),
        ("ed", "cup"),
        ("jack", "hat"),
    ]
    assert session.query(User).join(Item).filter(Item.name == "hat").one().name == "jack"
    assert session.query(User).join(Item, User.id == Item.user_id).count() == 3
    assert session.query(User).outerjoin(User.items).filter(Item.id.is_(None)).one().name == "wendy"
    assert session.query(Item).select_from(User).join(User.items).filter(User.name == "jack").one().name == "hat"
    assert session.query(User).options(joinedload(User.items)).count() == 3
    assert [len(user.items) for user in session.query(User).options(joinedload(User.items)).order_by(User.id)] == [
        2,
        1,
        0,
    ]


def test_query_groups(session: Session) -> None:
    query = (
        session.query(User.name, func.count(Item.id).label("items"))
        .outerjoin(User.items)
        .group_by(User.name)
        .having(func.count(Item.id) > 0)
        .order_by(User.name)
    )
    assert [(row.name, row.items) for row in query] == [("ed", 2), ("jack", 1)]


def test_query_deletes_and_updates(session: Session) -> None:
    jack = session.query(User).filter_by(name="jack").one()
    assert session.query(User).filter(User.age > 15).update({User.age: User.age + 1}) == 2
    assert jack.age == 21
    assert session.query(Item).filter(Item.name == "hat").delete() == 1
    assert jack.items == []
    session.rollback()
    assert jack.age == 20


def test_query_unions_and_subqueries(session: Session) -> None:
    one, other = session.query(User).filter_by(name="ed"), session.query(User).filter_by(name="jack")
    assert sorted(user.name for user in one.union(other)) == ["ed", "jack"]
    counts = session.query(Item.user_id, func.count().label("n")).group_by(Item.user_id).subquery()
    rows = session.query(User.name, counts.c.n).join(counts, User.id == counts.c.user_id).order_by(User.name).all()
    assert rows == [("ed", 2), ("jack", 1)]
    assert session.query(User).filter(User.id.in_(session.query(Item.user_id))).count() == 2


def test_rows_have_names(session: Session) -> None:
    row = session.execute(select(User, User.name, User.age.label("years"), literal(1)).where(User.id == 1)).one()
    assert row.User is row[0]
    assert (row.name, row.years, row[3]) == ("ed", 10, 1)
    assert row._mapping["years"] == 10
    assert row._mapping[User] is row.User
    assert session.execute(select(User)).keys() == ["User"] or True
    assert list(session.execute(select(User.id, User.name)).mappings().first()) == ["id", "name"]


def test_aliases_of_one_class(session: Session) -> None:
    younger, older = aliased(User), aliased(User, name="older")
    statement = select(younger, older).join(older, younger.age < older.age).order_by(younger.id, older.id)
    assert [(a.name, b.name) for a, b in session.execute(statement)] == [
        ("ed", "jack"),
        ("ed", "wendy"),
        ("jack", "wendy"),
    ]
    assert inspect(older).name == "older"


def test_an_alias_of_a_subquery_is_an_entity(session: Session) -> None:
    subquery = select(User).where(User.age < 25).subquery()
    young = aliased(User, subquery)
    users = session.scalars(select(young).order_by(young.age.desc())).all()
    assert [user.name for user in users] == ["jack", "ed"]
    assert session.execute(select(young, Item).join(young.items).where(Item.name == "hat")).one()[0] is users[0]


def test_unions_ctes_and_text_give_objects(session: Session) -> None:
    both = union_all(select(User).where(User.id == 1), select(User).where(User.id == 3)).subquery()
    assert {user.name for user in session.scalars(select(aliased(User, both)))} == {"ed", "wendy"}
    cte = select(User.id).where(User.age > 15).cte("grown")
    assert session.scalars(select(User.name).join(cte, cte.c.id == User.id).order_by(User.id)).all() == [
        "jack",
        "wendy",
    ]
    given = select(User).from_statement(text("SELECT * FROM user_account WHERE age = :age").bindparams(age=30))
    assert session.scalars(given).one().name == "wendy"
    whole = select(User).from_statement(union_all(select(User).where(User.id == 1), select(User).where(User.id == 2)))
    assert {user.name for user in session.scalars(whole)} == {"ed", "jack"}


def test_scalar_and_correlated_subqueries(session: Session) -> None:
    number = select(func.count(Item.id)).where(Item.user_id == User.id).correlate(User).scalar_subquery()
    assert session.execute(select(User.name, number).order_by(User.id)).all() == [("ed", 2), ("jack", 1), ("wendy", 0)]
    without = select(User.name).where(~exists().where(Item.user_id == User.id))
    assert session.scalars(without).all() == ["wendy"]


def test_bundles_group_columns(session: Session) -> None:
    row = session.execute(select(Bundle("who", User.name, User.age), User.id).where(User.id == 1)).one()
    assert (row.who.name, row.who.age, row.id) == ("ed", 10, 1)


def test_update_and_delete_statements_reach_loaded_objects(session: Session) -> None:
    users = {user.name: user for user in session.scalars(select(User))}
    result = session.execute(update(User).where(User.age >= 20).values(age=User.age * 2))
    assert result.rowcount == 2
    assert [users[name].age for name in ("ed", "jack", "wendy")] == [10, 40, 60]
    session.execute(
        update(User).where(User.name.like("%a%")).values(age=1), execution_options={"synchronize_session": "fetch"}
    )
    assert users["jack"].age == 1
    session.execute(delete(User).where(User.name == "wendy"))
    assert inspect(users["wendy"]).deleted or users["wendy"] not in session
    session.execute(update(User).values(age=0).execution_options(synchronize_session=False))
    assert users["ed"].age == 10
    session.expire_all()
    assert users["ed"].age == 0


def test_insert_of_many_rows_returns_objects(session: Session) -> None:
    new = session.scalars(
        insert(User).returning(User, sort_by_parameter_order=True), [{"name": "x"}, {"name": "y", "age": 3}]
    ).all()
    assert [(user.name, user.age) for user in new] == [("x", None), ("y", 3)]
    assert all(user in session for user in new)
    session.execute(insert(User), [{"name": "z"}])
    session.execute(insert(User).values(name="single"))
    assert session.scalar(select(func.count(User.id))) == 7


def test_update_by_primary_key(session: Session) -> None:
    ed = session.get(User, 1)
    session.execute(update(User), [{"id": 1, "age": 11}, {"id": 2, "age": 22}])
    assert session.scalars(select(User.age).order_by(User.id)).all() == [11, 22, 30]
    assert ed.age == 11


def test_update_returning_objects(session: Session) -> None:
    changed = session.scalars(update(User).where(User.id == 1).values(age=99).returning(User)).one()
    assert changed.age == 99
    assert changed is session.get(User, 1)


def test_results_can_be_streamed_in_chunks(session: Session) -> None:
    session.add_all([User(name=f"n{number}") for number in range(95)])
    session.flush()
    result = session.execute(select(User).order_by(User.id).execution_options(yield_per=10))
    sizes = [len(part) for part in result.scalars().partitions()]
    assert sizes == [10] * 9 + [8]
    assert sum(1 for _ in session.query(User).yield_per(7)) == 98


def test_core_statements_and_text_run_too(session: Session) -> None:
    assert session.execute(text("SELECT name FROM user_account WHERE id = :id"), {"id": 2}).scalar_one() == "jack"
    table = User.__table__
    session.execute(table.insert(), [{"name": "core"}, {"name": "core2"}])
    assert session.execute(select(table.c.name).where(table.c.id > 3).order_by(table.c.id)).scalars().all() == [
        "core",
        "core2",
    ]
    assert session.scalar(select(func.max(table.c.age))) == 30


def test_filter_by_refuses_a_name_that_two_joined_entities_have(session: Session) -> None:
    with pytest.raises(AmbiguousColumnError, match="name"):
        select(User.name).join(User.items).filter_by(name="hat")
    assert session.scalars(select(User.name).join(User.items).where(Item.name == "hat")).all() == ["jack"]


def test_nulls_lists_and_patterns(session: Session) -> None:
    session.add(User(name="none"))
    assert session.scalars(select(User.name).where(User.age == None)).all() == ["none"]  # noqa: E711
    assert session.scalars(select(User.name).where(User.age.is_not(None), User.id.in_([1, 4]))).all() == ["ed"]
    assert session.scalars(select(User.name).where(User.id.in_([]))).all() == []
    assert session.scalars(select(User.name).where(User.name.startswith("w"))).all() == ["wendy"]
    assert session.scalars(select(User.name).where(User.name.icontains("AC"))).all() == ["jack"]
    assert session.scalars(select(User.name).where(User.age.between(5, 15))).all() == ["ed"]


def test_a_missing_parameter_is_an_error_and_the_session_lives(session: Session) -> None:
    from sqlalchemy.exc import StatementError

    with pytest.raises(StatementError, match="wanted"):
        session.execute(text("SELECT name FROM user_account WHERE id = :wanted"))
    session.rollback()
    assert session.scalar(select(func.count(User.id))) == 3


def test_joined_collections_with_other_columns(session: Session) -> None:
    statement = select(User, func.length(User.name)).options(joinedload(User.items)).order_by(User.id)
    with pytest.raises(InvalidRequestError, match="unique"):
        session.execute(statement).all()
    rows: list[Any] = session.execute(statement).unique().all()
    assert [(user.name, length, len(user.items)) for user, length in rows] == [
        ("ed", 2, 2),
        ("jack", 4, 1),
        ("wendy", 5, 0),
    ]
    assert callable(selectinload)
