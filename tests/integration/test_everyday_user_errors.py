"""Errors in the user's own code, at the worst moments: they come out as they are, and the Session works on."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, Integer, TypeDecorator, event, func, inspect, select
from sqlalchemy.exc import InvalidRequestError, StatementError

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)


class UserError(Exception):
    """What the user's code raises."""


class Base(DeclarativeBase):
    pass


class Moody(TypeDecorator[int]):
    """An integer that does not like 13 on the way in, nor 14 on the way out."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        if value == 13:
            raise UserError("bind of 13")
        return value

    def process_result_value(self, value: int | None, dialect: Any) -> int | None:
        if value == 14:
            raise UserError("result of 14")
        return value


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    moody: Mapped[int | None] = mapped_column(Moody)
    items: Mapped[list[Item]] = relationship(back_populates="user", cascade="all, delete-orphan")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User | None] = relationship(back_populates="items")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(id=100, name="ed", items=[Item(name="a")]))
        session.commit()
        yield session
        # Whatever happened: after a rollback all is as it was, and the next piece of work succeeds.
        session.rollback()
        assert session.get(User, 100).name == "ed"
        late = User(name="late")
        session.add(late)
        session.commit()
        assert session.scalar(select(func.count()).select_from(User).where(User.name == "late")) == 1


def raising(*arguments: Any, **keywords: Any) -> None:
    raise UserError("in a listener")


@contextmanager
def listening(target: Any, name: str, function: Any, **options: Any) -> Iterator[None]:
    event.listen(target, name, function, **options)
    try:
        yield
    finally:
        event.remove(target, name, function)


# -- listeners ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["before_flush", "after_flush", "after_flush_postexec", "before_commit", "after_begin", "pending_to_persistent"],
)
def test_a_session_listener_that_fails_during_a_commit(session: Session, name: str) -> None:
    session.commit()
    new = User(name="new")
    session.add(new)
    with listening(session, name, raising), pytest.raises(UserError):
        session.commit()
    session.rollback()
    assert session.scalars(select(User.name)).all() == ["ed"]
    session.expunge_all()
    assert inspect(new).transient or inspect(new).detached


def test_a_listener_that_fails_after_the_commit_loses_nothing(session: Session) -> None:
    session.add(User(name="new"))
    with listening(session, "after_commit", raising), pytest.raises(UserError):
        session.commit()
    session.rollback()
    assert session.scalars(select(User.name).order_by(User.name)).all() == ["ed", "new"]


@pytest.mark.parametrize("name", ["before_attach", "after_attach", "transient_to_pending"])
def test_a_listener_that_fails_during_add(session: Session, name: str) -> None:
    new = User(name="new")
    with listening(session, name, raising), pytest.raises(UserError):
        session.add(new)
    session.rollback()
    if new not in session:
        session.add(new)
    session.commit()
    assert session.scalars(select(User.name).order_by(User.name)).all() == ["ed", "new"]


@pytest.mark.parametrize("name", ["persistent_to_transient", "deleted_to_persistent", "after_rollback"])
def test_a_listener_that_fails_during_a_rollback_does_not_stop_it(session: Session, name: str) -> None:
    user, news = session.get(User, 100), [User(name="a"), User(name="b")]
    item = user.items[0]
    session.add_all(news)
    session.delete(item)
    user.name = "changed"
    session.flush()
    with listening(session, name, raising), pytest.raises(UserError):
        session.rollback()
    session.rollback()
    assert all(inspect(new).transient for new in news)
    assert inspect(item).persistent
    assert user.name == "ed"
    assert user.items == [item]


@pytest.mark.parametrize("name", ["persistent_to_detached", "pending_to_transient"])
def test_a_listener_that_fails_during_close_does_not_stop_it(session: Session, engine: Engine, name: str) -> None:
    user, new = session.get(User, 100), User(name="new")
    session.add(new)
    with listening(session, name, raising), pytest.raises(UserError):
        session.close()
    session.close()
    assert inspect(user).detached
    assert inspect(new).transient
    assert engine.pool.checkedout() == 0


@pytest.mark.parametrize("name", ["before_insert", "after_insert", "before_update", "after_update"])
def test_a_mapper_listener_that_fails(session: Session, name: str) -> None:
    user = session.get(User, 100)
    user.name = "changed"
    news = [User(name=f"n{number}") for number in range(3)]
    session.add_all(news)
    with listening(User, name, raising), pytest.raises(UserError):
        session.flush()
    session.rollback()
    assert user.name == "ed"
    assert all(inspect(new).transient for new in news)
    user.name = "changed"
    session.add_all(news)
    session.flush()
    assert session.scalar(select(func.count(User.id))) == 4


@pytest.mark.parametrize("name", ["before_delete", "after_delete"])
def test_a_listener_that_fails_during_a_delete(session: Session, name: str) -> None:
    user = session.get(User, 100)
    session.delete(user)
    with listening(User, name, raising), pytest.raises(UserError):
        session.flush()
    session.rollback()
    assert inspect(user).persistent
    assert len(user.items) == 1


@pytest.mark.parametrize("name", ["load", "refresh"])
def test_an_instance_listener_that_fails_during_a_load(session: Session, name: str) -> None:
    known = [User(name="x"), User(name="y"), session.get(User, 100)]
    session.add_all(known)
    session.commit()
    if name == "load":
        session.expunge_all()
    with listening(User, name, raising), pytest.raises(UserError):
        session.scalars(select(User).options(selectinload(User.items)).order_by(User.id)).all()
    users = session.scalars(select(User).order_by(User.name)).all()
    assert [user.name for user in users] == ["ed", "x", "y"]
    assert [user in known for user in users] == [name == "refresh"] * 3


def test_init_that_fails_leaves_nothing(session: Session) -> None:
    failures: list[Any] = []

    class Own(DeclarativeBase):
        pass

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

        def __init__(self) -> None:
            self.id = 5
            raise UserError("in the constructor")

    event.listen(Thing, "init_failure", lambda target, arguments, keywords: failures.append(target))
    with pytest.raises(UserError):
        Thing()
    assert len(failures) == 1
    with listening(User, "init", raising), pytest.raises(UserError):
        User()


@pytest.mark.parametrize("name", ["set"])
def test_an_attribute_listener_that_fails_leaves_the_value(session: Session, name: str) -> None:
    user = session.get(User, 100)
    with listening(User.name, name, raising):
        with pytest.raises(UserError):
            user.name = "changed"
        assert user.name == "ed"
    assert user not in session.dirty


@pytest.mark.parametrize("name", ["append", "remove"])
def test_a_collection_listener_that_fails_leaves_the_collection(session: Session, name: str) -> None:
    user = session.get(User, 100)
    item = user.items[0]
    with listening(User.items, name, raising), pytest.raises(UserError):
        user.items.append(Item()) if name == "append" else user.items.remove(item)
    assert user.items == [item]
    session.rollback()
    assert session.scalar(select(func.count(Item.id))) == 1


def test_do_orm_execute_that_fails(session: Session) -> None:
    user = session.get(User, 100)
    with listening(session, "do_orm_execute", raising):
        with pytest.raises(UserError):
            session.scalars(select(User))
        with pytest.raises(UserError):
            user.items  # noqa: B018
        session.expire(user)
        with pytest.raises(UserError):
            user.name  # noqa: B018
    assert user.name == "ed"
    assert len(user.items) == 1


def test_an_exception_that_is_no_exception_class_of_python_comes_through(session: Session) -> None:
    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    session.add(User(name="new"))
    with listening(User, "after_insert", stop), pytest.raises(KeyboardInterrupt):
        session.flush()
    session.rollback()
    assert session.scalars(select(User.name)).all() == ["ed"]


# -- types ----------------------------------------------------------------------------------------


def test_a_type_that_fails_on_the_way_in(session: Session) -> None:
    user = session.get(User, 100)
    bad, good = User(name="bad", moody=13), User(name="good", moody=1)
    session.add_all([good, bad])
    with pytest.raises(StatementError, match="bind of 13") as caught:
        session.flush()
    assert isinstance(caught.value.orig, UserError)
    session.rollback()
    user.moody = 13
    with pytest.raises(StatementError, match="bind of 13"):
        session.commit()
    session.rollback()
    assert user.moody is None
    with pytest.raises(StatementError, match="bind of 13"):
        session.scalars(select(User).where(User.moody == 13)).all()
    assert session.get(User, 100) is user


def test_a_type_that_fails_on_the_way_out(session: Session) -> None:
    session.add_all([User(id=50, name="x", moody=14), User(id=60, name="y", moody=15)])
    session.commit()
    with pytest.raises(UserError, match="result of 14"):
        session.scalars(select(User).order_by(User.id)).all()
    with pytest.raises(UserError, match="result of 14"):
        session.get(User, 50)
    assert session.scalars(select(User.name).order_by(User.id)).all() == ["x", "y", "ed"]
    users = session.scalars(select(User).where(User.id > 50).order_by(User.id)).all()
    assert [(user.name, user.moody) for user in users] == [("y", 15), ("ed", None)]


def test_a_type_that_fails_while_related_objects_load(session: Session) -> None:
    session.add(User(id=50, moody=14, items=[Item(name="b")]))
    session.commit()
    for option in (joinedload(Item.user), selectinload(Item.user)):
        session.expunge_all()
        with pytest.raises(UserError, match="result of 14"):
            session.scalars(select(Item).options(option)).all()
    item = session.scalars(select(Item).where(Item.name == "b")).one()
    with pytest.raises(UserError, match="result of 14"):
        item.user  # noqa: B018
    assert session.scalars(select(Item).where(Item.name == "a")).one().user.name == "ed"


# -- objects with opinions ------------------------------------------------------------------------


class Opinionated(Base):
    """Cannot be compared, hashed or printed."""

    __tablename__ = "opinionated"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("opinionated.id"))
    children: Mapped[list[Opinionated]] = relationship(cascade="all", order_by="Opinionated.id")

    def __eq__(self, other: object) -> bool:
        raise UserError("in __eq__")

    def __hash__(self) -> int:
        raise UserError("in __hash__")

    def __repr__(self) -> str:
        raise UserError("in __repr__")

    def __bool__(self) -> bool:
        raise UserError("in __bool__")


def test_objects_need_not_be_comparable_hashable_printable_or_true(session: Session) -> None:
    parent = Opinionated(name="p", children=[Opinionated(name="a"), Opinionated(name="b")])
    session.add(parent)
    session.commit()
    assert [child.name for child in parent.children] == ["a", "b"]
    session.refresh(parent)
    parent.name = "q"
    session.merge(Opinionated(id=parent.id, name="r"))
    session.flush()
    session.expunge_all()
    option = selectinload(Opinionated.children)
    loaded = session.scalars(select(Opinionated).where(Opinionated.parent_id.is_(None)).options(option)).one()
    assert loaded.name == "r"
    assert len(loaded.children) == 2
    session.delete(loaded)
    session.commit()
    assert session.scalar(select(func.count(Opinionated.id))) == 0


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that such a method may keep it from being collected

    class Mourned(Base):
        """Does things when it is collected."""

        __tablename__ = "mourned"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

        def __del__(self) -> None:
            graves.append(self.__dict__.get("name"))
            if hook:
                hook[0]()


graves: list[Any] = []
hook: list[Any] = []


def test_finalizers_may_use_the_session(session: Session) -> None:
    session.add_all([Mourned(name=f"m{number}") for number in range(20)])
    session.commit()
    session.expunge_all()
    gc.collect()
    graves.clear()
    hook.append(lambda: (session.get(User, 100), len(session.identity_map), list(session.identity_map.values())))
    try:
        for mourned in session.scalars(select(Mourned).order_by(Mourned.id).execution_options(yield_per=5)):
            assert mourned.name
            del mourned
        gc.collect()
        session.scalars(select(Mourned)).all()
        gc.collect()
        session.expire_all()
        session.commit()
    finally:
        hook.clear()
    assert len(graves) == 40
    assert [key[0] for key in session.identity_map if key[0] is Mourned] == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_finalizers_may_fail(session: Session) -> None:
    session.add_all([Mourned(name="m"), Mourned(name="n")])
    session.commit()
    hook.append(raising)
    try:
        session.expunge_all()
        gc.collect()
        assert session.scalar(select(func.count(Mourned.id))) == 2
        session.scalars(select(Mourned)).all()
        gc.collect()
        session.flush()
    finally:
        hook.clear()


# -- changes at the wrong time --------------------------------------------------------------------


def test_the_session_ended_inside_a_listener_of_its_flush(session: Session) -> None:
    for end in (session.rollback, session.close):

        def wrong(*arguments: Any, end: Any = end) -> None:
            end()

        session.add(User(name="new"))
        with listening(session, "after_flush", wrong), pytest.raises(InvalidRequestError):
            session.flush()
        session.rollback()
        session.expunge_all()
        assert session.scalars(select(User.name)).all() == ["ed"]


def test_a_key_that_changes_while_it_is_being_flushed(session: Session) -> None:
    def change(mapper: Any, connection: Any, target: User) -> None:
        target.id = 77

    new = User(name="new")
    session.add(new)
    with listening(User, "before_insert", change):
        session.flush()
    assert inspect(new).identity == (77,)
    assert session.get(User, 77) is new
