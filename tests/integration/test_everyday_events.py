"""Listeners: what they are told, in which order, and what they may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, event, inspect, select
from sqlalchemy.exc import SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Query,
    Session,
    configure_mappers,
    mapped_column,
    registry,
    relationship,
    sessionmaker,
    with_loader_criteria,
)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
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
        yield session


@contextmanager
def listening(*listeners: tuple[Any, str, Any], **options: Any) -> Iterator[None]:
    """Have the listeners for as long as the block lasts."""
    for target, name, function in listeners:
        event.listen(target, name, function, **options)
    try:
        yield
    finally:
        for target, name, function in listeners:
            event.remove(target, name, function)


class Diary:
    """Makes listeners that write down their names."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def on(self, target: Any, *names: str) -> list[tuple[Any, str, Any]]:
        return [(target, name, self.writer(name)) for name in names]

    def writer(self, name: str) -> Any:
        def write(*arguments: Any, **keywords: Any) -> None:
            self.entries.append(name)

        return write


# -- of the Session -------------------------------------------------------------------------------


def test_a_commit_tells_its_steps_in_order(session: Session) -> None:
    diary = Diary()
    names = (
        "after_transaction_create",
        "after_begin",
        "before_attach",
        "after_attach",
        "before_commit",
        "before_flush",
        "after_flush",
        "after_flush_postexec",
        "transient_to_pending",
        "pending_to_persistent",
        "after_commit",
        "after_transaction_end",
    )
    with listening(*diary.on(session, *names)):
        session.add(User(name="ed"))
        session.commit()
    entries = diary.entries
    assert set(names) <= set(entries)
    order = ["before_attach", "before_commit", "before_flush", "after_begin", "after_flush", "after_flush_postexec"]
    places = [entries.index(name) for name in [*order, "after_commit"]]
    assert places == sorted(places)
    assert entries[-1] == "after_transaction_end"


def test_a_rollback_tells_once_for_the_database_and_for_each_part(savepoint_engine: Engine) -> None:
    Base.metadata.create_all(savepoint_engine)
    diary = Diary()
    with Session(savepoint_engine) as session, listening(*diary.on(session, "after_rollback", "after_soft_rollback")):
        session.add(User())
        session.flush()
        session.begin_nested()
        session.rollback()
    assert diary.entries.count("after_rollback") == 2
    assert diary.entries.count("after_soft_rollback") == 2


def test_state_changes_are_told_with_the_object(session: Session) -> None:
    seen: list[tuple[str, Any]] = []
    names = [
        "transient_to_pending",
        "pending_to_transient",
        "pending_to_persistent",
        "persistent_to_transient",
        "loaded_as_persistent",
        "persistent_to_deleted",
        "deleted_to_persistent",
        "deleted_to_detached",
        "persistent_to_detached",
        "detached_to_persistent",
    ]

    def listener(name: str) -> Any:
        return lambda its_session, instance: seen.append((name, instance))

    def told() -> list[str]:
        names = [name for name, instance in seen if instance is user]
        seen.clear()
        return names

    with listening(*[(session, name, listener(name)) for name in names]):
        user = User()
        session.add(user)
        session.expunge(user)
        assert told() == ["transient_to_pending", "pending_to_transient"]
        session.add(user)
        session.flush()
        session.rollback()
        assert told() == ["transient_to_pending", "pending_to_persistent", "persistent_to_transient"]
        session.add(user)
        session.commit()
        session.expunge(user)
        session.add(user)
        assert told() == [
            "transient_to_pending",
            "pending_to_persistent",
            "persistent_to_detached",
            "detached_to_persistent",
        ]
        session.delete(user)
        session.flush()
        session.rollback()
        assert told() == ["persistent_to_deleted", "deleted_to_persistent"]
        session.delete(user)
        session.commit()
        assert told() == ["persistent_to_deleted", "deleted_to_detached"]
        session.add(User())
        session.commit()
        session.close()
        user = session.scalars(select(User)).one()
        assert told() == ["loaded_as_persistent"]


def test_before_flush_may_change_what_is_flushed(session: Session) -> None:
    instead: list[User] = []

    def complete(its_session: Session, context: Any, instances: Any) -> None:
        for instance in its_session.new:
            if isinstance(instance, User):
                instance.items.append(Item(name=f"of {instance.name}"))
        for instance in its_session.dirty:
            instance.name = "changed"
        if its_session.deleted and not instead:
            instead.append(User(name="instead"))
            its_session.add_all(instead)

    user = User(name="ed")
    session.add(user)
    with listening((session, "before_flush", complete)):
        session.flush()
        assert session.scalars(select(Item.name)).all() == ["of ed"]
        user.name = "x"
        session.flush()
        assert user.name == "changed"
        session.delete(user)
        session.commit()
    assert session.scalars(select(User.name)).all() == ["instead"]


