"""Relationships whose first read loads them for all objects that came in the same result."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, event, insert, select, update
from sqlalchemy.exc import ArgumentError, InvalidRequestError, OperationalError, SAWarning

from session import (
    DeclarativeBase,
    Load,
    Mapped,
    Query,
    Session,
    aliased,
    defaultload,
    foreign,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    peerload,
    raiseload,
    relationship,
    remote,
    scoped_session,
    selectinload,
    sessionmaker,
    with_loader_criteria,
    with_polymorphic,
)
from session.attributes import instance_state
from session.exc import DetachedInstanceError
from session.load.carried import peers_of
from session.load.strategies_selectin import BATCH

from ..parity.hot import CPYTHON, collect
from .loading_models import (
    Address,
    Animal,
    Engineer,
    Machine,
    Node,
    Pair,
    Part,
    Person,
    Profile,
    Tag,
    User,
    counted,
    fill,
    tagged,
)

USERS = 2 * BATCH + 10
"""Users in the large table: their addresses take three statements."""


@pytest.fixture
def session(engine: Engine) -> Any:
    fill(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def peers_session(engine: Engine) -> Any:
    """A Session in which all relationships load for peers."""
    fill(engine)
    with Session(engine, lazy_peers=True) as session:
        yield session


def users_of(session: Session, *options: Any) -> list[User]:
    return list(session.scalars(select(User).order_by(User.id).options(*options)))


def address_ids(users: list[User]) -> list[list[int]]:
    return [[address.id for address in user.addresses] for user in users]


def loaded(obj: Any, key: str) -> bool:
    return key in obj.__dict__


# -- the kinds of relationships ----------------------------------------------------------------------


def test_one_to_many_takes_one_statement(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 1


def test_nothing_is_loaded_until_it_is_read(session: Session) -> None:
    with counted(session) as statements:
        users = users_of(session, peerload(User.addresses))
    assert len(statements) == 1
    assert not any(loaded(user, "addresses") for user in users)


def test_other_relationships_stay_as_they_are(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    with counted(session) as statements:
        assert [len(user.tags) for user in users] == [2, 1, 0]
    assert len(statements) == 3


def test_many_to_many(session: Session) -> None:
    users = users_of(session, peerload(User.tags))
    with counted(session) as statements:
        assert [[tag.name for tag in user.tags] for user in users] == [["red", "blue"], ["blue"], []]
    assert len(statements) == 1


def test_one_to_one(session: Session) -> None:
    users = users_of(session, peerload(User.profile))
    with counted(session) as statements:
        assert [user.profile and user.profile.text for user in users] == ["p1", None, None]
    assert len(statements) == 1


def test_many_to_one(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    with counted(session) as statements:
        assert [address.user and address.user.id for address in addresses] == [1, 1, 2, None]
    assert len(statements) == 1


def test_many_to_one_asks_for_what_the_session_lacks(session: Session) -> None:
    known = session.get(User, 1)
    addresses = session.scalars(select(Address).order_by(Address.id.desc()).options(peerload(Address.user))).all()
    parameters: list[Any] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *given: parameters.append(given[3]))
    assert [address.user for address in addresses] == [None, session.get(User, 2), known, known]
    assert [list(given.values()) if isinstance(given, dict) else list(given) for given in parameters] == [[2]]


def test_many_to_one_of_expired_objects_reads_no_row_of_the_peers(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    session.expire_all()
    with counted(session) as statements:
        assert addresses[0].user.id == 1
        assert addresses[2].user.id == 2
        assert addresses[3].user is None
    # the row of the first, and the users of all
    assert len(statements) == 2
    assert not loaded(addresses[2], "email")


def test_many_to_one_whose_row_is_gone(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Target(Base):
        __tablename__ = "loose_target"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Source(Base):
        __tablename__ = "loose_source"
        id: Mapped[int] = mapped_column(primary_key=True)
        target_id: Mapped[int]
        target: Mapped[Target | None] = relationship(
            primaryjoin=lambda: foreign(Source.target_id) == Target.id, lazy="peers"
        )

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Target(id=1))
        session.add_all([Source(id=1, target_id=9), Source(id=2, target_id=1)])
        session.commit()
        sources = session.scalars(select(Source).order_by(Source.id)).all()
        with counted(session) as statements:
            assert [source.target and source.target.id for source in sources] == [None, 1]
        assert len(statements) == 1


def test_composite_keys(session: Session) -> None:
    pairs = session.scalars(select(Pair).order_by(Pair.b).options(peerload(Pair.parts))).all()
    with counted(session) as statements:
        assert [[part.id for part in pair.parts] for pair in pairs] == [[1], [2, 3]]
    assert len(statements) == 1


def test_a_composite_key_with_a_null_is_left_to_a_load_of_its_own(session: Session) -> None:
    parts = session.scalars(select(Part).order_by(Part.id).options(peerload(Part.pair))).all()
    with counted(session) as statements:
        assert [part.pair and part.pair.label for part in parts[:3]] == ["11", "12", "12"]
        assert len(statements) == 1
        assert not loaded(parts[3], "pair")
        assert parts[3].pair is None


def test_a_tree_takes_one_statement_for_each_level(session: Session) -> None:
    session.execute(insert(Node), [{"id": n, "name": f"n{n}", "parent_id": n // 3 + 1} for n in range(6, 40)])
    level = session.scalars(select(Node).where(Node.parent_id.is_(None)).options(peerload(Node.children))).all()
    seen, levels = [], 0
    with counted(session) as statements:
        while level:
            levels += 1
            seen += [node.id for node in level]
            level = [child for node in level for child in node.children]
    assert sorted(seen) == list(range(1, 40))
    assert len(statements) == levels


def test_the_parents_of_a_tree(session: Session) -> None:
    nodes = session.scalars(select(Node).where(Node.id >= 4).order_by(Node.id).options(peerload(Node.parent))).all()
    with counted(session) as statements:
        assert [node.parent.id for node in nodes] == [2, 4]
        assert nodes[0].parent.parent.id == 1
    assert len(statements) == 2


# -- where it can be asked for ----------------------------------------------------------------------------


@pytest.fixture
def family(engine: Engine) -> Any:
    """Classes whose mapping asks for peers, and some rows."""

    class Base(DeclarativeBase):
        pass

    class Parent(Base):
        __tablename__ = "peer_parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        children: Mapped[list[Child]] = relationship(
            lazy="peers", order_by=lambda: Child.rank.desc(), back_populates="parent", cascade="all, delete-orphan"
        )
        good: Mapped[list[Child]] = relationship(
            lazy="peers",
            viewonly=True,
            order_by=lambda: Child.id,
            primaryjoin=lambda: (Parent.id == foreign(Child.parent_id)) & (Child.rank > 1),
        )
        older: Mapped[list[Parent]] = relationship(
            lazy="peers",
            viewonly=True,
            order_by=lambda: remote(Parent.id),
            primaryjoin=lambda: remote(foreign(Parent.id)) < Parent.id,
            uselist=True,
        )

    class Child(Base):
        __tablename__ = "peer_child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("peer_parent.id"))
        rank: Mapped[int]
        parent: Mapped[Parent] = relationship(lazy="peers", back_populates="children")

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Parent), [{"id": n, "name": f"p{n}"} for n in range(1, 6)])
        connection.execute(insert(Child), [{"id": n, "parent_id": n % 4 + 1, "rank": n % 3} for n in range(1, 13)])
    with Session(engine) as session:
        yield session, Parent, Child


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


# -- who the peers are -----------------------------------------------------------------------------------


def test_aliases_and_several_entities_in_a_row(session: Session) -> None:
    other = aliased(User)
    rows = session.execute(
        select(User, other, Address)
        .join(other, other.id > User.id)
        .outerjoin(Address, Address.user_id == User.id)
        .order_by(User.id, other.id, Address.id)
        .options(peerload(User.addresses), peerload(other.tags), peerload(Address.user))
    ).all()
    assert [(user.id, another.id) for user, another, _ in rows] == [(1, 2), (1, 2), (1, 3), (1, 3), (2, 3)]
    with counted(session) as statements:
        assert [len(user.addresses) for user, _, _ in rows] == [2, 2, 2, 2, 1]
        assert len(statements) == 1
        assert [len(another.tags) for _, another, _ in rows] == [1, 1, 0, 0, 0]
        assert [address.user is user for user, _, address in rows] == [True] * 5
    assert len(statements) <= 3


def test_an_alias(session: Session) -> None:
    other = aliased(User)
    users = session.scalars(select(other).order_by(other.id).options(peerload(other.addresses))).all()
    with counted(session) as statements:
        assert address_ids(list(users)) == [[1, 2], [3], []]
    assert len(statements) == 1


def test_objects_that_were_there_already_are_peers_too(session: Session) -> None:
    first = session.get(User, 1)
    users = users_of(session, peerload(User.addresses))
    assert users[0] is first
    with counted(session) as statements:
        assert len(users[2].addresses) == 0
        assert loaded(first, "addresses")
        assert len(users[1].addresses) == 1
    assert len(statements) == 1


def test_a_smaller_result_leaves_the_peers_of_a_larger_one(session: Session) -> None:
    users = users_of(session, peerload(User.addresses), peerload(User.tags))
    session.scalars(select(User).where(User.id > 1).options(peerload(User.addresses))).all()
    session.refresh(users[1])
    with counted(session) as statements:
        assert [len(user.tags) for user in users[::-1]] == [0, 1, 2]
    assert len(statements) == 1


def test_partitions_have_their_own(engine: Engine) -> None:
    large(engine)
    with Session(engine) as session:
        result = session.scalars(
            select(User).where(User.id >= 10).options(peerload(User.addresses)), execution_options={"yield_per": 100}
        )
        partitions = result.partitions()
        first = next(partitions)
        with counted(session) as statements:
            assert [len(user.addresses) for user in first] == [2] * 100
        assert len(statements) == 1
        assert "LIMIT" not in statements[0]
        second = next(partitions)
        assert not any(loaded(user, "addresses") for user in second)
        with counted(session) as statements:
            assert [len(user.addresses) for user in second] == [2] * 100
        assert len(statements) == 1
        result.close()


def test_inheritance(session: Session) -> None:
    people = session.scalars(select(Person).order_by(Person.id).options(peerload(Engineer.machines))).all()
    engineers = [person for person in people if isinstance(person, Engineer)]
    with counted(session) as statements:
        assert [[machine.id for machine in engineer.machines] for engineer in engineers] == [[1, 2], []]
    assert len(statements) == 1
    assert [type(person).__name__ for person in people] == ["Engineer", "Manager", "Person", "Engineer"]


def test_with_polymorphic(session: Session) -> None:
    everybody = with_polymorphic(Person, [Engineer])
    people = session.scalars(
        select(everybody).order_by(everybody.id).options(peerload(everybody.Engineer.machines))
    ).all()
    with counted(session) as statements:
        found = {person.id: len(person.machines) for person in people if isinstance(person, Engineer)}
    assert found == {1: 2, 4: 0}
    assert len(statements) == 1


def test_relationships_of_a_base_class(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "zoo_owner"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Beast(Base):
        __tablename__ = "zoo_beast"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        owner_id: Mapped[int] = mapped_column(ForeignKey("zoo_owner.id"))
        owner: Mapped[Owner] = relationship(lazy="peers")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "beast"}

    class Cat(Beast):
        __mapper_args__ = {"polymorphic_identity": "cat"}

    class Dog(Beast):
        __tablename__ = "zoo_dog"
        id: Mapped[int] = mapped_column(ForeignKey("zoo_beast.id"), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "dog"}

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Owner(id=1), Owner(id=2), Owner(id=3)])
        session.flush()
        session.add_all([Beast(id=1, owner_id=1), Cat(id=2, owner_id=2), Dog(id=3, owner_id=3)])
        session.commit()
        session.expunge_all()
        beasts = session.scalars(select(Beast).order_by(Beast.id)).all()
        with counted(session) as statements:
            assert [beast.owner.id for beast in beasts] == [1, 2, 3]
        assert len(statements) == 1
        assert [type(beast) for beast in beasts] == [Beast, Cat, Dog]


def large(engine: Engine) -> None:
    fill(engine)
    with engine.begin() as connection:
        connection.execute(insert(User), [{"id": n, "name": f"u{n}"} for n in range(10, USERS + 10)])
        connection.execute(
            insert(Address),
            [{"id": n, "email": f"e{n}", "user_id": n // 2} for n in range(20, 2 * USERS + 20)],
        )


def test_many_objects_take_a_statement_for_each_batch(engine: Engine) -> None:
    large(engine)
    with Session(engine) as session:
        users = session.scalars(select(User).where(User.id >= 10).options(peerload(User.addresses))).all()
        with counted(session) as statements:
            assert sum(len(user.addresses) for user in users) == 2 * USERS
        assert len(statements) == 3


def test_what_several_statements_load_for_peers_is_one_result(engine: Engine) -> None:
    large(engine)
    with Session(engine) as session:
        option = peerload(User.addresses).peerload(Address.user)
        users = session.scalars(select(User).where(User.id >= 10).options(option)).all()
        addresses = [address for user in users for address in user.addresses]
        for address in addresses:
            session.expire(address, ["user"])
        del users
        gc.collect()
        with counted(session) as statements:
            assert {address.user.id for address in addresses} == set(range(10, USERS + 10))
        assert len(statements) <= 4


# -- what is left alone ----------------------------------------------------------------------------------


def test_values_and_changes_of_peers_stay(session: Session) -> None:
    with session.no_autoflush:
        users = users_of(session, peerload(User.addresses))
        new = Address(id=90, email="new")
        users[0].addresses.append(new)
        known = users[0].addresses
        session.expire(users[1], ["addresses"])
        session.execute(update(Address).where(Address.id == 2).values(user_id=2))
        assert [address.id for address in users[1].addresses] == [2, 3]
        assert users[0].addresses is known
        assert new in known


def test_changes_of_a_reference_that_is_not_loaded_stay(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    with session.no_autoflush:
        addresses[1].user = None
        del addresses[2].user
        assert addresses[0].user.id == 1
        assert addresses[1].user is None
        assert addresses[2].user is None
    assert session.is_modified(addresses[1])
    session.flush()
    assert session.scalar(select(Address.user_id).where(Address.id == 2)) is None


def test_changes_that_wait_for_a_collection_stay(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    with session.no_autoflush:
        late = Address(id=91, email="late", user=users[1])
        assert not loaded(users[1], "addresses")
        assert [address.id for address in users[0].addresses] == [1, 2]
        assert not loaded(users[1], "addresses")
        assert [address.id for address in users[1].addresses] == [3, 91]
        assert late.user is users[1]
        assert loaded(users[2], "addresses")


def test_objects_that_are_gone_are_skipped(session: Session) -> None:
    users = users_of(session, peerload(User.tags))
    session.delete(users[1])
    session.expire(users[1], ["tags"])
    session.expunge(users[2])
    with session.no_autoflush:
        assert len(users[0].tags) == 2
        assert not loaded(users[1], "tags")
        assert not loaded(users[2], "tags")


def test_peers_in_another_session_are_skipped(session: Session, engine: Engine) -> None:
    users = users_of(session, peerload(User.tags))
    session.expunge(users[1])
    with Session(engine) as other:
        other.add(users[1])
        with counted(session) as statements:
            assert len(users[1].tags) == 1
            assert not loaded(users[0], "tags")
            assert len(users[0].tags) == 2
            assert loaded(users[2], "tags")
        assert len(statements) == 2
        assert users[1].tags[0] is not users[0].tags[1]


def test_merged_objects_have_no_peers_of_the_other_session(session: Session, engine: Engine) -> None:
    users = users_of(session, peerload(User.tags))
    with Session(engine) as other:
        copies = [other.merge(user, load=False) for user in users]
        with counted(session) as statements:
            assert [len(copy.tags) for copy in copies] == [2, 1, 0]
        assert len(statements) == 3
    assert not loaded(users[0], "tags")


def test_raiseload_comes_first(session: Session) -> None:
    users = users_of(session, peerload("*"), raiseload(User.addresses))
    with pytest.raises(InvalidRequestError, match="addresses"):
        users[0].addresses  # noqa: B018
    strict = session.scalars(select(Profile).options(raiseload(Profile.user))).one()
    users_of(session, peerload(User.profile))
    with pytest.raises(InvalidRequestError):
        strict.user.name  # noqa: B018


def test_a_peer_that_may_not_load_is_skipped(session: Session) -> None:
    strict = session.scalars(select(User).where(User.id == 2).options(raiseload(User.tags))).one()
    users = users_of(session)
    session.expire(strict, ["tags"])
    del users
    users = list(session.scalars(select(User).where(User.id != 2).options(peerload(User.tags))))
    everybody = users_of(session)
    assert everybody[1] is strict
    assert len(users[0].tags) == 2
    assert not loaded(strict, "tags")
    with pytest.raises(InvalidRequestError):
        strict.tags  # noqa: B018


def test_detached_and_pending_objects_are_as_ever(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    session.expunge_all()
    with pytest.raises(DetachedInstanceError, match="addresses"):
        users[0].addresses  # noqa: B018
    new = User(id=77, name="new")
    session.add(new)
    session.flush()
    with counted(session) as statements:
        assert new.tags == []
    assert len(statements) <= 1


# -- expiry -----------------------------------------------------------------------------------------------


def test_expired_peers_are_loaded_again(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    assert address_ids(users) == [[1, 2], [3], []]
    session.commit()
    session.execute(update(Address).where(Address.id == 3).values(user_id=3))
    session.commit()
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [], [3]]
    assert len(statements) == 2  # the row of the first, and the addresses of all
    with counted(session) as statements:
        assert [user.name for user in users] == ["user1", "user2", "user3"]
        assert address_ids(users) == [[1, 2], [], [3]]
    assert len(statements) == 2


def test_only_what_was_expired_is_loaded_again(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    address_ids(users)
    kept = users[2].addresses
    for user in users[:2]:
        session.expire(user, ["addresses"])
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 1
    assert users[2].addresses is kept


def test_refresh_keeps_the_peers(session: Session) -> None:
    users = users_of(session, peerload(User.addresses), peerload(User.tags))
    for user in users:
        session.refresh(user)
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
        assert [len(user.tags) for user in users] == [2, 1, 0]
    assert len(statements) == 2
    session.refresh(users[0], ["addresses"])
    assert address_ids(users) == [[1, 2], [3], []]


def test_populate_existing(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    address_ids(users)
    session.execute(update(Address).where(Address.id == 3).values(user_id=3))
    again = session.scalars(
        select(User).order_by(User.id).options(peerload(User.addresses)).execution_options(populate_existing=True)
    ).all()
    assert again == users
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [], [3]]
    assert len(statements) == 1


def test_a_loop_that_expires_everything_does_not_load_everything_each_time(engine: Engine) -> None:
    large(engine)
    with Session(engine) as session:
        users = session.scalars(select(User).where(User.id >= 10).options(peerload(User.addresses))).all()
        made = 0

        def note(*_: Any) -> None:
            nonlocal made
            made += 1

        keep = [user.addresses for user in users[:1]]
        assert keep
        gc.collect()
        event.listen(Address, "load", note)
        event.listen(Address, "refresh", note)
        try:
            for user in users[:60]:
                session.expire_all()
                assert len(user.addresses) == 2
            assert made < 4 * USERS + 60 * 2 * 51
            # a loop that lets things be has them all again after few rounds
            with counted(session) as statements:
                assert sum(len(user.addresses) for user in users) == 2 * USERS
            assert len(statements) < 20
        finally:
            event.remove(Address, "load", note)
            event.remove(Address, "refresh", note)


# -- flushing, events, errors ------------------------------------------------------------------------------


def test_a_load_for_peers_flushes_first(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    session.add(Address(id=50, email="new", user_id=3))
    assert [address.email for address in users[0].addresses] == ["a1", "a2"]
    assert [address.email for address in users[2].addresses] == ["new"]
    with session.no_autoflush:
        session.add(Address(id=51, email="newer", user_id=3))
        session.expire(users[2], ["addresses"])
        assert [address.email for address in users[2].addresses] == ["new"]


def test_listeners_see_a_relationship_load(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    plain = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    seen: list[Any] = []

    def note(state: Any) -> None:
        seen.append((state.is_relationship_load, state.lazy_loaded_from.obj(), str(state.loader_strategy_path)))

    event.listen(session, "do_orm_execute", note)
    assert address_ids(users) == [[1, 2], [3], []]
    assert [(load, user) for load, user, _ in seen] == [(True, users[0])]
    assert "addresses" in seen[0][2]
    assert plain[0].user is users[0]


def test_a_failed_load_leaves_everything_as_it_was(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    engine: Any = session.get_bind()

    def fail(*_: Any) -> None:
        raise OperationalError("no", {}, Exception("gone"))

    event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(OperationalError):
        users[0].addresses  # noqa: B018
    event.remove(engine, "before_cursor_execute", fail)
    assert not any(loaded(user, "addresses") for user in users)
    assert address_ids(users) == [[1, 2], [3], []]


def test_old_values_are_loaded_one_by_one(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    users = users_of(session)
    addresses[0].user = users[1]
    assert session.is_modified(addresses[0])
    session.flush()
    session.expire_all()
    assert addresses[0].user is users[1]
    assert addresses[1].user is users[0]


def test_deleting_objects_one_by_one_loads_for_all(family: Any) -> None:
    session, Parent, Child = family
    parents = session.scalars(select(Parent)).all()
    with counted(session) as statements:
        for parent in parents:
            session.delete(parent)
    assert len(statements) == 1
    session.flush()
    assert session.scalars(select(Child)).all() == []


# -- lifetime -----------------------------------------------------------------------------------------------


def test_peers_are_not_kept_alive(session: Session) -> None:
    users = users_of(session, peerload(User.addresses), peerload(User.tags))
    assert len(users[0].addresses) == 2
    group = weakref.ref(peers_of(instance_state(users[0])))
    references = [weakref.ref(user) for user in users]
    kept = users[0]
    del users
    collect()
    assert [reference() is not None for reference in references] == [True, False, False]
    assert group() is not None
    with counted(session) as statements:
        assert [tag.name for tag in kept.tags] == ["red", "blue"]
    assert len(statements) == 1
    assert len(session.identity_map) == 5
    address = weakref.ref(kept.addresses[0])
    session.expire(kept)
    del kept
    collect()
    assert references[0]() is None
    assert address() is None
    assert group() is None


@pytest.mark.skipif(not CPYTHON, reason="references are not counted there")
def test_without_cycles_the_group_dies_with_the_last_object(session: Session) -> None:
    gc.collect()
    gc.disable()
    try:
        users = users_of(session, peerload(User.addresses))
        group = weakref.ref(peers_of(instance_state(users[0])))
        del users[1:]
        assert group() is not None
        users.clear()
        assert group() is None
    finally:
        gc.enable()


def test_a_peer_that_died_and_was_loaded_again_is_one_again(session: Session) -> None:
    users = users_of(session, peerload(User.tags))
    del users[1]
    gc.collect()
    again = session.get(User, 2)
    assert len(users[0].tags) == 2
    assert loaded(again, "tags")


@pytest.mark.parametrize("asked", ["option", "session"])
def test_pickled_objects_forget_their_peers(session: Session, asked: str) -> None:
    session.lazy_peers = asked == "session"
    users = users_of(session, *([peerload(User.tags)] if asked == "option" else []))
    copies = pickle.loads(pickle.dumps(users))
    session.expunge_all()
    session.add_all(copies)
    with counted(session) as statements:
        assert [len(copy.tags) for copy in copies] == [2, 1, 0]
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


@pytest.mark.parametrize("option", [lazyload, peerload, selectinload])
def test_the_first_of_several_is_the_first_in_order(engine: Engine, option: Callable[..., Any]) -> None:
    class Base(DeclarativeBase):
        pass

    class Source(Base):
        __tablename__ = "latest_source"
        id: Mapped[int] = mapped_column(primary_key=True)
        latest: Mapped[Entry | None] = relationship(order_by=lambda: Entry.id.desc(), viewonly=True, uselist=False)

    class Entry(Base):
        __tablename__ = "latest_entry"
        id: Mapped[int] = mapped_column(primary_key=True)
        source_id: Mapped[int] = mapped_column(ForeignKey("latest_source.id"))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(insert(Source), [{"id": 1}, {"id": 2}])
        session.execute(insert(Entry), [{"id": n, "source_id": n % 2 + 1} for n in range(1, 7)])
        statement = select(Source).order_by(Source.id).options(option(Source.latest))
        with pytest.warns(SAWarning, match="latest"):
            found = [source.latest.id for source in session.scalars(statement).all()]
        assert found == [6, 5]
