"""Relationship attributes in SQL and on objects: comparators, aliases, joins, cascades, write-only collections."""

from __future__ import annotations

import pickle

import pytest
from sqlalchemy import Column as CoreColumn
from sqlalchemy import ForeignKey, Table, create_engine, inspect, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SAWarning

from session import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    Session,
    WriteOnlyMapped,
    aliased,
    backref,
    configure_mappers,
    join,
    mapped_column,
    outerjoin,
    relationship,
    with_parent,
    with_polymorphic,
)
from session.exc import UnmappedInstanceError
from session.mapping.path import Path


class Base(DeclarativeBase):
    pass


liked = Table(
    "liked",
    Base.metadata,
    CoreColumn("user_id", ForeignKey("user.id"), primary_key=True),
    CoreColumn("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    addresses: Mapped[list[Address]] = relationship(
        back_populates="user", cascade="all, delete-orphan", order_by="Address.id"
    )
    tags: Mapped[set[Tag]] = relationship(secondary=liked, back_populates="users")
    notes: WriteOnlyMapped[Note] = relationship(cascade="all, delete-orphan", passive_deletes=True, order_by="Note.id")
    visits: DynamicMapped[Visit] = relationship(order_by="Visit.id", cascade="all")


class Address(Base):
    __tablename__ = "address"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    kind: Mapped[str] = mapped_column(default="plain")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User | None] = relationship(back_populates="addresses")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}


class Office(Address):
    __mapper_args__ = {"polymorphic_identity": "office"}


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    users: Mapped[list[User]] = relationship(secondary=liked, back_populates="tags")


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))


class Visit(Base):
    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Node(Base):
    __tablename__ = "node"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    children: Mapped[list[Node]] = relationship(backref=backref("parent", remote_side=id), cascade="all")


configure_mappers()


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        session.add(
            User(
                id=1,
                name="ed",
                addresses=[Address(id=1, email="a"), Office(id=2, email="b")],
                tags={Tag(id=1)},
            )
        )
        session.add(User(id=2, name="jo"))
        session.commit()
        yield session


def sql(expression):
    return " ".join(str(expression).split())


def where(entity, criterion):
    return sql(select(entity.id).where(criterion)).partition(" WHERE ")[2]


def ids(session, statement):
    return [obj.id for obj in session.scalars(statement)]


# -- comparison ------------------------------------------------------------------------------------


def test_comparison_with_none_is_null_or_no_rows():
    assert where(Address, Address.user == None) == "address.user_id IS NULL"  # noqa: E711
    assert where(Address, Address.user != None) == "address.user_id IS NOT NULL"  # noqa: E711
    assert where(User, User.tags == None).startswith("NOT (EXISTS (SELECT 1 FROM tag, liked")  # noqa: E711


def test_comparison_with_an_object_uses_its_key(session):
    ed = session.get(User, 1)
    assert where(Address, Address.user == ed) == ":param_1 = address.user_id"
    assert where(Address, Address.user != ed) == "address.user_id != :user_id_1 OR address.user_id IS NULL"
    assert ids(session, select(Address).where(Address.user == ed).order_by(Address.id)) == [1, 2]
    assert ids(session, select(Address).where(Address.user != ed)) == []


def test_the_key_is_read_when_the_statement_runs(session):
    ed = User(id=2)
    criterion = Address.user == ed
    ed.id = 1
    assert ids(session, select(Address).where(criterion).order_by(Address.id)) == [1, 2]


def test_the_last_known_key_serves_once_the_object_is_gone(session):
    ed = session.get(User, 1)
    statement = select(Address).where(Address.user == ed).order_by(Address.id)
    session.commit()
    session.expunge_all()
    del ed
    assert ids(session, statement) == [1, 2]


def test_comparison_with_a_keyless_object_warns(session):
    statement = select(Address).where(Address.user == User(id=None))
    with pytest.warns(SAWarning, match="IS NULL"):
        assert ids(session, statement) == []


def test_contains_finds_parents_of_a_member(session):
    address, tag = session.get(Address, 1), session.get(Tag, 1)
    assert ids(session, select(User).where(User.addresses.contains(address))) == [1]
    assert ids(session, select(User).where(User.tags.contains(tag))) == [1]
    assert ids(session, select(User).where(~User.tags.contains(tag))) == [2]


def test_any_and_has_are_exists(session):
    assert where(User, User.addresses.any(Address.email == "a")) == (
        'EXISTS (SELECT 1 FROM address WHERE "user".id = address.user_id AND address.email = :email_1)'
    )
    assert ids(session, select(User).where(User.addresses.any(email="b"))) == [1]
    assert ids(session, select(User).where(~User.addresses.any())) == [2]
    assert ids(session, select(Address).where(Address.user.has(name="ed")).order_by(Address.id)) == [1, 2]