def test_after_flush_still_sees_the_sets_and_what_it_changes_is_flushed_by_commit(session: Session) -> None:
    seen: list[Any] = []

    def after(its_session: Session, context: Any) -> None:
        seen.append(len(its_session.new))
        if len(seen) == 1:
            its_session.add(Item(name="later"))

    with listening((session, "after_flush", after)):
        session.add(User())
        session.commit()
    assert seen[0] == 1
    assert session.scalars(select(Item.name)).all() == ["later"]


def test_events_on_makers_and_all_sessions(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    maker = sessionmaker(engine)
    diary = Diary()
    with listening(*diary.on(maker, "after_commit"), *diary.on(Session, "before_commit")):
        with maker.begin() as session:
            session.add(User())
        with Session(engine) as session:
            session.add(User())
            session.commit()
    assert diary.entries == ["before_commit", "after_commit", "before_commit"]


def test_do_orm_execute_may_filter_replace_and_watch(session: Session) -> None:
    session.add_all([User(name="ed", items=[Item(name="a"), Item(name="b")]), User(name="jack")])
    session.commit()

    def only_ed(state: ORMExecuteState) -> None:
        if state.is_select and not state.is_column_load and not state.is_relationship_load:
            state.statement = state.statement.options(with_loader_criteria(User, User.name == "ed"))

    with listening((session, "do_orm_execute", only_ed)):
        assert session.scalars(select(User.name)).all() == ["ed"]
        assert session.query(User).count() == 1

    seen: list[tuple[bool, bool]] = []

    def watch(state: ORMExecuteState) -> Any:
        seen.append((state.is_relationship_load, state.is_column_load))
        return state.invoke_statement()

    session.expire_all()
    with listening((session, "do_orm_execute", watch)):
        user = session.scalars(select(User).where(User.name == "ed")).one()
        assert len(user.items) == 2
        session.expire(user)
        assert user.name == "ed"
    assert seen == [(False, False), (True, False), (False, True)]


def test_bulk_changes_are_told(session: Session) -> None:
    counts: list[int] = []
    session.add_all([User(name="a"), User(name="b")])
    session.flush()
    with listening(
        (session, "after_bulk_update", lambda context: counts.append(context.result.rowcount)),
        (session, "after_bulk_delete", lambda context: counts.append(-context.result.rowcount)),
    ):
        session.query(User).update({"name": "x"})
        session.query(User).filter(User.id == 1).delete()
    assert counts == [2, -1]


def test_a_query_may_be_changed_before_it_is_compiled(session: Session) -> None:
    session.add_all([User(name="a"), User(name="b")])
    session.commit()

    def narrow(query: Query[Any]) -> Query[Any]:
        return query.filter(User.name == "a")

    event.listen(Query, "before_compile", narrow, retval=True)
    try:
        assert [user.name for user in session.query(User)] == ["a"]
    finally:
        event.remove(Query, "before_compile", narrow)
    assert session.query(User).count() == 2


# -- of instances ---------------------------------------------------------------------------------


def test_instances_tell_of_init_load_refresh_and_expire(session: Session) -> None:
    diary = Diary()
    with listening(*diary.on(User, "init", "load", "refresh", "expire", "refresh_flush")):
        user = User(name="ed")
        assert diary.entries == ["init"]
        session.add(user)
        session.commit()
        assert diary.entries == ["init", "refresh_flush", "expire"] or diary.entries == ["init", "expire"]
        diary.entries.clear()
        assert user.name == "ed"
        assert diary.entries == ["refresh"]
        session.expunge_all()
        diary.entries.clear()
        session.scalars(select(User)).one()
        assert diary.entries == ["load"]


def test_init_may_change_the_arguments() -> None:
    def fill_in(target: User, arguments: Any, keywords: dict[str, Any]) -> None:
        keywords.setdefault("name", "filled in")

    with listening((User, "init", fill_in)):
        assert User().name == "filled in"
        assert User(name="x").name == "x"
    assert User().name is None


def test_events_of_a_mixin_or_base_reach_its_classes_if_they_propagate(session: Session) -> None:
    class Own(DeclarativeBase):
        pass

    seen: list[type] = []

    def listener(target: Any, arguments: Any, keywords: Any) -> None:
        seen.append(type(target))

    event.listen(Own, "init", listener, propagate=True)

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

    Thing()
    assert seen == [Thing]


# -- of mappers -----------------------------------------------------------------------------------


def test_mapper_events_may_set_columns_of_the_row(session: Session) -> None:
    def stamp(mapper: Any, connection: Any, target: User) -> None:
        assert mapper is inspect(User)
        assert connection.in_transaction()
        target.name = f"{target.name}!"

    with listening((User, "before_insert", stamp), (User, "before_update", stamp)):
        user = User(name="ed")
        session.add(user)
        session.commit()
        assert user.name == "ed!"
        user.name = "x"
        session.commit()
        assert user.name == "x!"


def test_mapper_events_come_before_and_after_the_statements(session: Session) -> None:
    diary = Diary()
    names = [f"{when}_{what}" for what in ("insert", "update", "delete") for when in ("before", "after")]
    with listening(*diary.on(User, *names)):
        user = User(name="ed")
        session.add(user)
        session.commit()
        user.name = "x"
        session.commit()
        session.delete(user)
        session.commit()
    assert diary.entries == names


def test_statements_of_ones_own_in_mapper_events(session: Session) -> None:
    def log(mapper: Any, connection: Any, target: User) -> None:
        connection.execute(Item.__table__.insert().values(name=f"log of {target.id}", user_id=target.id))

    with listening((User, "after_insert", log)):
        session.add(User())
        session.commit()
    assert session.scalars(select(Item.name)).all() == ["log of 1"]


def test_a_change_to_the_session_inside_a_flush_warns(session: Session) -> None:
    def wrong(mapper: Any, connection: Any, target: User) -> None:
        session.add(Item())

    with listening((User, "after_insert", wrong)):
        session.add(User())
        with pytest.warns(SAWarning, match="add"):
            session.flush()


def test_mappers_tell_when_they_are_configured() -> None:
    mapping = registry()
    seen: list[str] = []

    class Thing:
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)

    def listener(mapper: Any, kind: type) -> None:
        seen.append(kind.__name__)

    mapping.mapped(Thing)
    event.listen(Thing, "mapper_configured", listener)
    mapping.configure()
    configure_mappers()
    assert seen == ["Thing"]


