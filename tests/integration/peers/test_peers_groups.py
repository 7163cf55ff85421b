"""Who the peers of an object are, and for how long."""

from __future__ import annotations

import gc
import pickle
import sys
import weakref

import pytest
from sqlalchemy import Engine, ForeignKey, select

from session import DeclarativeBase, Mapped, Session, aliased, mapped_column, peerload, relationship, with_polymorphic
from session.attributes import instance_state
from session.load.carried import peers_of

from ...parity.hot import CPYTHON, collect
from ..loading_models import Address, Engineer, Person, User, counted
from .reading import USERS, address_ids, large, loaded, users_of

# -- who the peers are -------------------------------------------------------------------------------


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


# -- lifetime ----------------------------------------------------------------------------------------


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
@pytest.mark.skipif(sys.version_info < (3, 11), reason="results of the betas of SQLAlchemy 2.1 wait for the collector")
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
