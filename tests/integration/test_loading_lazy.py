"""Relationships that are loaded when they are read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, Integer, event, select
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Session,
    column_property,
    immediateload,
    lazyload,
    mapped_column,
    noload,
    raiseload,
    relationship,
    selectinload,
)
from session.exc import DetachedInstanceError

from .loading_models import Address, Node, Pair, Part, Profile, Tag, User, counted, fill


@pytest.fixture
def session(engine: Engine) -> Any:
    fill(engine)
    with Session(engine) as session:
        yield session


def test_one_to_many(session: Session) -> None:
    user = session.get(User, 1)
    with counted(session) as statements:
        assert [address.id for address in user.addresses] == [1, 2]
        assert user.addresses is user.addresses
    assert len(statements) == 1


def test_many_to_one_from_the_identity_map_needs_no_sql(session: Session) -> None:
    user = session.get(User, 1)
    address = session.get(Address, 1)
    with counted(session) as statements:
        assert address.user is user
    assert statements == []


def test_many_to_one_by_sql(session: Session) -> None:
    address = session.get(Address, 3)
    with counted(session) as statements:
        assert address.user.name == "user2"
    assert len(statements) == 1


def test_many_to_one_without_a_key_is_none_without_sql(session: Session) -> None:
    address = session.get(Address, 4)
    with counted(session) as statements:
        assert address.user is None
    assert statements == []


def test_many_to_one_of_an_expired_object_loads_the_key_first(session: Session) -> None:
    address = session.get(Address, 3)
    session.expire(address)
    assert address.user.id == 2


def test_many_to_many(session: Session) -> None:
    assert [tag.name for tag in session.get(User, 1).tags] == ["red", "blue"]
    assert session.get(User, 3).tags == []
    assert {user.id for user in session.get(Tag, 2).users} == {1, 2}


def test_one_to_one(session: Session) -> None:
    assert session.get(User, 1).profile.text == "p1"
    assert session.get(User, 2).profile is None


def test_self_reference(session: Session) -> None:
    root = session.get(Node, 1)
    assert [child.id for child in root.children] == [2, 3]
    assert root.parent is None
    assert root.children[0].parent is root


def test_composite_keys(session: Session) -> None:
    assert [part.id for part in session.get(Pair, (1, 2)).parts] == [2, 3]
    assert session.get(Part, 1).pair.label == "11"
    with counted(session) as statements:
        part = session.get(Part, 4)
        assert part.pair is None
    assert len(statements) <= 2


def test_a_pending_object_has_empty_relationships(session: Session) -> None:
    user = User(name="new")
    session.add(user)
    with session.no_autoflush, counted(session) as statements:
        assert user.addresses == []
        assert user.profile is None
    assert statements == []


def test_a_detached_object_refuses(session: Session) -> None:
    user = session.get(User, 1)
    session.expunge(user)
    with pytest.raises(DetachedInstanceError, match=r"User.*|addresses") as caught:
        user.addresses  # noqa: B018
    assert caught.value.code == "bhk3"
    assert "addresses" in str(caught.value)


def test_a_lazy_load_flushes_first(session: Session) -> None:
    user = session.get(User, 3)
    session.add(Address(id=50, email="new", user_id=3))
    assert [address.email for address in user.addresses] == ["new"]


def test_raise(session: Session) -> None:
    user = session.scalars(select(User).where(User.id == 1).options(raiseload(User.addresses))).one()
    with pytest.raises(InvalidRequestError, match="addresses"):
        user.addresses  # noqa: B018
    assert len(user.tags) == 2


def test_raise_for_everything(session: Session) -> None:
    user = session.scalars(select(User).where(User.id == 1).options(selectinload(User.addresses), raiseload("*"))).one()
    assert len(user.addresses) == 2
    with pytest.raises(InvalidRequestError):
        user.tags  # noqa: B018
    with pytest.raises(InvalidRequestError):
        user.addresses[0].user.tags  # noqa: B018


def test_raise_on_sql_gives_what_is_in_the_session(session: Session) -> None:
    address, other = session.scalars(
        select(Address)
        .where(Address.id.in_([1, 3]))
        .order_by(Address.id)
        .options(raiseload(Address.user, sql_only=True))
    )
    user = session.get(User, 1)
    assert address.user is user
    with pytest.raises(InvalidRequestError):
        other.user  # noqa: B018


def test_noload(session: Session) -> None:
    with pytest.warns(DeprecationWarning, match="noload"):
        options = noload(User.addresses), noload(User.profile)
    user = session.scalars(select(User).where(User.id == 1).options(*options)).one()
    assert user.addresses == []
    assert user.profile is None


@pytest.mark.parametrize("lazy", ["noload", None])
def test_a_mapping_with_noload_warns_when_it_is_configured(lazy: Any) -> None:
    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "parent"
        id = mapped_column(Integer, primary_key=True)
        children = relationship("Child", lazy=lazy)

    class Child(Own):
        __tablename__ = "child"
        id = mapped_column(Integer, primary_key=True)
        parent_id = mapped_column(ForeignKey("parent.id"))

    with pytest.warns(DeprecationWarning, match=r"Parent\.children"):
        Own.registry.configure()


def test_immediate(session: Session) -> None:
    with counted(session) as statements:
        users = session.scalars(select(User).options(immediateload(User.addresses))).all()
        count = len(statements)
        assert [len(user.addresses) for user in sorted(users, key=lambda user: user.id)] == [2, 1, 0]
    assert count == 4
    assert len(statements) == 4


def test_options_go_on_to_lazy_loads(session: Session) -> None:
    user = session.scalars(
        select(User).where(User.id == 1).options(lazyload(User.addresses).raiseload(Address.user))
    ).one()
    address = user.addresses[0]
    session.expunge(user)
    with pytest.raises(InvalidRequestError):
        address.user  # noqa: B018


def test_lazyload_with_a_condition(session: Session) -> None:
    user = session.scalars(
        select(User).where(User.id == 1).options(lazyload(User.addresses.and_(Address.email == "a2")))
    ).one()
    assert [address.id for address in user.addresses] == [2]


def test_lazy_loads_are_seen_by_do_orm_execute(session: Session) -> None:
    seen: list[tuple[bool, bool]] = []
    user = session.get(User, 1)
    profile = session.get(Profile, 1)
    session.expire(profile)

    def note(state: Any) -> None:
        seen.append((state.is_relationship_load, state.is_column_load))

    event.listen(session, "do_orm_execute", note)
    assert len(user.addresses) == 2
    assert profile.text == "p1"
    assert seen == [(True, False), (False, True)]


def test_parameters_of_loads_meet_none_of_the_mapped_expressions(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owner"
        pk = mapped_column(Integer, primary_key=True)
        things = relationship("Thing", order_by="Thing.pk")

    class Thing(Base):
        __tablename__ = "thing"
        pk = mapped_column(Integer, primary_key=True)
        parent_id = mapped_column(Integer, ForeignKey("owner.pk"))
        owner = relationship(Owner, overlaps="things", lazy="select")
        one_more = column_property(pk + 1)  # the parameter of a column without a name is called param_1

    Thing.is_first = column_property(Thing.__table__.c.pk == 1)  # and this one pk_1
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Owner(pk=1, things=[Thing(pk=1), Thing(pk=2)]))
        session.commit()
        assert [(thing.one_more, bool(thing.is_first)) for thing in session.get_one(Owner, 1).things] == [
            (2, True),
            (3, False),
        ]
        session.expire_all()
        thing = session.get_one(Thing, 2)
        session.refresh(thing)
        session.expire(thing, ["is_first", "one_more"])
        assert (thing.one_more, thing.is_first) == (3, False)
        assert session.get_one(Thing, 1, populate_existing=True).is_first
