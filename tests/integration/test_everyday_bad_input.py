"""What a Session and a mapping refuse: the documented error, which names what it is about, and nothing lost."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, inspect, select, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InvalidRequestError,
    NoInspectionAvailable,
    ResourceClosedError,
    StatementError,
)

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    class_mapper,
    joinedload,
    make_transient,
    mapped_column,
    object_mapper,
    relationship,
    selectinload,
)
from session.exc import (
    DetachedInstanceError,
    LoaderStrategyException,
    UnmappedClassError,
    UnmappedError,
    UnmappedInstanceError,
)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    age: Mapped[int | None]
    items: Mapped[list[Item]] = relationship(back_populates="user", cascade="all, delete-orphan")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User] = relationship(back_populates="items")


class Pair(Base):
    __tablename__ = "pair"

    left: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    right: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Owner(Base):
    __tablename__ = "owner"

    id: Mapped[int] = mapped_column(primary_key=True)
    one_id: Mapped[int | None] = mapped_column(ForeignKey("owned.id"))
    one: Mapped[Owned | None] = relationship(foreign_keys=[one_id])
    many: Mapped[list[Owned]] = relationship(foreign_keys="Owned.owner_id")


class Owned(Base):
    __tablename__ = "owned"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id", use_alter=True, name="fk_owner"))


class Plain:
    """Not mapped."""


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(name="ed"))
        session.commit()
        yield session
        # Whatever was refused: the Session is as good as before, and so is the row.
        session.rollback()
        assert session.scalars(select(User.name).where(User.id == 1)).one() == "ed"
        session.add(User(name="after all"))
        session.commit()


# -- what is not mapped ---------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["add", "delete", "expunge", "merge", "refresh", "expire", "is_modified"])
@pytest.mark.parametrize("thing", [Plain(), "a text", None, 7, User], ids=["object", "text", "none", "number", "class"])
def test_verbs_refuse_what_is_not_mapped(session: Session, verb: str, thing: Any) -> None:
    name = "type|User" if thing is User else type(thing).__name__
    with pytest.raises(UnmappedInstanceError, match=name):
        getattr(session, verb)(thing)


def test_containment_of_what_is_not_mapped(session: Session) -> None:
    with pytest.raises(UnmappedInstanceError, match="Plain"):
        Plain() in session  # noqa: B015


def test_add_all_stops_at_the_wrong_one(session: Session) -> None:
    first = User(name="first")
    with pytest.raises(UnmappedInstanceError, match="Plain"):
        session.add_all([first, Plain()])
    assert first in session
    session.expunge(first)


def test_mappers_of_what_is_not_mapped() -> None:
    with pytest.raises(UnmappedClassError, match="Plain"):
        class_mapper(Plain)
    with pytest.raises(UnmappedInstanceError, match="Plain"):
        object_mapper(Plain())
    with pytest.raises(NoInspectionAvailable):
        inspect(Plain)
    with pytest.raises(ArgumentError):
        class_mapper("User")
    assert issubclass(UnmappedInstanceError, UnmappedError)


def test_statements_refuse_what_is_not_mapped(session: Session) -> None:
    with pytest.raises(ArgumentError, match="Plain"):
        select(Plain)
    with pytest.raises(ArgumentError, match="Plain"):
        session.query(Plain)
    with pytest.raises((UnmappedClassError, ArgumentError, NoInspectionAvailable)):
        select(User).join(Plain).compile()
    with pytest.raises((UnmappedClassError, NoInspectionAvailable)):
        session.get(Plain, 1)


def test_a_member_of_another_class_is_refused_when_it_would_come_along(session: Session) -> None:
    for owner, name in ((Owner(many=[User(name="x")]), "many"), (Owner(one=User(name="x")), "one")):
        with pytest.raises(AssertionError, match=rf"(?s)(?=.*User)(?=.*Owner)(?=.*{name})"):
            session.add(owner)
        session.rollback()


def test_a_value_that_is_not_mapped_is_refused_by_a_relationship() -> None:
    user = User(name="x")
    for wrong in (Plain(), "text", 5):
        with pytest.raises((AttributeError, UnmappedInstanceError, ArgumentError)):
            user.items.append(wrong)
    item = Item()
    with pytest.raises((AttributeError, UnmappedInstanceError, ArgumentError)):
        item.user = "text"
    assert user.items == []
    assert item.user is None


# -- get ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ident", [(1, 2), (), [1, 2], {"id": 1, "name": 2}, {"nmae": 1}, {}])
def test_get_with_the_wrong_number_of_values(session: Session, ident: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"(User|user_account|'id')"):
        session.get(User, ident)


@pytest.mark.parametrize("ident", [1, (1,), (1, 2, 3), {"left": 1}, {"left": 1, "wrong": 2}])
def test_get_with_the_wrong_parts_of_a_composite_key(session: Session, ident: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"(Pair|pair|left)"):
        session.get(Pair, ident)


def test_get_of_none_and_of_the_wrong_type(session: Session) -> None:
    assert session.get(User, 99) is None
    with pytest.raises((DBAPIError, StatementError)) if session.get_bind().name == "postgresql" else _nothing():
        assert session.get(User, "no number") is None


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


# -- names that are not there ---------------------------------------------------------------------


def test_unknown_attributes(session: Session) -> None:
    with pytest.raises(TypeError, match=r"(?s)(?=.*nmae)(?=.*User)"):
        User(nmae="x")
    with pytest.raises(InvalidRequestError, match=r"(?s)(?=.*User|.*user_account)(?=.*nmae)"):
        select(User).filter_by(nmae="x")
    with pytest.raises(InvalidRequestError, match=r"(?s)(?=.*User|.*user_account)(?=.*nmae)"):
        session.query(User).filter_by(nmae="x")
    with pytest.raises(AttributeError, match="nmae"):
        User.nmae  # noqa: B018
    with pytest.raises(AttributeError, match="nmae"):
        User(name="x").nmae  # noqa: B018
    with pytest.raises(InvalidRequestError, match="nmae"):
        inspect(User).get_property("nmae")
    user = session.get(User, 1)
    with pytest.raises((InvalidRequestError, KeyError), match="nmae"):
        session.refresh(user, ["nmae"])


def test_options_for_attributes_that_do_not_fit(session: Session) -> None:
    with pytest.raises((ArgumentError, LoaderStrategyException), match=r"User\.name"):
        session.scalars(select(User).options(joinedload(User.name))).all()
    with pytest.raises(ArgumentError, match=r"(?s)(?=.*Item)(?=.*User)"):
        session.scalars(select(Item).options(selectinload(User.items))).all()
    with pytest.raises(ArgumentError):
        selectinload("items")


def test_comparisons_that_cannot_be(session: Session) -> None:
    with pytest.raises(NotImplementedError):
        User.items.in_([1])
    with pytest.raises(InvalidRequestError):
        User.items.has()
    with pytest.raises(InvalidRequestError):
        Item.user.any()
    with pytest.raises(InvalidRequestError):
        User.items == [1]  # noqa: B015
    with pytest.raises(AttributeError, match="nothing"):
        User.items.nothing  # noqa: B018


# -- objects in the wrong place -------------------------------------------------------------------


def test_an_object_of_another_session_is_refused(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    with Session(engine) as other:
        for verb in ("add", "delete"):
            with pytest.raises(InvalidRequestError, match=r"(?s)(?=.*User)(?=.*attach)"):
                getattr(other, verb)(user)
        for verb in ("expunge", "refresh", "expire"):
            with pytest.raises(InvalidRequestError, match="User"):
                getattr(other, verb)(user)
        item = Item()
        other.add(item)
        with pytest.raises(InvalidRequestError, match="attach"):
            user.items.append(item)
        other.expunge_all()
    assert user in session


def test_a_second_object_of_a_present_key_is_refused(session: Session) -> None:
    user = session.get(User, 1)
    copy = pickle.loads(pickle.dumps(user))
    with pytest.raises(InvalidRequestError, match=r"(?s)(?=.*User)(?=.*1)"):
        session.add(copy)
    assert session.get(User, 1) is user


def test_a_deleted_object_cannot_be_added_and_a_new_one_not_be_deleted(session: Session) -> None:
    new = User(name="new")
    with pytest.raises(InvalidRequestError, match="User"):
        session.delete(new)
    session.add(new)
    session.flush()
    session.delete(new)
    session.flush()
    with pytest.raises(InvalidRequestError, match="User"):
        session.add(new)
    session.commit()
    with pytest.raises(InvalidRequestError, match="User"):
        session.add(new)
    make_transient(new)
    session.add(new)
    session.commit()


def test_deleting_a_pending_object_is_refused(session: Session) -> None:
    new = User(name="new")
    session.add(new)
    with pytest.raises(InvalidRequestError, match="User"):
        session.delete(new)


def test_an_item_without_its_owner_is_refused_and_can_be_completed(session: Session) -> None:
    item = Item()
    session.add(item)
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    assert inspect(item).transient
    item.user = session.get(User, 1)
    session.add(item)
    session.commit()
    assert item.user_id == 1


def test_a_half_built_object_fails_and_the_rest_survives(session: Session) -> None:
    good, half = User(name="good"), User()
    session.add_all([good, half])
    with pytest.raises(IntegrityError, match="name"):
        session.commit()
    session.rollback()
    half.name = "half"
    session.add_all([good, half])
    session.commit()
    assert session.scalars(select(User.name).order_by(User.id)).all() == ["ed", "good", "half"]


def test_a_value_the_driver_cannot_take(session: Session) -> None:
    user = User(name="x", age=object())
    session.add(user)
    with pytest.raises((StatementError, DBAPIError)):
        session.flush()
    session.rollback()
    user.age = 4
    session.add(user)
    session.commit()
    assert session.scalar(select(User.age).where(User.name == "x")) == 4


def test_a_detached_object_refuses_to_load(session: Session) -> None:
    user = session.get(User, 1)
    session.expunge(user)
    with pytest.raises(DetachedInstanceError, match=r"(?s)(?=.*User)(?=.*items)") as caught:
        user.items  # noqa: B018
    assert caught.value.code == "bhk3"


# -- transactions ---------------------------------------------------------------------------------


def test_a_failing_statement_inside_a_transaction(session: Session) -> None:
    with pytest.raises(DBAPIError):
        session.execute(text("SELECT * FROM nowhere"))
    session.rollback()
    with pytest.raises(ArgumentError):
        session.execute("SELECT 1")
    with pytest.raises(ArgumentError):
        session.execute(None)


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_connection_lost_in_mid_flush(session: Session, engine: Engine) -> None:
    user = session.get(User, 1)
    user.age = 1
    session.flush()
    process = session.scalar(text("SELECT pg_backend_pid()"))
    with engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
    user.age = 2
    new = User(name="new")
    session.add(new)
    with pytest.raises(DBAPIError) as caught:
        session.flush()
    assert caught.value.connection_invalidated
    session.rollback()
    assert user.age is None
    assert inspect(new).transient
    user.age = 3
    session.add(new)
    session.commit()
    assert session.scalars(select(User.age).order_by(User.id)).all() == [3, None]


def test_a_streamed_result_does_not_outlive_its_session(session: Session) -> None:
    session.add_all([User(name=f"n{number}") for number in range(20)])
    session.flush()
    result = session.scalars(select(User).execution_options(yield_per=5))
    next(result)
    session.close()
    with pytest.raises((ResourceClosedError, InvalidRequestError, DBAPIError)):
        result.all()
    assert not list(session)
