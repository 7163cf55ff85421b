"""Collections: lists, sets, dictionaries and classes of one's own, and what they tell the other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Table, inspect, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    Session,
    WriteOnlyMapped,
    attribute_keyed_dict,
    column_keyed_dict,
    keyfunc_mapping,
    mapped_column,
    relationship,
)
from session.collections import collection
from session.exc import FlushError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Ring:
    """A collection that is neither list, set nor dict, and duck-types none."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    @collection.appender
    def put(self, member: Any) -> None:
        self.kept.append(member)

    @collection.remover
    def take(self, member: Any) -> None:
        self.kept.remove(member)

    @collection.iterator
    def __iter__(self) -> Iterator[Any]:
        return iter(self.kept)

    @collection.adds(2)
    def insert_at(self, place: int, member: Any) -> None:
        self.kept.insert(place, member)

    @collection.removes_return()
    def take_last(self) -> Any:
        return self.kept.pop()


class CountingList(list[Any]):
    """A list with a method of its own."""

    def names(self) -> list[str]:
        return [member.name for member in self]


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    listed: Mapped[list[Child]] = relationship(foreign_keys="Child.list_id", backref="list_parent", order_by="Child.id")
    unordered: Mapped[set[Child]] = relationship(foreign_keys="Child.set_id", backref="set_parent")
    by_name: Mapped[dict[str, Child]] = relationship(
        foreign_keys="Child.dict_id", backref="dict_parent", collection_class=attribute_keyed_dict("name")
    )
    ring: Mapped[Ring] = relationship(
        "Child", foreign_keys="Child.ring_id", backref="ring_parent", collection_class=Ring, uselist=True
    )
    counted: Mapped[list[Child]] = relationship(foreign_keys="Child.own_id", collection_class=CountingList)
    dynamic: DynamicMapped[Child] = relationship(foreign_keys="Child.dynamic_id", order_by="Child.name")
    write_only: WriteOnlyMapped[Child] = relationship(foreign_keys="Child.write_only_id", order_by="Child.name")


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    list_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    set_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    dict_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    ring_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    own_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    dynamic_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    write_only_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]
    children: Mapped[list[Child]] = relationship(
        secondary=Table(
            "labelled",
            Base.metadata,
            Column("label_id", ForeignKey("label.id"), primary_key=True),
            Column("child_id", ForeignKey("child.id"), primary_key=True),
        ),
        backref="labels",
    )


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def children(names: str) -> list[Child]:
    return [Child(name=name) for name in names]


def test_each_way_to_change_a_list_reaches_the_other_side() -> None:
    parent = Parent()
    a, b, c, d, e = children("abcde")
    kept = parent.listed
    kept.append(a)
    kept.extend([b, c])
    kept.insert(0, d)
    kept += [e]
    assert kept == [d, a, b, c, e]
    assert all(child.list_parent is parent for child in kept)
    assert kept.pop() is e
    assert e.list_parent is None
    kept.remove(a)
    del kept[0]
    assert (a.list_parent, d.list_parent) == (None, None)
    kept[0] = a
    assert (a.list_parent, b.list_parent) == (parent, None)
    kept[0:2] = [b, d]
    assert (kept, a.list_parent, c.list_parent) == ([b, d], None, None)
    del kept[:1]
    assert b.list_parent is None
    kept.clear()
    assert d.list_parent is None
    kept.extend([a, b, c])
    kept.reverse()
    kept.sort(key=lambda child: child.name)
    assert kept == [a, b, c]
    assert parent.listed is kept


def test_each_way_to_change_a_set_reaches_the_other_side() -> None:
    parent = Parent()
    a, b, c, d = children("abcd")
    kept = parent.unordered
    kept.add(a)
    kept.update([b, c])
    kept |= {d}
    assert all(child.set_parent is parent for child in (a, b, c, d))
    kept.discard(a)
    kept.remove(b)
    assert (a.set_parent, b.set_parent) == (None, None)
    kept -= {c}
    assert c.set_parent is None
    kept.symmetric_difference_update({a, d})
    assert (kept, d.set_parent) == ({a}, None)
    kept &= {b}
    assert (kept, a.set_parent) == (set(), None)
    kept.add(a)
    assert kept.pop() is a
    assert a.set_parent is None
    with pytest.raises(KeyError):
        kept.remove(b)


