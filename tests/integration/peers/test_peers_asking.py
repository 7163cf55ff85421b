"""Where loading for peers can be asked for: mapping, Session, options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import ArgumentError

from session import (
    Load,
    Query,
    Session,
    defaultload,
    immediateload,
    joinedload,
    lazyload,
    peerload,
    scoped_session,
    selectinload,
    sessionmaker,
    with_loader_criteria,
)
from session.attributes import instance_state

from ..loading_models import Address, Animal, Machine, Tag, User, counted, fill, tagged
from .reading import address_ids, users_of


def ids(objects: Any) -> list[int]:
    return [each.id for each in objects]


def test_the_mapping_can_ask_for_it(family: Any) -> None:
    session, Parent, _Child = family
    parents = session.scalars(select(Parent).order_by(Parent.id)).all()
    with counted(session) as statements:
        found = [ids(parent.children) for parent in parents]
    assert found == [[8, 4, 12], [5, 1, 9], [2, 10, 6], [11, 7, 3], []]
    assert len(statements) == 1
    with counted(session) as statements:
        assert all(child.parent is parent for parent in parents for child in parent.children)
    assert statements == []


def test_a_condition_of_its_own(family: Any) -> None:
    session, Parent, _Child = family
    parents = session.scalars(select(Parent).order_by(Parent.id)).all()
    with counted(session) as statements:
        assert [ids(parent.good) for parent in parents] == [[8], [5], [2], [11], []]
    assert len(statements) == 1


def test_a_condition_that_is_no_equality(family: Any) -> None:
    session, Parent, _Child = family
    parents = session.scalars(select(Parent).order_by(Parent.id)).all()
    with counted(session) as statements:
        assert [ids(parent.older) for parent in parents] == [list(range(1, n)) for n in range(1, 6)]
    assert len(statements) == 1


def test_lazyload_says_otherwise(family: Any) -> None:
    session, Parent, _Child = family
    parents = session.scalars(select(Parent).options(lazyload(Parent.children))).all()
    with counted(session) as statements:
        for parent in parents:
            parent.children  # noqa: B018
    assert len(statements) == 5


def test_an_object_that_came_alone_loads_for_itself(family: Any) -> None:
    session, Parent, _Child = family
    parents = [session.get(Parent, n) for n in (1, 2)]
    with counted(session) as statements:
        assert [ids(parent.children) for parent in parents] == [[8, 4, 12], [5, 1, 9]]
    assert len(statements) == 2


def test_a_collection_makes_peers_of_its_objects(family: Any) -> None:
    session, Parent, Child = family
    session.get(Child, 1).parent.children[0].parent  # noqa: B018
    children = session.get(Parent, 1).children
    session.expire_all()
    session.expunge(session.get(Parent, 1))
    for child in children:
        session.expire(child, ["parent"])
    with counted(session) as statements:
        assert {child.parent.id for child in children} == {1}
    assert len(statements) == 2  # the row of the first child, and one SELECT for all


def test_the_session_can_ask_for_it(peers_session: Session) -> None:
    users = users_of(peers_session)
    with counted(peers_session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
        assert [len(user.tags) for user in users] == [2, 1, 0]
        assert [user.profile is None for user in users] == [False, True, True]
    assert len(statements) == 3


def test_a_session_that_asks_for_it_leaves_lazyload_alone(peers_session: Session) -> None:
    users = users_of(peers_session, lazyload(User.addresses))
    with counted(peers_session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 3


def test_a_session_that_asks_for_it_goes_on_after_get(peers_session: Session) -> None:
    user = peers_session.get(User, 1)
    with counted(peers_session) as statements:
        assert [[owner.id for owner in tag.users] for tag in user.tags] == [[1], [1, 2]]
    assert len(statements) == 2


def test_makers_of_sessions_hand_the_setting_on(engine: Engine) -> None:
    fill(engine)
    maker = sessionmaker(engine, lazy_peers=True)
    with maker() as session:
        assert session.lazy_peers
        assert address_ids(users_of(session)) == [[1, 2], [3], []]
    scoped = scoped_session(maker)
    assert scoped().lazy_peers
    scoped.remove()
    assert not Session(engine).lazy_peers


def test_the_wildcard(session: Session) -> None:
    users = users_of(session, peerload("*"))
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
        assert [len(user.tags) for user in users] == [2, 1, 0]
        assert [[owner.id for tag in user.tags for owner in tag.users] for user in users] == [[1, 1, 2], [1, 2], []]
    assert len(statements) == 3


def test_the_wildcard_below_an_entity(session: Session) -> None:
    users = users_of(session, Load(User).peerload("*"))
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 1


def test_a_query_takes_the_option(session: Session) -> None:
    query: Query[User] = session.query(User).options(peerload(User.addresses)).order_by(User.id)
    users = query.all()
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 1


def test_options_for_what_is_behind(session: Session) -> None:
    users = users_of(session, peerload(User.tags).selectinload(Tag.users))
    with counted(session) as statements:
        assert [[len(tag.users) for tag in user.tags] for user in users] == [[1, 2], [2], []]
    assert len(statements) == 2
    session.expunge_all()
    users = users_of(session, peerload(User.tags).options(peerload(Tag.users).joinedload(User.profile)))
    with counted(session) as statements:
        texts = [[owner.profile.text for tag in user.tags for owner in tag.users[:1]] for user in users[:1]]
    assert texts == [["p1", "p1"]]
    assert len(statements) == 2


def test_a_path_of_relationships(session: Session) -> None:
    users = users_of(session, peerload(User.tags, Tag.users))
    with counted(session) as statements:
        assert [[len(tag.users) for tag in user.tags] for user in users] == [[1, 2], [2], []]
    assert len(statements) == 4  # tags one user at a time; three of them, one result each; users by peers


@pytest.mark.parametrize("eager", [selectinload, joinedload, immediateload])
def test_below_an_eager_load(session: Session, eager: Callable[..., Any]) -> None:
    statement = select(User).order_by(User.id).options(eager(User.tags).peerload(Tag.users))
    users = session.scalars(statement).unique().all()
    with counted(session) as statements:
        assert [[len(tag.users) for tag in user.tags] for user in users] == [[1, 2], [2], []]
    assert len(statements) == 1


def test_a_condition_in_the_option(session: Session) -> None:
    users = users_of(session, peerload(User.addresses.and_(Address.email != "a1")))
    with counted(session) as statements:
        assert address_ids(users) == [[2], [3], []]
    assert len(statements) == 1
    session.expunge_all()
    users = users_of(session, peerload(User.addresses.and_(Address.email != "a2")))
    assert address_ids(users) == [[1], [3], []]


@pytest.mark.parametrize("email", ["a1", "a3"])
def test_conditions_of_the_statement_hold(session: Session, email: str) -> None:
    criteria = with_loader_criteria(Address, Address.email == email)
    users = users_of(session, peerload(User.addresses), criteria)
    with counted(session) as statements:
        assert address_ids(users) == [[1] if email == "a1" else [], [3] if email == "a3" else [], []]
    assert len(statements) == 1
    session.expunge_all()
    addresses = session.scalars(
        select(Address).options(peerload(Address.user), with_loader_criteria(User, User.id == 2))
    ).all()
    with counted(session) as statements:
        assert {address.id: address.user and address.user.id for address in addresses} == {
            1: None,
            2: None,
            3: 2,
            4: None,
        }
    assert len(statements) == 1


def test_options_that_fit_nothing_are_refused(session: Session) -> None:
    with pytest.raises(ArgumentError):
        select(User).options(peerload(User.name))
    with pytest.raises(ArgumentError):
        peerload()
    with pytest.raises(ArgumentError):
        session.scalars(select(User).options(peerload(Address.user)))


def test_plain_statements_know_no_peers(session: Session) -> None:
    users = users_of(session)
    assert all(instance_state(user).load_options is None for user in users)
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 3


def test_single_table_inheritance_in_a_session_with_peers(peers_session: Session) -> None:
    animals = peers_session.scalars(select(Animal).order_by(Animal.id)).all()
    assert [animal.name for animal in animals] == ["rex", "cow"]
    machines = peers_session.scalars(select(Machine)).all()
    assert {machine.name for machine in machines} == {"m1", "m2"}
    assert peers_session.execute(select(tagged)).all()


def test_below_a_path_that_is_only_gone_along(session: Session) -> None:
    users = users_of(session, defaultload(User.tags).peerload(Tag.users))
    with counted(session) as statements:
        assert [[len(tag.users) for tag in user.tags] for user in users[:1]] == [[1, 2]]
    assert len(statements) == 2