def test_exists_over_the_own_table_takes_an_alias():
    assert where(Node, Node.children.any(Node.id == 3)) == (
        "EXISTS (SELECT 1 FROM node AS node_1 WHERE node.id = node_1.parent_id AND node_1.id = :id_1)"
    )
    other = aliased(Node)
    assert "FROM node WHERE node_1.id = node.parent_id" in where(other, other.children.any())


@pytest.mark.parametrize(
    ("error", "compare"),
    [
        (InvalidRequestError, lambda: User.addresses == Address()),
        (InvalidRequestError, lambda: User.addresses != Address()),
        (InvalidRequestError, lambda: User.addresses.has()),
        (InvalidRequestError, lambda: Address.user.any()),
        (InvalidRequestError, lambda: Address.user.contains(User())),
        (ArgumentError, lambda: Address.user == 3),
        (ArgumentError, lambda: Address.user == User),
        (ArgumentError, lambda: User.addresses.of_type(5)),
        (NotImplementedError, lambda: Address.user.in_([User()])),
        (NotImplementedError, lambda: Address.user < User()),
        (AttributeError, lambda: Address.user.nothing),
        (ArgumentError, lambda: with_parent(User(), "addresses")),
        (UnmappedInstanceError, lambda: with_parent(5, User.addresses)),
    ],
)
def test_what_a_relationship_cannot_be_compared_with(error, compare):
    with pytest.raises(error):
        compare()


# -- joins and aliases -------------------------------------------------------------------------------


def test_join_along_a_relationship():
    assert sql(join(User, Address, User.addresses)) == '"user" JOIN address ON "user".id = address.user_id'
    assert sql(outerjoin(User, Tag, User.tags)) == (
        '"user" LEFT OUTER JOIN (liked AS liked_1 JOIN tag ON tag.id = liked_1.tag_id) ON "user".id = liked_1.user_id'
    )
    other = aliased(Node)
    assert sql(join(Node, other, Node.parent)) == "node JOIN node AS node_1 ON node_1.id = node.parent_id"
    assert sql(join(other, Node, other.parent)) == "node AS node_1 JOIN node ON node.id = node_1.parent_id"


def test_join_limits_to_a_single_table_subclass_and_by_criteria(session):
    office = aliased(Office)
    statement = select(User).select_from(join(User, office, User.addresses.of_type(office)))
    assert "address_1.kind IN" in sql(statement)
    assert ids(session, statement) == [1]
    statement = select(Address).select_from(User).join(User.addresses.and_(Address.email == "b"))
    assert ids(session, statement) == [2]


def test_attributes_of_an_alias():
    other = aliased(User, name="other")
    assert sql(other.name == "x") == "other.name = :name_1"
    assert inspect(other).mapper is inspect(User)
    assert inspect(other).name == "other"
    assert other.addresses.property is User.addresses.property
    assert sql(select(other.id).where(other.addresses)) == (
        'SELECT other.id FROM "user" AS other, address WHERE other.id = address.user_id'
    )
    with pytest.raises(AttributeError):
        other.nothing  # noqa: B018


def test_alias_of_a_subquery_and_of_that():
    inner = select(User).where(User.name == "ed").subquery("eds")
    ed = aliased(User, inner)
    again = aliased(ed, name="again")
    assert sql(select(ed.id)).startswith("SELECT eds.id FROM (SELECT")
    assert sql(select(again.id)).startswith("SELECT again.id FROM (SELECT")


def test_alias_of_a_table_is_cores():
    assert aliased(User.__table__, name="u").name == "u"
    with pytest.raises(ArgumentError):
        aliased(User.__table__, adapt_on_names=True)


def test_an_alias_lives_as_long_as_its_inspection():
    insp = inspect(aliased(User))
    assert insp.entity.__name__ == "aliased(User)"
    assert inspect(insp.entity) is insp


def test_with_polymorphic_gives_subclasses_as_attributes():
    both = with_polymorphic(Address, [Office], aliased=True)
    assert inspect(both.Office).mapper is inspect(Office)
    assert inspect(both).entity_for(inspect(Office)) is inspect(both.Office)
    assert sql(both.Office.email == "x") == "address_1.email = :email_1"
    with pytest.raises(InvalidRequestError):
        with_polymorphic(Address, [User])


def test_with_parent_finds_the_related_rows(session):
    ed = session.get(User, 1)
    assert ids(session, select(Address).where(with_parent(ed, User.addresses)).order_by(Address.id)) == [1, 2]
    assert ids(session, select(Tag).where(with_parent(ed, User.tags))) == [1]
    other = aliased(Address)
    assert sql(with_parent(ed, User.addresses.of_type(other))) == ":param_1 = address_1.user_id"