def test_each_way_to_change_a_dictionary_reaches_the_other_side() -> None:
    parent = Parent()
    a, b, c, d = children("abcd")
    kept = parent.by_name
    kept["a"] = a
    kept.set(b)
    kept.update({"c": c})
    assert kept.setdefault("d", d) is d
    assert all(child.dict_parent is parent for child in (a, b, c, d))
    del kept["a"]
    kept.remove(b)
    assert kept.pop("c") is c
    assert kept.popitem() == ("d", d)
    assert all(child.dict_parent is None for child in (a, b, c, d))
    kept["a"] = a
    kept["a"] = b
    assert a.dict_parent is None
    kept.clear()
    assert b.dict_parent is None
    assert kept.pop("none", 3) == 3


def test_a_class_of_ones_own_reaches_the_other_side(session: Session) -> None:
    parent = Parent()
    a, b, c = children("abc")
    parent.ring.put(a)
    parent.ring.insert_at(0, b)
    parent.ring.put(c)
    assert all(child.ring_parent is parent for child in (a, b, c))
    assert parent.ring.take_last() is c
    assert c.ring_parent is None
    session.add(parent)
    session.commit()
    assert isinstance(parent.ring, Ring)
    assert {child.name for child in parent.ring} == {"a", "b"}
    parent.ring.take(a)
    session.commit()
    assert parent.ring.kept == [b]


def test_a_subclass_of_list_is_kept_with_its_methods(session: Session) -> None:
    parent = Parent(counted=children("ab"))
    assert isinstance(parent.counted, CountingList)
    session.add(parent)
    session.commit()
    assert sorted(parent.counted.names()) == ["a", "b"]


@pytest.mark.parametrize("name", ["listed", "unordered", "by_name"])
def test_collections_are_loaded_in_their_own_kind(session: Session, name: str) -> None:
    kind = {"listed": list, "unordered": set, "by_name": dict}[name]
    members = children("ab")
    parent = Parent()
    setattr(parent, name, {child.name: child for child in members} if kind is dict else kind(members))
    session.add(parent)
    session.commit()
    session.close()
    loaded = getattr(session.get(Parent, 1), name)
    assert isinstance(loaded, kind)
    assert sorted(child.name for child in (loaded.values() if kind is dict else loaded)) == ["a", "b"]
    if kind is dict:
        assert loaded["a"].name == "a"


def test_assigning_a_collection_takes_its_members_and_drops_the_old_ones() -> None:
    parent = Parent()
    a, b, c = children("abc")
    parent.listed = [a, b]
    old = parent.listed
    given = [b, c]
    parent.listed = given
    assert parent.listed == [b, c]
    assert parent.listed is not old
    assert a.list_parent is None
    given.append(a)
    assert a.list_parent is None
    old.append(Child())  # no longer of the parent
    assert parent.listed == [b, c]


def test_assigning_the_wrong_kind_is_refused() -> None:
    parent = Parent()
    with pytest.raises(TypeError, match="dict"):
        parent.listed = {"a": Child()}
    with pytest.raises(TypeError, match="list"):
        parent.unordered = [Child()]
    with pytest.raises(TypeError, match="set"):
        parent.by_name = {Child()}
    with pytest.raises(TypeError):
        parent.listed = None
    with pytest.raises(TypeError):
        parent.listed = 7
    assert (parent.listed, parent.unordered, parent.by_name) == ([], set(), {})


def test_an_assigned_dictionary_is_keyed_anew() -> None:
    child = Child(name="a")
    parent = Parent(by_name={"x": child})
    assert parent.by_name == {"a": child}


