"""Relationships that are loaded with their parents."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import (
    Load,
    Session,
    aliased,
    contains_eager,
    defaultload,
    defer,
    joinedload,
    load_only,
    selectinload,
    subqueryload,
    undefer,
    with_loader_criteria,
)

from .loading_models import Address, Node, Pair, Part, Tag, User, counted, fill


@pytest.fixture
def session(engine: Engine) -> Any:
    fill(engine)
    with Session(engine) as session:
        yield session


def sizes(users: Any, key: str) -> list[int]:
    return [len(getattr(user, key)) for user in sorted(users, key=lambda user: user.id)]


@pytest.mark.parametrize("load", [selectinload, joinedload, subqueryload])
def test_collections(session: Session, load: Any) -> None:
    with counted(session) as statements:
        users = session.scalars(select(User).options(load(User.addresses), load(User.tags))).unique().all()
        count = len(statements)
        assert sizes(users, "addresses") == [2, 1, 0]
        assert sizes(users, "tags") == [2, 1, 0]
    assert len(statements) == count == (1 if load is joinedload else 3)
    first = min(users, key=lambda user: user.id)
    assert [address.id for address in first.addresses] == [1, 2]


@pytest.mark.parametrize("load", [selectinload, joinedload])
def test_references(session: Session, load: Any) -> None:
    with counted(session) as statements:
        addresses = session.scalars(select(Address).order_by(Address.id).options(load(Address.user))).all()
        assert [address.user and address.user.id for address in addresses] == [1, 1, 2, None]
    assert len(statements) == (1 if load is joinedload else 2)


@pytest.mark.parametrize("load", [selectinload, joinedload])
def test_one_to_one(session: Session, load: Any) -> None:
    users = session.scalars(select(User).order_by(User.id).options(load(User.profile))).all()
    with counted(session) as statements:
        assert [user.profile and user.profile.text for user in users] == ["p1", None, None]
    assert statements == []


@pytest.mark.parametrize("first", [selectinload, joinedload])
@pytest.mark.parametrize("second", ["selectinload", "joinedload"])
def test_chains(session: Session, first: Any, second: str) -> None:
    option = getattr(first(Tag.users), second)(User.addresses)
    tags = session.scalars(select(Tag).order_by(Tag.id).options(option)).unique().all()
    with counted(session) as statements:
        found = [sorted(address.id for user in tag.users for address in user.addresses) for tag in tags]
    assert found == [[1, 2], [1, 2, 3]]
    assert statements == []


def test_a_joined_collection_needs_unique(session: Session) -> None:
    with pytest.raises(InvalidRequestError, match="unique"):
        session.scalars(select(User).options(joinedload(User.addresses))).all()


def test_a_joined_collection_does_not_count_in_the_limit(session: Session) -> None:
    users = session.scalars(select(User).order_by(User.id).limit(2).options(joinedload(User.addresses))).unique().all()
    assert sizes(users, "addresses") == [2, 1]


def test_inner_join(session: Session) -> None:
    with counted(session) as statements:
        addresses = session.scalars(select(Address).options(joinedload(Address.user, innerjoin=True))).all()
    assert len(addresses) == 3
    assert "LEFT" not in statements[0]


@pytest.mark.parametrize("load", [selectinload, joinedload])
def test_composite_keys(session: Session, load: Any) -> None:
    pairs = session.scalars(select(Pair).order_by(Pair.b).options(load(Pair.parts))).unique().all()
    parts = session.scalars(select(Part).order_by(Part.id).options(load(Part.pair))).all()
    with counted(session) as statements:
        assert [[part.id for part in pair.parts] for pair in pairs] == [[1], [2, 3]]
        assert [part.pair and part.pair.label for part in parts] == ["11", "12", "12", None]
    assert statements == []


@pytest.mark.parametrize("load", [selectinload, joinedload])
def test_self_reference_by_levels(session: Session, load: Any) -> None:
    option = getattr(load(Node.children), load.__name__)(Node.children)
    root = session.scalars(select(Node).where(Node.id == 1).options(option)).unique().one()
    with counted(session) as statements:
        assert [child.id for child in root.children] == [2, 3]
        assert [child.id for child in root.children[0].children] == [4]
        assert statements == []
        assert [child.id for child in root.children[0].children[0].children] == [5]
    assert len(statements) == 1


def test_self_reference_to_the_end(session: Session) -> None:
    root = session.scalars(
        select(Node).where(Node.id == 1).options(selectinload(Node.children, recursion_depth=-1))
    ).one()
    with counted(session) as statements:
        leaf = root.children[0].children[0].children[0]
        assert leaf.id == 5
        assert leaf.children == []
    assert statements == []


def test_many_parents_go_in_batches(session: Session) -> None:
    session.connection().execute(User.__table__.insert(), [{"id": 1000 + n, "name": f"u{n}"} for n in range(1200)])
    session.connection().execute(
        Address.__table__.insert(),
        [{"id": 5000 + n, "email": "x", "user_id": 1000 + n} for n in range(1200)],
    )
    with counted(session) as statements:
        users = session.scalars(select(User).where(User.id >= 1000).options(selectinload(User.addresses))).all()
    assert len(statements) == 4
    assert all(len(user.addresses) == 1 for user in users)


def test_a_loaded_collection_stays(session: Session) -> None:
    user = session.get(User, 1)
    collection = user.addresses
    collection.append(Address(email="mine"))
    with session.no_autoflush:
        session.scalars(select(User).options(selectinload(User.addresses))).all()
        session.scalars(select(User).options(joinedload(User.addresses))).unique().all()
    assert user.addresses is collection
    assert len(collection) == 3


def test_changes_queued_before_the_load_are_kept(session: Session) -> None:
    user = session.get(User, 1)
    mine = Address(email="mine")
    with session.no_autoflush:
        mine.user = user
        session.scalars(select(User).options(selectinload(User.addresses))).all()
        assert mine in user.addresses
        assert len(user.addresses) == 3


@pytest.mark.parametrize("load", [selectinload, joinedload])
def test_conditions(session: Session, load: Any) -> None:
    for email in ("a1", "a2"):
        session.expunge_all()
        option = load(User.addresses.and_(Address.email == email))
        users = session.scalars(select(User).order_by(User.id).options(option)).unique().all()
        assert [[address.email for address in user.addresses] for user in users] == [[email], [], []]


def test_contains_eager(session: Session) -> None:
    statement = (
        select(User)
        .join(User.addresses)
        .where(Address.email != "a1")
        .options(contains_eager(User.addresses))
        .order_by(User.id)
    )
    users = session.scalars(statement).unique().all()
    with counted(session) as statements:
        assert [[address.email for address in user.addresses] for user in users] == [["a2"], ["a3"]]
    assert statements == []


def test_contains_eager_of_an_alias(session: Session) -> None:
    other = aliased(Address)
    statement = select(User).join(User.addresses.of_type(other)).order_by(User.id, other.id)
    for option in (contains_eager(User.addresses.of_type(other)), contains_eager(User.addresses, alias=other)):
        session.expunge_all()
        users = session.scalars(statement.options(option)).unique().all()
        assert [len(user.addresses) for user in users] == [2, 1]


def test_load_only(session: Session) -> None:
    address = session.scalars(select(Address).where(Address.id == 1).options(load_only(Address.email))).one()
    assert set(address.__dict__) >= {"id", "email"}
    assert "user_id" not in address.__dict__
    with counted(session) as statements:
        assert address.user_id == 1
    assert len(statements) == 1


def test_load_only_behind_a_relationship(session: Session) -> None:
    user = session.scalars(
        select(User).where(User.id == 1).options(selectinload(User.addresses).load_only(Address.email))
    ).one()
    assert all("email" in address.__dict__ for address in user.addresses)


def test_defer_and_undefer(session: Session) -> None:
    user = session.scalars(select(User).where(User.id == 1).options(defer(User.name), undefer(User.bio))).one()
    assert "name" not in user.__dict__
    assert user.__dict__["bio"] == "bio1"
    assert user.name == "user1"


def test_defer_with_raiseload(session: Session) -> None:
    user = session.scalars(select(User).where(User.id == 1).options(defer(User.name, raiseload=True))).one()
    with pytest.raises(InvalidRequestError, match="name"):
        user.name  # noqa: B018


def test_deferred_columns_are_loaded_on_reading(session: Session) -> None:
    user = session.get(User, 2)
    assert "bio" not in user.__dict__
    with counted(session) as statements:
        assert user.bio == "bio2"
        assert user.bio == "bio2"
    assert len(statements) == 1


def test_defaultload_goes_on(session: Session) -> None:
    user = session.scalars(
        select(User).where(User.id == 1).options(defaultload(User.addresses).joinedload(Address.user))
    ).one()
    assert "addresses" not in user.__dict__
    assert user.addresses[0].user is user


def test_criteria_for_every_select(session: Session) -> None:
    option = with_loader_criteria(Address, Address.email != "a1")
    assert session.scalars(select(Address.id).order_by(Address.id).options(option)).all() == [2, 3, 4]
    for load in (selectinload, joinedload):
        session.expunge_all()
        users = session.scalars(select(User).options(load(User.addresses), option)).unique().all()
        assert sizes(users, "addresses") == [1, 1, 0]
    session.expunge_all()
    user = session.scalars(select(User).where(User.id == 1).options(option)).one()
    assert [address.id for address in user.addresses] == [2]


def test_errors_name_both_sides(session: Session) -> None:
    with pytest.raises(ArgumentError, match=r"Node\.children.*Address|Address.*Node\.children"):
        joinedload(User.addresses).joinedload(Node.children)
    with pytest.raises(ArgumentError, match=r"Node.*User|User.*Node"):
        session.scalars(select(User).options(joinedload(Node.children)))
    with pytest.raises(ArgumentError, match=r"User\.name"):
        joinedload(User.name)
    with pytest.raises(ArgumentError, match=r"User\.addresses"):
        defer(User.addresses)
    with pytest.raises(ArgumentError, match="string"):
        joinedload("addresses")
    with pytest.raises(ArgumentError):
        Load(User).selectinload(Address.user)


@pytest.mark.parametrize("size", [1, 2, 3, None])
def test_selectin_loads_as_many_at_once_as_is_asked_for(session: Session, size: int | None) -> None:
    for attribute, target in ((User.addresses, User), (User.tags, User), (Address.user, Address)):
        statement = select(target).options(selectinload(attribute, chunksize=size))
        with counted(session) as statements:
            found = session.scalars(statement).all()
            keys = {each.id for each in found} if target is User else {each.user_id for each in found} - {None}
            assert len(statements) == 1 + (1 if size is None else -(-len(keys) // size))
        assert all(attribute.key in vars(each) for each in found)
        session.expunge_all()


def test_selectin_needs_a_chunk_of_something() -> None:
    with pytest.raises(ArgumentError, match="chunksize"):
        selectinload(User.addresses, chunksize=0)