# -- paths -------------------------------------------------------------------------------------------


def test_paths_are_one_of_a_kind_and_pickle():
    path = Path.root(inspect(User))[User.addresses.property][inspect(Address)]
    assert path is Path.of(inspect(User), User.addresses.property, inspect(Address))
    assert pickle.loads(pickle.dumps(path)) is path
    assert (path.length, path.entity, path.prop) == (3, inspect(Address), User.addresses.property)
    assert path.parent.parent is Path.root(inspect(User))
    assert path.starts_with(path.parent)
    assert not path.parent.starts_with(path)
    assert list(path.pairs()) == [(inspect(User), User.addresses.property), (inspect(Address), None)]


def test_paths_through_aliases():
    other = inspect(aliased(Node))
    path = Path.root(inspect(Node)).child(Node.children.property, other)
    assert path.unaliased() == Path.of(inspect(Node), Node.children.property, inspect(Node))
    assert path.contains_mapper(inspect(Node))
    assert path.child(Node.children.property, other).times_through(Node.children.property) == 2


# -- cascades ----------------------------------------------------------------------------------------


def test_added_objects_follow_into_the_session(session):
    ed = session.get(User, 1)
    address = Address()
    ed.addresses.append(address)
    assert address in session.new
    tag = Tag()
    address.user.tags.add(tag)
    assert tag in session.new


def test_the_other_side_does_not_bring_an_object_in(session):
    address = Address()
    address.user = session.get(User, 1)
    assert address not in session
    assert address in address.user.addresses


def test_a_pending_orphan_leaves_and_a_persistent_one_is_deleted(session):
    ed = session.get(User, 1)
    new = Address()
    ed.addresses.append(new)
    ed.addresses.remove(new)
    assert new not in session
    old = ed.addresses.pop()
    session.flush()
    assert inspect(old).deleted


def test_cascades_do_not_recurse(session):
    root = last = Node(id=1)
    for key in range(2, 3000):
        child = Node(id=key)
        last.children.append(child)
        last = child
    session.add(root)
    assert len(session.new) == 2999
    session.expunge(root)
    assert not session.new


def test_merge_goes_along_relationships(session):
    outside = User(id=1, name="new", addresses=[Address(id=1, email="changed"), Address(id=9)])
    merged = session.merge(outside)
    assert merged is session.get(User, 1)
    assert [address.id for address in merged.addresses] == [1, 9]
    assert merged.addresses[0].email == "changed"
    session.flush()
    assert ids(session, select(Address).order_by(Address.id)) == [1, 9]


def test_merge_of_a_cycle_without_load(session):
    ed = session.get(User, 1)
    assert {address.user for address in ed.addresses} == {ed}
    with Session(session.get_bind()) as other:
        copy = other.merge(ed, load=False)
        assert [address.user for address in copy.addresses] == [copy, copy]
        assert not other.dirty


# -- collections that stay in the database -----------------------------------------------------------


def test_write_only_collection(session):
    ed = session.get(User, 1)
    ed.notes.add_all([Note(id=1, text="x"), Note(id=2)])
    session.flush()
    assert ids(session, ed.notes.select()) == [1, 2]
    assert ids(session, ed.notes.select().where(Note.text == "x")) == [1]
    ed.notes.remove(session.get(Note, 1))
    session.flush()
    assert ids(session, ed.notes.select()) == [2]
    session.execute(ed.notes.insert(), [{"id": 5}, {"id": 6}])
    session.execute(ed.notes.update().values(text="all"))
    assert session.scalars(select(Note.text)).all() == ["all", "all", "all"]
    session.execute(ed.notes.delete())
    assert ids(session, ed.notes.select()) == []


def test_write_only_collection_is_not_iterated_or_replaced(session):
    ed = session.get(User, 1)
    with pytest.raises(TypeError, match="select"):
        list(ed.notes)
    with pytest.raises(InvalidRequestError, match="add_all"):
        ed.notes = [Note()]
    fresh = User(id=4, notes=[Note(id=7)])
    session.add(fresh)
    session.flush()
    assert ids(session, fresh.notes.select()) == [7]


def test_dynamic_collection(session):
    fresh = User(id=3)
    fresh.visits.append(Visit(id=1))
    assert [visit.id for visit in fresh.visits] == [1]
    session.add(fresh)
    fresh.visits.add_all([Visit(id=2), Visit(id=3)])
    session.commit()
    assert fresh.visits.count() == 3
    assert [visit.id for visit in fresh.visits.filter(Visit.id > 1)] == [2, 3]
    fresh.visits.remove(fresh.visits[0])
    session.flush()
    assert [visit.id for visit in fresh.visits] == [2, 3]
    session.delete(fresh)
    session.flush()
    assert ids(session, select(Visit)) == [1]