def test_a_key_that_cannot_be_told_is_an_error() -> None:
    parent = Parent()
    with pytest.raises(InvalidRequestError, match="Child"):
        parent.by_name.set(Child())
    assert parent.by_name == {}


def test_dictionaries_by_column_and_by_function(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Word(Own):
        __tablename__ = "word"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
        one_id: Mapped[int | None] = mapped_column(ForeignKey("page.id"))
        two_id: Mapped[int | None] = mapped_column(ForeignKey("page.id"))

    class Page(Own):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        by_column: Mapped[dict[str, Word]] = relationship(
            foreign_keys=Word.one_id, collection_class=column_keyed_dict(Word.__table__.c.text)
        )
        by_length: Mapped[dict[int, Word]] = relationship(
            foreign_keys=Word.two_id, collection_class=keyfunc_mapping(lambda word: len(word.text))
        )

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        page = Page()
        page.by_column["aa"] = Word(text="aa")
        page.by_length[3] = Word(text="bbb")
        session.add(page)
        session.commit()
        assert page.by_column["aa"].text == "aa"
        assert page.by_length[3].text == "bbb"


def test_history_tells_members_added_kept_and_deleted(session: Session) -> None:
    a, b, c = children("abc")
    parent = Parent(listed=[a, b])
    session.add(parent)
    session.commit()
    parent.listed.remove(a)
    parent.listed.append(c)
    added, unchanged, deleted = inspect(parent).attrs.listed.history
    assert (list(added), list(unchanged), list(deleted)) == ([c], [b], [a])
    assert session.is_modified(parent)
    parent.listed.remove(c)
    parent.listed.insert(0, a)
    assert not inspect(parent).attrs.listed.history.has_changes()
    assert not session.is_modified(parent)


def test_a_dynamic_relationship_is_a_query(session: Session) -> None:
    parent = Parent()
    a, b = children("ab")
    parent.dynamic.append(b)
    parent.dynamic.add_all([a])
    session.add(parent)
    session.commit()
    assert [child.name for child in parent.dynamic] == ["a", "b"]
    assert parent.dynamic.filter(Child.name == "b").one() is b
    assert parent.dynamic.count() == 2
    parent.dynamic.remove(a)
    session.flush()
    assert parent.dynamic.all() == [b]


def test_a_write_only_collection_never_loads(session: Session, engine: Engine) -> None:
    parent = Parent()
    a, b, c = children("abc")
    parent.write_only.add(a)
    parent.write_only.add_all([b, c])
    session.add(parent)
    session.commit()
    assert session.scalars(parent.write_only.select()).all() == [a, b, c]
    assert session.scalars(parent.write_only.select().where(Child.name > "a")).all() == [b, c]
    parent.write_only.remove(b)
    session.flush()
    assert session.scalars(parent.write_only.select()).all() == [a, c]
    session.execute(parent.write_only.insert(), [{"name": "z"}])
    assert session.scalars(select(Child.name).where(Child.write_only_id == parent.id).order_by(Child.name)).all() == [
        "a",
        "c",
        "z",
    ]
    with pytest.raises(TypeError):
        iter(parent.write_only)


def test_a_member_twice_in_a_list_is_one_row(session: Session) -> None:
    child = Child(name="a")
    parent = Parent(listed=[child, child])
    session.add(parent)
    session.commit()
    assert parent.listed == [child]


def test_none_in_a_collection_is_refused_by_the_flush(session: Session) -> None:
    parent = Parent()
    parent.listed.append(None)
    session.add(parent)
    with pytest.raises(FlushError, match=r"Parent\.listed"):
        session.flush()
    session.rollback()
    parent.listed.remove(None)
    session.add(parent)
    session.commit()
    assert parent.listed == []


def test_members_change_during_a_walk_over_a_copy(session: Session, engine: Engine) -> None:
    parent = Parent(listed=children("abcd"))
    session.add(parent)
    session.commit()
    with Statements(engine) as sent:
        for child in list(parent.listed):
            if child.name in "bd":
                parent.listed.remove(child)
        session.flush()
    assert len(sent.starting("UPDATE")) <= 2
    assert [child.name for child in parent.listed] == ["a", "c"]


def test_a_list_with_a_setitem_of_its_own_is_asked_for_single_places(engine: Engine) -> None:
    asked: list[Any] = []

    class Noting(list[Any]):
        def __setitem__(self, index: Any, value: Any) -> None:
            asked.append(index)
            super().__setitem__(index, value)

    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "noting_parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children = relationship("Child", collection_class=Noting)

    class Child(Own):
        __tablename__ = "noting_child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("noting_parent.id"))

    first, second, third, fourth = (Child(id=number) for number in range(4))
    parent = Parent(children=[first, second, third])
    asked.clear()
    parent.children[::2] = [fourth, first]
    assert asked == [0, 2]
    assert parent.children == [fourth, second, first]
    parent.children[1:] = [third]
    parent.children[:0] = [second]
    assert parent.children == [second, fourth, third]
    assert asked == [0, 2]


def test_a_member_of_a_keyed_collection_can_move_after_its_key_has_changed(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Shelf(Own):
        __tablename__ = "keyed_shelf"
        id: Mapped[int] = mapped_column(primary_key=True)
        boxes = relationship("Box", collection_class=attribute_keyed_dict("name"), back_populates="shelf")

    class Box(Own):
        __tablename__ = "keyed_box"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        shelf_id: Mapped[int | None] = mapped_column(ForeignKey("keyed_shelf.id"))
        shelf = relationship(Shelf, back_populates="boxes")

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        first, second = Shelf(id=1), Shelf(id=2)
        moving, staying = Box(id=1, name="a", shelf=first), Box(id=2, name="b", shelf=first)
        session.add_all([first, second])
        session.commit()
        assert first.boxes == {"a": moving, "b": staying}
        assert second.boxes == {}
        moving.name = "z"
        moving.shelf = second
        assert (first.boxes, second.boxes) == ({"b": staying}, {"z": moving})
        session.commit()
        assert (first.boxes, second.boxes) == ({"b": staying}, {"z": moving})
        moving.name = "b"
        staying.name = "c"
        first.boxes.remove(staying)
        assert first.boxes == {}
        with pytest.raises(KeyError):
            first.boxes.remove(staying)


@pytest.mark.parametrize("missing", ["appender", "remover", "iterator"])
def test_a_collection_class_without_one_of_its_roles_is_refused(missing: str) -> None:
    roles = {"append": "appender", "remove": "remover", "each": "iterator"}
    names = {
        name: getattr(collection, role)(lambda *arguments: iter(())) for name, role in roles.items() if role != missing
    }

    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "lacking_parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children = relationship("Child", collection_class=type("Lacking", (), names))

    class Child(Own):
        __tablename__ = "lacking_child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("lacking_parent.id"))

    with pytest.raises(ArgumentError, match=f"Lacking.*no {missing}"):
        Parent()
    Own.registry.dispose()


@pytest.fixture
def labelled(engine: Engine) -> Iterator[tuple[Session, Child, Label]]:
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.no_autoflush:
        child, label = Child(name="a"), Label(word="red")
        label.children.append(child)
        session.add(label)
        session.commit()
        yield session, child, label


def test_a_member_appended_again_shows_twice_on_the_unloaded_other_side(labelled: tuple[Session, Child, Label]) -> None:
    session, child, label = labelled
    for times in (2, 3):
        label.children.append(child)
        assert "labels" not in inspect(child).dict
        assert label.children == [child] * times
        assert child.labels == [label, label]
        session.expire(child, ["labels"])
    session.commit()
    assert child.labels == [label]
    assert label.children == [child]


def test_what_was_written_meanwhile_shows_once_on_the_other_side(labelled: tuple[Session, Child, Label]) -> None:
    session, _, label = labelled
    other, parent = Child(name="b"), Parent()
    session.add_all([other, parent])
    session.commit()
    label.children.append(other)
    other.list_parent = parent
    session.flush()
    assert other.labels == [label]
    assert parent.listed == [other]
