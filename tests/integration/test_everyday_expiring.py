"""Expiring and refreshing: what is read again, when, and in how many statements."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, FetchedValue, ForeignKey, func, inspect, select, text
from sqlalchemy.exc import InvalidRequestError

from session import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from session.exc import DetachedInstanceError, ObjectDeletedError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    age: Mapped[int | None]
    touched: Mapped[int | None] = mapped_column(server_default=text("1"), server_onupdate=FetchedValue())
    note: Mapped[str | None] = mapped_column(deferred=True)
    items: Mapped[list[Item]] = relationship(back_populates="user", cascade="all, delete-orphan", order_by="Item.id")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User | None] = relationship(back_populates="items")


class Eager(Base):
    __tablename__ = "eager"
    __mapper_args__ = {"eager_defaults": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    made: Mapped[int | None] = mapped_column(server_default=text("3"))
    name: Mapped[str | None]
    changed: Mapped[str | None] = mapped_column(onupdate=func.lower("UPDATED"))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(name="ed", age=5, note="n", items=[Item(name="a"), Item(name="b")]))
        session.commit()
        yield session


def behind_its_back(session: Session, sql: str) -> None:
    session.execute(text(sql))


def test_one_statement_reads_all_expired_columns(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    session.expire(user)
    with Statements(engine) as sent:
        assert (user.name, user.age, user.touched) == ("ed", 5, 1)
    assert len(sent) == 1
    assert "note" not in inspect(user).dict


def test_expiring_some_attributes_leaves_the_others(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    behind_its_back(session, "UPDATE user_account SET name = 'x', age = 6")
    session.expire(user, ["age"])
    with Statements(engine) as sent:
        assert user.name == "ed"
        assert len(sent) == 0
        assert user.age == 6
        assert len(sent) == 1
    assert user.name == "ed"


def test_expiring_forgets_pending_changes(session: Session) -> None:
    user = session.get(User, 1)
    user.name = "changed"
    session.expire(user)
    assert user not in session.dirty
    assert user.name == "ed"


def test_pending_changes_of_attributes_that_are_not_expired_stay(session: Session) -> None:
    user = session.get(User, 1)
    user.name = "changed"
    session.expire(user, ["age"])
    with session.no_autoflush:
        assert user.age == 5
        assert user.name == "changed"
    assert user in session.dirty
    session.commit()
    assert session.scalar(select(User.name)) == "changed"


def test_setting_an_expired_attribute_needs_no_read(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    session.expire(user)
    with Statements(engine) as sent:
        user.name = "x"
        assert len(sent) == 0
    session.flush()
    assert session.scalar(select(User.name)) == "x"
    assert user.age == 5


def test_expire_all_expires_collections_too(session: Session) -> None:
    user = session.get(User, 1)
    assert len(user.items) == 2
    behind_its_back(session, "DELETE FROM item WHERE name = 'b'")
    assert len(user.items) == 2
    session.expire_all()
    assert [item.name for item in user.items] == ["a"]


def test_refresh_reads_at_once(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    behind_its_back(session, "UPDATE user_account SET name = 'x'")
    with Statements(engine) as sent:
        session.refresh(user)
    assert len(sent) == 1
    assert inspect(user).dict["name"] == "x"


def test_refresh_of_named_attributes(session: Session) -> None:
    user = session.get(User, 1)
    behind_its_back(session, "UPDATE user_account SET name = 'x', age = 9")
    user.age = 7
    with session.no_autoflush:
        session.refresh(user, ["name"])
        assert (user.name, user.age) == ("x", 7)
    session.refresh(user, ["items"])
    assert "items" in inspect(user).dict
    session.refresh(user, ["note"])
    assert inspect(user).dict["note"] == "n"


def test_refresh_flushes_the_changes_of_other_objects_and_drops_those_of_its_own(session: Session) -> None:
    user = session.get(User, 1)
    item = user.items[0]
    user.age = 77
    session.commit()
    assert (user.name, item.name) == ("ed", "a")
    user.name = "lost"
    other = User(name="other")
    session.add(other)
    session.refresh(user)
    assert user.name == "ed"
    assert inspect(other).persistent


def test_refresh_with_a_lock(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    with Statements(engine) as sent:
        session.refresh(user, with_for_update={"nowait": True})
    assert ("FOR UPDATE" in sent.texts[0]) is (engine.dialect.name == "postgresql")


def test_refresh_of_a_row_that_is_gone(session: Session) -> None:
    user = session.get(User, 1)
    behind_its_back(session, "DELETE FROM item")
    behind_its_back(session, "DELETE FROM user_account")
    with pytest.raises(InvalidRequestError, match="User"):
        session.refresh(user)


def test_reading_an_expired_object_whose_row_is_gone(session: Session) -> None:
    user = session.get(User, 1)
    behind_its_back(session, "DELETE FROM item")
    behind_its_back(session, "DELETE FROM user_account")
    session.expire(user)
    with pytest.raises(ObjectDeletedError, match="User"):
        user.name  # noqa: B018
    session.rollback()
    assert user.name == "ed"


def test_refresh_and_expire_want_an_object_of_the_session(session: Session) -> None:
    stranger = User(name="x")
    with pytest.raises(InvalidRequestError, match="User"):
        session.refresh(stranger)
    with pytest.raises(InvalidRequestError, match="User"):
        session.expire(stranger)
    session.add(stranger)
    with pytest.raises(InvalidRequestError, match="User"):
        session.refresh(stranger)


def test_expiry_cascades_where_the_relationship_says_so(session: Session) -> None:
    user = session.get(User, 1)
    item = user.items[0]
    assert item.name == "a"
    session.expire(user)
    assert inspect(item).expired
    session.refresh(user)
    assert user.items[0] is item


def test_a_detached_expired_object_says_so(session: Session) -> None:
    user = session.get(User, 1)
    session.expire(user)
    session.expunge(user)
    with pytest.raises(DetachedInstanceError, match="User"):
        user.name  # noqa: B018


def test_server_defaults_are_read_when_they_are_asked_for(session: Session, engine: Engine) -> None:
    user = User(name="new")
    session.add(user)
    session.flush()
    assert user.touched == 1
    user.name = "newer"
    with Statements(engine) as sent:
        session.flush()
        assert not sent.starting("SELECT")
        assert "touched" in inspect(user).expired_attributes
        assert user.touched == 1
        assert len(sent.starting("SELECT")) == 1


def test_eager_defaults_come_back_with_the_statement(session: Session, engine: Engine) -> None:
    eager = Eager(name="x")
    session.add(eager)
    with Statements(engine) as sent:
        session.flush()
        now = len(sent)
        assert eager.made == 3
        assert len(sent) == now
        eager.name = "y"
        session.flush()
        assert eager.changed == "updated"
        assert len(sent) == now + 1


def test_an_expired_collection_keeps_what_was_appended_since(session: Session) -> None:
    user = session.get(User, 1)
    session.expire(user)
    with session.no_autoflush:
        Item(name="c", user=user)
        assert [item.name for item in user.items] == ["a", "b", "c"]


def test_deleting_an_expired_object(session: Session) -> None:
    user = session.get(User, 1)
    session.expire_all()
    session.delete(user)
    session.commit()
    assert session.scalars(select(Item)).all() == []


def test_del_of_an_attribute_writes_null(session: Session) -> None:
    user = session.get(User, 1)
    assert user.name == "ed"
    del user.name
    session.commit()
    assert user.name is None
    assert session.scalar(select(User.name)) is None


def test_a_query_refreshes_expired_objects_on_its_way(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    session.expire(user)
    with Statements(engine) as sent:
        session.scalars(select(User).options(selectinload(User.items))).all()
        assert (user.name, len(user.items)) == ("ed", 2)
    assert len(sent) == 2


def test_deferred_can_be_expired_and_refreshed(session: Session) -> None:
    user = session.get(User, 1)
    assert user.note == "n"
    behind_its_back(session, "UPDATE user_account SET note = 'm'")
    session.expire(user)
    assert user.name == "ed"
    assert user.note == "m"
