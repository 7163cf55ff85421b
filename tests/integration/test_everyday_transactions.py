"""Transactions, savepoints, and what a rollback gives back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, ForeignKey, func, inspect, select, text
from sqlalchemy.exc import ArgumentError, IntegrityError, InvalidRequestError, PendingRollbackError, SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    SessionTransactionOrigin,
    mapped_column,
    relationship,
    sessionmaker,
)
from session.exc import ObjectDeletedError


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    items: Mapped[list[Item]] = relationship(back_populates="user", order_by="Item.id")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User | None] = relationship(back_populates="items")


@pytest.fixture
def session(savepoint_engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(savepoint_engine)
    with Session(savepoint_engine) as session:
        yield session


def names(session: Session) -> list[str]:
    return list(session.scalars(select(User.name).order_by(User.name)))


def stored(session: Session) -> list[str]:
    """The names that another connection sees."""
    with session.get_bind().connect() as connection:
        return list(connection.scalars(select(User.__table__.c.name).order_by(User.__table__.c.name)))


def test_work_begins_a_transaction_and_commit_ends_it(session: Session) -> None:
    assert not session.in_transaction()
    session.add(User(name="ed"))
    assert session.in_transaction()
    assert session.get_transaction().origin is SessionTransactionOrigin.AUTOBEGIN
    session.flush()
    session.commit()
    assert not session.in_transaction()
    assert stored(session) == ["ed"]


def test_begin_as_a_context_commits_or_rolls_back(session: Session) -> None:
    with session.begin() as transaction:
        assert transaction is session.get_transaction()
        session.add(User(name="kept"))
    with pytest.raises(ZeroDivisionError), session.begin():
        session.add(User(name="gone"))
        session.flush()
        1 / 0  # noqa: B018
    assert stored(session) == ["kept"]


def test_a_second_begin_is_refused(session: Session) -> None:
    session.begin()
    with pytest.raises(InvalidRequestError):
        session.begin()
    session.rollback()


def test_session_as_a_context_closes_and_does_not_commit(savepoint_engine: Engine) -> None:
    Base.metadata.create_all(savepoint_engine)
    with Session(savepoint_engine) as session:
        session.add(User(name="ed"))
        session.flush()
    assert stored(session) == []
    with Session(savepoint_engine) as session, session.begin():
        session.add(User(name="ed"))
    assert stored(session) == ["ed"]


def test_rollback_makes_new_objects_transient(session: Session) -> None:
    user, item = User(name="ed"), Item()
    user.items.append(item)
    session.add(user)
    session.flush()
    session.rollback()
    assert inspect(user).transient
    assert inspect(item).transient
    assert user not in session
    assert user.name == "ed"
    assert user.items == [item]
    session.add(user)
    session.commit()
    assert names(session) == ["ed"]


def test_rollback_brings_deleted_objects_back(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    session.delete(user)
    session.flush()
    assert inspect(user).deleted
    session.rollback()
    assert inspect(user).persistent
    assert user.name == "ed"


def test_rollback_forgets_changes_flushed_or_not(session: Session) -> None:
    user, item = User(name="ed"), Item()
    session.add_all([user, item])
    session.commit()
    user.name = "flushed"
    session.flush()
    user.name = "not flushed"
    user.items.append(item)
    session.rollback()
    assert user.name == "ed"
    assert user.items == []
    assert item.user is None
    assert not session.dirty


def test_rollback_of_a_changed_key_gives_the_old_identity_back(session: Session) -> None:
    user = User(id=1, name="ed")
    session.add(user)
    session.commit()
    user.id = 5
    session.flush()
    assert inspect(user).identity == (5,)
    assert session.get(User, 5) is user
    session.rollback()
    assert inspect(user).identity == (1,)
    assert user.id == 1
    assert session.get(User, 1) is user


def test_commit_expires_unless_told_not_to(savepoint_engine: Engine) -> None:
    Base.metadata.create_all(savepoint_engine)
    with Session(savepoint_engine) as session:
        user = User(name="ed")
        session.add(user)
        session.commit()
        assert inspect(user).expired
    with Session(savepoint_engine, expire_on_commit=False) as session:
        user = session.scalars(select(User)).one()
        session.commit()
        assert not inspect(user).expired
        session.close()
        assert user.name == "ed"


def test_another_transactions_change_shows_after_commit(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    assert user.name == "ed"
    session.commit()
    with session.get_bind().begin() as connection:
        connection.execute(text("UPDATE user_account SET name = 'changed'"))
    assert user.name == "changed"


# -- a flush that fails ---------------------------------------------------------------------------


def test_a_failed_flush_needs_a_rollback_and_then_the_session_works(session: Session) -> None:
    session.add(User(name="ed"))
    session.commit()
    user = session.scalars(select(User)).one()
    double, fine = User(name="ed"), User(name="fine")
    session.add_all([double, fine])
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert inspect(double).transient
    assert user.name == "ed"
    session.add(fine)
    session.commit()
    assert names(session) == ["ed", "fine"]


def test_a_session_in_need_of_rollback_says_what_went_wrong(session: Session) -> None:
    session.add_all([User(name="ed"), User(name="ed")])
    with pytest.raises(IntegrityError) as first:
        session.commit()
    with pytest.raises(PendingRollbackError) as second:
        session.scalars(select(User)).all()
    assert str(first.value.orig).split("\n")[0].strip() in str(second.value)
    assert second.value.code == "7s2a"
    with pytest.raises(PendingRollbackError):
        session.commit()
    with pytest.raises(PendingRollbackError):
        session.get(User, 1)
    session.rollback()
    assert names(session) == []


def test_a_failed_flush_inside_begin_ends_it(session: Session) -> None:
    with pytest.raises(IntegrityError), session.begin():
        session.add_all([User(name="ed"), User(name="ed")])
        session.flush()
    assert names(session) == []


# -- savepoints -----------------------------------------------------------------------------------


def test_a_savepoint_rolled_back_leaves_the_rest(session: Session) -> None:
    outer = User(name="outer")
    session.add(outer)
    with pytest.raises(ZeroDivisionError), session.begin_nested():
        inner = User(name="inner")
        session.add(inner)
        session.flush()
        1 / 0  # noqa: B018
    assert inspect(outer).persistent
    assert inspect(inner).transient
    session.commit()
    assert stored(session) == ["outer"]


def test_a_savepoint_restores_only_what_changed_inside_it(session: Session) -> None:
    one, two = User(name="one"), User(name="two")
    session.add_all([one, two])
    session.commit()
    one.name = "one before"
    assert two.name == "two"
    savepoint = session.begin_nested()
    two.name = "two inside"
    session.flush()
    savepoint.rollback()
    assert one.name == "one before"
    assert two.name == "two"
    session.commit()
    assert stored(session) == ["one before", "two"]


def test_savepoints_nest(session: Session) -> None:
    session.add(User(name="a"))
    with session.begin_nested() as first:
        session.add(User(name="b"))
        assert session.in_nested_transaction()
        assert session.get_nested_transaction() is first
        with session.begin_nested() as second:
            assert second.parent is first
            session.add(User(name="c"))
            second.rollback()
        session.add(User(name="d"))
    session.commit()
    assert stored(session) == ["a", "b", "d"]


def test_a_failure_inside_a_savepoint_costs_only_the_savepoint(session: Session) -> None:
    session.add(User(name="ed"))
    session.flush()
    for name in ("ed", "wendy", "ed"):
        try:
            with session.begin_nested():
                session.add(User(name=name))
        except IntegrityError:
            pass
    session.commit()
    assert stored(session) == ["ed", "wendy"]


def test_an_outer_rollback_undoes_a_released_savepoint(session: Session) -> None:
    with session.begin_nested():
        user = User(name="ed")
        session.add(user)
    assert inspect(user).persistent
    session.rollback()
    assert inspect(user).transient
    assert stored(session) == []


def test_a_deletion_in_a_savepoint_is_undone_with_it(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    savepoint = session.begin_nested()
    session.delete(user)
    session.flush()
    savepoint.rollback()
    assert inspect(user).persistent
    with session.begin_nested():
        session.delete(user)
    assert inspect(user).deleted
    session.commit()
    assert inspect(user).detached


def test_commit_from_inside_savepoints_commits_all_of_them(session: Session) -> None:
    session.begin_nested()
    session.add(User(name="a"))
    session.begin_nested()
    session.add(User(name="b"))
    session.commit()
    assert stored(session) == ["a", "b"]
    assert not session.in_transaction()


# -- other people's transactions ------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["conditional_savepoint", "rollback_only", "create_savepoint", "control_fully"])
@pytest.mark.parametrize("commits", [True, False])
def test_joining_a_connections_transaction(savepoint_engine: Engine, mode: str, commits: bool) -> None:
    Base.metadata.create_all(savepoint_engine)
    with savepoint_engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode=mode) as session:
            session.add(User(name="ed"))
            session.flush()
            session.commit() if commits else session.rollback()
        assert transaction.is_active is (mode == "create_savepoint" or (commits and mode != "control_fully"))
        if commits and transaction.is_active:
            assert connection.scalar(select(func.count()).select_from(User.__table__)) == 1
        if transaction.is_active:
            transaction.rollback()
    with savepoint_engine.connect() as connection:
        left = list(connection.scalars(select(User.__table__.c.name)))
        assert left == (["ed"] if commits and mode == "control_fully" else [])


def test_a_test_harness_rolls_everything_back(savepoint_engine: Engine) -> None:
    Base.metadata.create_all(savepoint_engine)
    with savepoint_engine.connect() as connection:
        transaction = connection.begin()
        maker = sessionmaker(connection, join_transaction_mode="create_savepoint")
        with maker() as session:
            session.add(User(name="ed"))
            session.commit()
            session.add(User(name="jack"))
            session.rollback()
            session.add(User(name="wendy"))
            session.commit()
            assert names(session) == ["ed", "wendy"]
        transaction.rollback()
    with Session(savepoint_engine) as session:
        assert names(session) == []


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ArgumentError, match="sideways"):
        Session(join_transaction_mode="sideways")
    with pytest.raises(ArgumentError, match="autocommit"):
        Session(autocommit=True)


# -- details --------------------------------------------------------------------------------------


def test_autobegin_off_wants_begin(savepoint_engine: Engine) -> None:
    Base.metadata.create_all(savepoint_engine)
    with Session(savepoint_engine, autobegin=False) as session:
        with pytest.raises(InvalidRequestError, match="begin"):
            session.scalars(select(User))
        with pytest.raises(InvalidRequestError, match="begin"):
            session.add(User(name="ed"))
            session.flush()
        session.expunge_all()
        with session.begin():
            session.add(User(name="ed"))
        with session.begin():
            assert names(session) == ["ed"]


def test_work_inside_a_context_that_was_ended_is_refused(session: Session) -> None:
    with session.begin():
        session.add(User(name="ed"))
        session.commit()
        with pytest.raises(InvalidRequestError):
            session.scalars(select(User)).all()
    assert names(session) == ["ed"]


def test_commit_and_rollback_with_nothing_to_do(session: Session) -> None:
    session.commit()
    session.rollback()
    session.flush()
    session.close()
    session.reset()
    assert not session.in_transaction()


def test_an_object_deleted_by_somebody_else_says_so_when_read(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    with session.get_bind().begin() as connection:
        connection.execute(text("DELETE FROM user_account"))
    with pytest.raises(ObjectDeletedError, match="User"):
        user.name  # noqa: B018
    session.rollback()
    assert names(session) == []


def test_a_transaction_ends_once(session: Session) -> None:
    transaction = session.begin()
    session.add(User(name="ed"))
    transaction.commit()
    with pytest.raises(InvalidRequestError):
        transaction.commit()
    assert names(session) == ["ed"]


def test_invalidate_drops_the_connection_and_the_work(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.flush()
    session.invalidate()
    assert inspect(user).detached or inspect(user).transient
    assert names(session) == []


def test_execution_options_and_isolation_level_of_a_transaction(session: Session) -> None:
    connection = session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
    assert connection.get_isolation_level() == "SERIALIZABLE"
    session.rollback()
    session.connection()
    with pytest.warns(SAWarning):
        session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