# -- of attributes --------------------------------------------------------------------------------


def test_attribute_events_may_be_put_on_the_property_that_a_mapper_gives() -> None:
    class Base(DeclarativeBase):
        pass

    @event.listens_for(Base, "mapper_configured", propagate=True)
    def watch(mapper: Any, cls: Any) -> None:
        for prop in mapper.column_attrs:
            if prop.columns[0].default is not None:
                event.listen(prop, "init_scalar", partial(give, prop), retval=True, propagate=True)

    def give(prop: Any, target: Any, value: Any, dict_: Any) -> Any:
        dict_[prop.key] = prop.columns[0].default.arg
        return dict_[prop.key]

    class Wheel(Base):
        __tablename__ = "wheel_of_default"
        id: Mapped[int] = mapped_column(primary_key=True)
        radius: Mapped[int] = mapped_column(default=30)

    wheel = Wheel()
    assert wheel.radius == 30
    assert wheel.__dict__["radius"] == 30
    assert wheel.id is None


def test_set_may_replace_the_value_and_knows_the_old_one() -> None:
    seen: list[Any] = []

    def upper(target: User, value: str | None, old: Any, initiator: Any) -> str | None:
        seen.append((value, old, initiator.key))
        return value and value.upper()

    user = User(name="first")
    event.listen(User.name, "set", upper, retval=True)
    try:
        user.name = "x"
        assert user.name == "X"
        assert seen == [("x", "first", "name")]
    finally:
        event.remove(User.name, "set", upper)


def test_collections_tell_of_members() -> None:
    seen: list[tuple[str, Any]] = []

    def listener(name: str) -> Any:
        return lambda target, value, *rest, **more: seen.append((name, value))

    user, one, two, three = User(), Item(), Item(), Item()
    with listening(*[(User.items, name, listener(name)) for name in ("append", "remove", "bulk_replace")]):
        user.items.append(one)
        user.items = [two]
        user.items.remove(two)
        three.user = user
    assert list(dict.fromkeys((name, value) for name, value in seen if name != "bulk_replace")) == [
        ("append", one),
        ("append", two),
        ("remove", one),
        ("remove", two),
        ("append", three),
    ]
    assert [list(value) for name, value in seen if name == "bulk_replace"] == [[two]]


def test_append_may_replace_the_member() -> None:
    def replace(target: User, value: Item, initiator: Any) -> Item:
        return Item(name="replaced")

    event.listen(User.items, "append", replace, retval=True)
    try:
        user = User()
        user.items.append(Item(name="given"))
    finally:
        event.remove(User.items, "append", replace)
    assert [item.name for item in user.items] == ["replaced"]


def test_init_scalar_gives_a_first_value() -> None:
    def first(target: User, value: Any, dictionary: dict[str, Any]) -> str:
        dictionary["name"] = "first"
        return "first"

    event.listen(User.name, "init_scalar", first, retval=True)
    try:
        assert User().name == "first"
    finally:
        event.remove(User.name, "init_scalar", first)


def test_a_removed_listener_is_silent() -> None:
    diary = Diary()
    (listener,) = diary.on(User, "init")
    event.listen(*listener)
    assert event.contains(*listener)
    event.remove(*listener)
    assert not event.contains(*listener)
    User()
    assert diary.entries == []
