"""The life of an object in a Session: its states, get, expunge, merge, and what is held weakly."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, event, inspect, select
from sqlalchemy.exc import InvalidRequestError, NoResultFound

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    close_all_sessions,
    make_transient,
    make_transient_to_detached,
    mapped_column,
    object_session,
    relationship,
    selectinload,
    was_deleted,
)
from session.exc import DetachedInstanceError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    age: Mapped[int | None]
    items: Mapped[list[Item]] = relationship(back_populates="user", cascade="all")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User | None] = relationship(back_populates="items")


class Pair(Base):
    __tablename__ = "pair"

    left: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    right: Mapped[str] = mapped_column(primary_key=True)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def state_of(instance: Any) -> str:
    state = inspect(instance)
    names = ("transient", "pending", "persistent", "deleted", "detached")
    (name,) = [name for name in names if getattr(state, name)]
    return name


def test_an_object_goes_through_its_states(session: Session) -> None:
    user = User(name="ed")
    assert state_of(user) == "transient"
    assert inspect(user).identity_key is None
    session.add(user)
    assert state_of(user) == "pending"
    assert user in session.new
    assert object_session(user) is session is inspect(user).session
    session.flush()
    assert state_of(user) == "persistent"
    assert inspect(user).identity == (user.id,)
    assert inspect(user).identity_key == (User, (user.id,), None)
    session.delete(user)
    assert state_of(user) == "persistent"
    assert user in session.deleted
    session.flush()
    assert state_of(user) == "deleted"
    assert was_deleted(user)
    assert user not in session
    session.commit()
    assert state_of(user) == "detached"
    assert object_session(user) is None


def test_the_session_knows_new_dirty_and_deleted(session: Session) -> None:
    kept, gone = User(name="kept"), User(name="gone")
    session.add_all([kept, gone])
    assert set(session.new) == {kept, gone}
    assert len(session.new) == 2
    session.commit()
    assert not session.new
    session.delete(gone)
    kept.name = "changed"
    assert kept in session.dirty
    assert gone in session.deleted
    assert gone not in session.dirty
    assert set(session) == {kept, gone}
    session.flush()
    assert not session.dirty
    assert not session.deleted
    assert set(session) == {kept}


def test_is_modified_compares_values(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    assert user.name == "ed"
    user.name = "ed"
    assert user in session.dirty
    assert not session.is_modified(user)
    user.items.append(Item())
    assert session.is_modified(user)
    assert not session.is_modified(user, include_collections=False)
    user.name = "else"
    assert session.is_modified(user, include_collections=False)


def test_add_delete_and_expunge_undo_each_other(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.expunge(user)
    assert state_of(user) == "transient"
    session.add(user)
    session.commit()
    session.delete(user)
    session.add(user)
    assert user not in session.deleted
    session.commit()
    assert state_of(user) == "persistent"
    session.expunge(user)
    assert state_of(user) == "detached"
    session.add(user)
    assert state_of(user) == "persistent"
    session.expunge_all()
    assert state_of(user) == "detached"
    assert not list(session)


@pytest.mark.parametrize(
    "leave", [lambda session, user: session.expunge(user), lambda session, user: session.expunge_all()]
)
def test_who_is_deleted_twice_and_leaves_is_not_brought_back_by_a_rollback(session: Session, leave: Any) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    session.delete(user)
    session.flush()
    session.delete(user)
    leave(session, user)
    assert state_of(user) == "detached"
    session.rollback()
    assert state_of(user) == "detached"
    assert user not in session


def test_a_detached_object_keeps_what_it_has_and_refuses_to_load_more(session: Session) -> None:
    session.add(User(name="ed", items=[Item()]))
    session.commit()
    user = session.scalars(select(User)).one()
    session.close()
    assert user.name == "ed"
    with pytest.raises(DetachedInstanceError, match=r"(?s)(?=.*User)(?=.*items)"):
        user.items  # noqa: B018
    session.add(user)
    assert len(user.items) == 1
    session.commit()
    session.close()
    with pytest.raises(DetachedInstanceError, match="User"):
        user.name  # noqa: B018


def test_changes_to_a_detached_object_are_written_when_it_comes_back(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    assert user.name == "ed"
    session.expunge(user)
    user.name = "changed"
    session.add(user)
    session.commit()
    assert session.scalar(select(User.name)) == "changed"


def test_deleting_a_detached_object_attaches_it_first(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    session.close()
    session.delete(user)
    session.commit()
    assert session.scalars(select(User)).all() == []


# -- get ------------------------------------------------------------------------------------------


def test_get_asks_the_identity_map_first(session: Session, engine: Engine) -> None:
    session.add(User(name="ed"))
    session.commit()
    with Statements(engine) as sent:
        user = session.get(User, 1)
        assert session.get(User, 1) is user
        assert session.get(User, (1,)) is user
        assert session.get(User, {"id": 1}) is user
    assert len(sent) == 1
    assert session.get(User, 2) is None


def test_get_of_an_expired_object_reads_its_row_again(session: Session, engine: Engine) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    with Statements(engine) as sent:
        assert session.get(User, 1) is user
        assert user.name == "ed"
    assert len(sent) == 1
    session.commit()
    with engine.begin() as connection:
        connection.execute(User.__table__.delete())
    assert session.get(User, 1) is None


def test_get_of_a_composite_key(session: Session) -> None:
    session.add(Pair(left=1, right="a"))
    session.commit()
    pair = session.get(Pair, (1, "a"))
    assert pair is session.get(Pair, {"right": "a", "left": 1})
    assert session.get(Pair, (1, "b")) is None
    assert inspect(pair).identity == (1, "a")
    assert session.identity_key(instance=pair) == session.identity_key(Pair, (1, "a")) == (Pair, (1, "a"), None)


def test_get_with_options_and_for_update(session: Session) -> None:
    session.add(User(name="ed", items=[Item()]))
    session.commit()
    session.close()
    user = session.get(User, 1, options=[selectinload(User.items)], with_for_update=True)
    assert "items" not in inspect(user).unloaded


def test_get_populates_again_if_asked_to(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    user.name = "changed"
    with session.no_autoflush:
        assert session.get(User, 1).name == "changed"
        assert session.get(User, 1, populate_existing=True).name == "ed"


def test_get_one_raises_when_there_is_no_row(session: Session) -> None:
    session.add(User(name="ed"))
    session.commit()
    assert session.get_one(User, 1).name == "ed"
    with pytest.raises(NoResultFound):
        session.get_one(User, 5)


# -- merge ----------------------------------------------------------------------------------------


def test_merge_copies_on_to_the_sessions_own_object(session: Session) -> None:
    session.add(User(name="ed", age=5, items=[Item(name="a")]))
    session.commit()
    mine = session.get(User, 1)
    given = User(id=1, name="merged", items=[Item(id=1, name="b"), Item(name="c")])
    merged = session.merge(given)
    assert merged is mine
    assert given not in session
    session.commit()
    assert (mine.name, mine.age) == ("merged", 5)
    assert sorted(item.name for item in mine.items) == ["b", "c"]


def test_merge_makes_what_is_not_there(session: Session) -> None:
    merged = session.merge(User(id=7, name="new"))
    assert state_of(merged) == "pending"
    session.commit()
    assert session.get(User, 7) is merged


def test_merge_without_load_takes_the_object_as_it_is(session: Session, engine: Engine) -> None:
    session.add(User(name="ed"))
    session.commit()
    user = session.scalars(select(User)).one()
    session.expunge(user)
    with Session(engine) as other, Statements(engine) as sent:
        merged = other.merge(user, load=False)
        assert merged.name == "ed"
        assert state_of(merged) == "persistent"
        assert len(sent) == 0
    user.name = "changed"
    with Session(engine) as other, pytest.raises(InvalidRequestError):
        other.merge(user, load=False)


def test_merge_of_a_cycle_ends(session: Session) -> None:
    user = User(id=1, name="ed")
    user.items = [Item(id=1, user=user)]
    merged = session.merge(user)
    assert merged.items[0].user is merged


def test_merge_of_objects_and_a_list_of_them_shares_what_they_share(session: Session) -> None:
    shared = Item(name="shared")
    users = [User(id=number, name="u", items=[shared] if number == 1 else []) for number in range(1, 4)]
    merged = session.merge_all([*users, users[0]])
    assert merged[0] is merged[3]
    assert len(session.new) == 4


# -- identity and memory --------------------------------------------------------------------------


def test_one_row_is_one_object(session: Session) -> None:
    session.add(User(name="ed"))
    session.commit()
    user = session.get(User, 1)
    assert session.scalars(select(User)).one() is user
    assert session.scalars(select(User).where(User.name == "ed")).one() is user
    assert session.query(User).first() is user


def test_unchanged_objects_are_held_weakly_and_changed_ones_are_not_lost(session: Session) -> None:
    session.add_all([User(name="a"), User(name="b")])
    session.commit()
    users = session.scalars(select(User).order_by(User.id)).all()
    users[0].name = "changed"
    del users
    gc.collect()
    assert [key[1] for key in session.identity_map] == [(1,)]
    session.commit()
    gc.collect()
    assert len(session.identity_map) == 0
    assert session.get(User, 1).name == "changed"


def test_new_and_deleted_objects_are_held(session: Session) -> None:
    session.add(User(name="a"))
    gc.collect()
    session.flush()
    gc.collect()
    session.delete(session.get(User, 1))
    gc.collect()
    session.commit()
    assert session.scalars(select(User)).all() == []


def test_the_identity_map_is_a_mapping(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.flush()
    key = inspect(user).identity_key
    assert session.identity_map[key] is user
    assert key in session.identity_map
    assert session.identity_map.values() == [user]
    assert list(session.identity_map.keys()) == [key]
    assert session.identity_map.get((User, (99,), None)) is None
    with pytest.raises(KeyError):
        session.identity_map[(User, (99,), None)]


# -- leaving one's state --------------------------------------------------------------------------


def test_make_transient_makes_a_row_storable_anew(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    assert user.name == "ed"
    make_transient(user)
    assert state_of(user) == "transient"
    user.id = None
    session.add(user)
    session.commit()
    assert session.scalars(select(User.id).order_by(User.id)).all() == [1, 2]


def test_make_transient_to_detached_stands_for_a_row_not_read_yet(session: Session) -> None:
    session.add(User(name="ed", age=3))
    session.commit()
    session.close()
    user = User(id=1)
    make_transient_to_detached(user)
    assert state_of(user) == "detached"
    session.add(user)
    assert user.name == "ed"


def test_close_all_sessions_detaches_everything(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    close_all_sessions()
    assert state_of(user) == "detached"


def test_the_state_tells_what_is_loaded_and_changed(session: Session) -> None:
    session.add(User(name="ed", age=1))
    session.commit()
    user = session.scalars(select(User)).one()
    state = inspect(user)
    assert state.object is user
    assert state.mapper.class_ is state.class_ is User
    assert state.unloaded == {"items"}
    assert not state.modified
    user.name = "x"
    assert state.modified
    assert state.unmodified == {"id", "age", "items"}
    assert state.attrs.name.value == "x"
    assert state.attrs.name.history == (["x"], (), ["ed"])
    assert state.attrs.age.history == ((), [1], ())
    assert state.has_identity
    assert state.committed_state == {"name": "ed"}
    session.expire(user, ["age"])
    assert state.expired_attributes == {"age"}


def test_a_copy_by_pickle_of_a_deleted_object_can_be_deleted_itself(session: Session) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    session.delete(user)
    session.flush()
    copied = pickle.loads(pickle.dumps(user))
    session.rollback()
    session.expunge(user)
    assert not was_deleted(copied)
    session.delete(copied)
    assert inspect(copied).persistent
    session.flush()
    assert inspect(copied).deleted


def test_load_on_pending_objects_reads_nothing_until_told(session: Session) -> None:
    session.add(User(name="ed"))
    session.commit()
    item = Item(user_id=1)
    assert item.user is None
    other = Item(user_id=1)
    session.enable_relationship_loading(other)
    assert other.user.name == "ed"


def test_a_pending_object_without_a_key_keeps_the_empty_list_that_it_was_let_load(session: Session) -> None:
    user = User(name="ed")
    session.enable_relationship_loading(user)
    assert user.items == []
    assert "items" in user.__dict__


def test_listeners_hear_of_objects_that_load_relationships_as_of_others_that_come(session: Session) -> None:
    session.add(User(name="ed"))
    session.commit()
    user = session.scalars(select(User)).one()
    session.expunge(user)
    heard: list[str] = []
    for name in ("before_attach", "after_attach", "transient_to_pending", "detached_to_persistent"):
        event.listen(session, name, lambda _, __, name=name: heard.append(name))
    session.enable_relationship_loading(user)
    assert heard == ["before_attach", "after_attach", "detached_to_persistent"]
    heard.clear()
    session.enable_relationship_loading(Item(user_id=1))
    assert heard == ["before_attach", "after_attach", "transient_to_pending"]
