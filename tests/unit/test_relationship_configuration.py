"""What relationship() makes of its arguments when mappers are configured, and what it refuses."""

from __future__ import annotations

import warnings

import pytest
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, String, Table, event, inspect
from sqlalchemy.exc import (
    AmbiguousForeignKeysError,
    ArgumentError,
    InvalidRequestError,
    NoForeignKeysError,
    SAWarning,
)

from session.constants import MANYTOMANY, MANYTOONE, ONETOMANY
from session.exc import LoaderStrategyException
from session.mapping.aliased import aliased
from session.mapping.configure import configure_mappers
from session.mapping.declarative import DeclarativeBase, declarative_base
from session.mapping.events import EXT_SKIP
from session.mapping.mapped import Mapped
from session.mapping.mapped_column import mapped_column
from session.mapping.relationship import backref, foreign, relationship, remote


def classes(a=None, b=None, foreign_keys="a_id"):
    """Map classes A and B with the given relationships, and configure them."""
    base = declarative_base()
    Table(
        "a_b",
        base.metadata,
        Column("a_id", ForeignKey("a.id"), primary_key=True),
        Column("b_id", ForeignKey("b.id"), primary_key=True),
    )
    shape = {"__tablename__": "a", "id": Column(Integer, primary_key=True), "x": Column(Integer)}
    first = type("A", (base,), {**shape, **(a or {})})
    shape = {"__tablename__": "b", "id": Column(Integer, primary_key=True), "y": Column(Integer)}
    shape.update({name: Column(ForeignKey("a.id")) for name in foreign_keys.split()})
    second = type("B", (base,), {**shape, **(b or {})})
    try:
        configure_mappers()
    except Exception:
        base.registry.dispose()
        raise
    return first, second


def test_two_directions_by_back_populates_know_each_other():
    a, b = classes(
        {"bs": relationship("B", back_populates="a")},
        {"a": relationship("A", back_populates="bs")},
    )
    bs, up = a.bs.property, b.a.property
    assert (bs.direction, bs.uselist, up.direction, up.uselist) == (ONETOMANY, True, MANYTOONE, False)
    assert bs.reverse_properties == {up}
    assert up.reverse_properties == {bs}
    assert up.use_get
    assert up.get_pairs == ((b.__table__.c.a_id, a.__table__.c.id),)
    assert not bs.use_get


def test_backref_makes_the_other_direction_with_its_arguments():
    a, b = classes({"bs": relationship("B", backref=backref("a", lazy="joined"))})
    up = b.a.property
    assert up.direction is MANYTOONE
    assert up.lazy == "joined"
    assert up.back_populates == "bs"
    assert a.bs.property.back_populates == "a"


def test_backref_of_a_self_reference_goes_the_other_way():
    base = declarative_base()

    class Node(base):
        __tablename__ = "node"
        id = Column(Integer, primary_key=True)
        parent_id = Column(ForeignKey("node.id"))
        children = relationship("Node", backref=backref("parent", remote_side=id))

    configure_mappers()
    assert Node.children.property.direction is ONETOMANY
    assert Node.parent.property.direction is MANYTOONE
    assert Node.parent.property.use_get


def test_backref_over_a_secondary_table_exchanges_the_joins():
    _, b = classes({"bs": relationship("B", secondary="a_b", backref="aa")}, foreign_keys="")
    assert b.aa.property.direction is MANYTOMANY
    assert str(b.aa.property.primaryjoin) == "b.id = a_b.b_id"
    assert str(b.aa.property.secondaryjoin) == "a.id = a_b.a_id"


def test_backref_of_a_graph_binds_the_other_end():
    base = declarative_base()
    edge = Table("edge", base.metadata, Column("tail", ForeignKey("node.id")), Column("head", ForeignKey("node.id")))

    class Node(base):
        __tablename__ = "node"
        id = Column(Integer, primary_key=True)
        after = relationship(
            "Node", secondary=edge, primaryjoin=id == edge.c.tail, secondaryjoin=id == edge.c.head, backref="before"
        )

    configure_mappers()
    assert str(Node.after.property.lazy_clause().criterion) == ":param_1 = edge.tail AND node.id = edge.head"
    assert str(Node.before.property.lazy_clause().criterion) == ":param_1 = edge.head AND node.id = edge.tail"


def test_annotations_give_target_and_collection():
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owner"
        id: Mapped[int] = mapped_column(primary_key=True)
        things: Mapped[set[Thing]] = relationship(back_populates="owner")
        jewel: Mapped[Jewel | None] = relationship(back_populates="owner")

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))
        owner: Mapped[Owner] = relationship(back_populates="things")

    class Jewel(Base):
        __tablename__ = "jewel"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))
        owner: Mapped[Owner] = relationship(back_populates="jewel")

    configure_mappers()
    assert Owner.things.property.collection_class is set
    assert Owner.jewel.property.uselist is False
    assert Owner.jewel.property.direction is ONETOMANY
    owner, jewel = Owner(), Jewel()
    owner.jewel = jewel
    assert jewel.owner is owner
    thing = Thing(owner=owner)
    assert owner.things == {thing}


def test_strings_and_functions_are_resolved_late():
    a, b = _late()
    assert str(a.some.property.primaryjoin) == "a.id = b.a_id AND b.y > :y_1"
    assert [str(part) for part in a.some.property.order_by] == ["b.y DESC", "b.id"]
    assert a.others.property.local_remote_pairs == [(a.__table__.c.id, b.__table__.c.y)]


def _late():
    known = {}
    known["a"], known["b"] = classes(
        {
            "some": relationship(
                "B", primaryjoin="and_(A.id == B.a_id, B.y > 5)", viewonly=True, order_by="B.y.desc(), B.id"
            ),
        },
    )
    known["a"].others = relationship(
        lambda: known["b"], primaryjoin=lambda: known["a"].id == foreign(known["b"].y), viewonly=True
    )
    return known["a"], known["b"]


def test_composite_key_is_looked_up_in_the_order_of_the_primary_key():
    base = declarative_base()

    class Two(base):
        __tablename__ = "two"
        first = Column(Integer, primary_key=True)
        second = Column(Integer, primary_key=True)

    class Sub(base):
        __tablename__ = "sub"
        id = Column(Integer, primary_key=True)
        s = Column(Integer)
        f = Column(Integer)
        __table_args__ = (ForeignKeyConstraint(["s", "f"], ["two.second", "two.first"]),)
        two = relationship(Two)

    configure_mappers()
    columns = Sub.__table__.c
    assert Sub.two.property.get_pairs == (
        (columns.f, Two.__table__.c.first),
        (columns.s, Two.__table__.c.second),
    )


@pytest.mark.parametrize(
    "primaryjoin",
    [
        "and_(A.id == foreign(B.a_id), A.x == 5)",
        "A.x == foreign(B.a_id)",
        "A.id == cast(foreign(B.y), String)",
        "A.id >= foreign(B.a_id)",
    ],
)
def test_a_target_that_is_not_found_by_its_key_alone_is_not_got_by_key(primaryjoin):
    _, b = classes(b={"a": relationship("A", primaryjoin=primaryjoin, viewonly=True)})
    assert b.a.property.direction is MANYTOONE
    assert not b.a.property.use_get


def test_a_key_of_another_kind_is_not_got_by_key():
    base = declarative_base()

    class Target(base):
        __tablename__ = "target"
        id = Column(Integer, primary_key=True)

    class Source(base):
        __tablename__ = "source"
        id = Column(Integer, primary_key=True)
        text = Column(String)
        target = relationship(Target, primaryjoin=lambda: foreign(Source.text) == Target.id)

    configure_mappers()
    assert not Source.target.property.use_get


def test_relationship_to_an_alias_of_a_class():
    a, b = classes()
    other = aliased(b, b.__table__.select().where(b.__table__.c.y > 5).subquery("big"))
    a.big = relationship(other, primaryjoin=lambda: a.id == foreign(other.a_id), viewonly=True)
    configure_mappers()
    prop = a.big.property
    assert prop.entity is inspect(other)
    assert prop.mapper is inspect(b)
    assert str(prop.primaryjoin) == "a.id = big.a_id"


@pytest.mark.parametrize(
    ("error", "text", "a", "b", "keys"),
    [
        (NoForeignKeysError, r"A\.bs.*primaryjoin", {"bs": lambda: relationship("B")}, {}, ""),
        (AmbiguousForeignKeysError, r"A\.bs.*foreign_keys", {"bs": lambda: relationship("B")}, {}, "f g"),
        (InvalidRequestError, r"A\.bs", {"bs": lambda: relationship("Nobody")}, {}, "a_id"),
        (ArgumentError, r"A\.bs", {"bs": lambda: relationship(5)}, {}, "a_id"),
        (ArgumentError, r"A\.bs", {"bs": lambda: relationship()}, {}, "a_id"),
        (
            InvalidRequestError,
            r"A\.bs.*'a'",
            {"bs": lambda: relationship("B", back_populates="a")},
            {},
            "a_id",
        ),
        (
            InvalidRequestError,
            "no relationship",
            {"bs": lambda: relationship("B", back_populates="y")},
            {},
            "a_id",
        ),
        (ArgumentError, "backref 'y'", {"bs": lambda: relationship("B", backref="y")}, {}, "a_id"),
        (
            ArgumentError,
            "single_parent",
            {},
            {"a": lambda: relationship("A", cascade="all, delete-orphan")},
            "a_id",
        ),
        (
            ArgumentError,
            "single_parent",
            {"bs": lambda: relationship("B", secondary="a_b", cascade="all, delete-orphan")},
            {},
            "",
        ),
        (
            ArgumentError,
            "passive_deletes",
            {"bs": lambda: relationship("B", passive_deletes="all", cascade="all")},
            {},
            "a_id",
        ),
        (
            InvalidRequestError,
            "dynamic",
            {},
            {"a": lambda: relationship("A", lazy="dynamic")},
            "a_id",
        ),
        (
            ArgumentError,
            "secondary=",
            {"bs": lambda: relationship("B", secondaryjoin="A.id == B.a_id")},
            {},
            "a_id",
        ),
        (
            ArgumentError,
            "Table itself",
            {"bs": lambda: relationship("B", secondary="B")},
            {},
            "a_id",
        ),
        (
            ArgumentError,
            "secondaryjoin",
            {"bs": lambda: relationship("B", backref=backref("a", secondaryjoin=Column("q") == 5))},
            {},
            "a_id",
        ),
        (
            InvalidRequestError,
            "sync_backref",
            {"bs": lambda: relationship("B", back_populates="a", sync_backref=True)},
            {"a": lambda: relationship("A", viewonly=True, back_populates="bs")},
            "a_id",
        ),
    ],
)
def test_contradictions_are_refused_when_mappers_are_configured(error, text, a, b, keys):
    with pytest.raises(error, match=text):
        classes({name: make() for name, make in a.items()}, {name: make() for name, make in b.items()}, keys)


def test_both_directions_the_same_is_refused():
    base = declarative_base()

    class Node(base):
        __tablename__ = "node"
        id = Column(Integer, primary_key=True)
        parent_id = Column(ForeignKey("node.id"))
        children = relationship("Node", back_populates="parent")
        parent = relationship("Node", back_populates="children")

    with pytest.raises(ArgumentError, match="remote_side"):
        configure_mappers()
    base.registry.dispose()


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ArgumentError, {"backref": "a", "back_populates": "a"}),
        (ArgumentError, {"cascade": "save"}),
        (ArgumentError, {"viewonly": True, "sync_backref": True}),
        (ArgumentError, {"cascade_backrefs": True}),
        (ArgumentError, {"innerjoin": "sideways"}),
        (LoaderStrategyException, {"lazy": "sometimes"}),
        (TypeError, {"unheard_of": 1}),
    ],
)
def test_contradictions_are_refused_at_once(error, arguments):
    with pytest.raises(error):
        relationship("B", **arguments)


def test_errors_carry_the_codes_of_their_documentation():
    with pytest.raises(ArgumentError) as caught:
        relationship("B", cascade_backrefs=True)
    assert caught.value.code == "s9r1"
    with pytest.raises(ArgumentError) as caught:
        classes({}, {"a": relationship("A", cascade="all, delete-orphan")})
    assert caught.value.code == "bbf0"
    a, b = classes(b={"a": relationship("A", cascade="all, delete-orphan", single_parent=True)})
    parent = a()
    held = b(a=parent)
    with pytest.raises(InvalidRequestError) as caught:
        b(a=parent)
    assert caught.value.code == "bbf1"
    assert held.a is parent


def test_two_writers_of_one_column_are_warned_of():
    with pytest.warns(SAWarning, match=r'A\.more.*overlaps="bs"'):
        classes({"bs": relationship("B"), "more": relationship("B")})


@pytest.mark.parametrize("silencer", [{"overlaps": "bs"}, {"viewonly": True}])
def test_two_writers_that_are_accounted_for_are_not_warned_of(silencer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classes({"bs": relationship("B"), "more": relationship("B", **silencer)})


def test_arguments_about_writing_are_warned_of_for_viewonly():
    with pytest.warns(SAWarning, match="passive_deletes"):
        relationship("B", viewonly=True, passive_deletes=True)


def test_viewonly_keeps_only_the_cascades_that_read():
    assert set(relationship("B", viewonly=True).cascade) == {"merge"}
    assert set(relationship("B", viewonly=True, cascade="all").cascade) == {
        "merge", "expunge", "refresh-expire",
    }  # fmt: skip


def test_one_parent_only():
    _, b = classes(b={"a": relationship("A", cascade="all, delete-orphan", single_parent=True)})
    a = b.a.property.mapper.class_
    shared = a()
    b(a=shared)
    with pytest.raises(InvalidRequestError, match=r"B\.a"):
        b(a=shared)


def test_viewonly_side_is_not_kept_in_step():
    a, b = classes(
        {"bs": relationship("B", viewonly=True, back_populates="a")},
        {"a": relationship("A", back_populates="bs")},
    )
    parent, child = a(), b()
    parent.bs.append(child)
    assert child.a is None
    child.a = parent
    assert parent.bs == [child]
    assert not inspect(a()).modified


def test_a_relationship_added_later_works():
    a, b = classes()
    a.bs = relationship(b)
    b.parent = relationship(a, back_populates="bs", overlaps="bs")
    child = b()
    a(bs=[child])
    assert a.bs.property.direction is ONETOMANY


def test_remote_on_an_expression_marks_its_columns():
    a, b = classes()
    a.near = relationship(b, primaryjoin=a.x + 1 == remote(foreign(b.y)), viewonly=True)
    assert a.near.property.local_remote_pairs == [(a.__table__.c.x, b.__table__.c.y)]


def test_a_new_class_of_a_registry_that_another_one_refers_to_concerns_both():
    ours, theirs = declarative_base(), declarative_base()

    class User(ours):
        __tablename__ = "users"
        id = Column(Integer, primary_key=True)

    class Animal(theirs):
        __tablename__ = "animal"
        id = Column(Integer, primary_key=True)
        kind = Column(String)
        user_id = Column(ForeignKey(User.__table__.c.id))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    configure_mappers()
    inspect(User).add_property("animals", relationship(Animal))

    class Mammal(Animal):
        nonexistent = relationship("Nonexistent")
        __mapper_args__ = {"polymorphic_identity": "mammal"}

    try:
        with pytest.raises(InvalidRequestError):
            inspect(User).ensure_configured()

        @event.listens_for(theirs, "before_mapper_configured", propagate=True, retval=True)
        def skip(mapper, class_):
            return EXT_SKIP

        inspect(Mammal).configure_error = None
        inspect(User).ensure_configured()
        assert not inspect(Mammal).configured
    finally:
        ours.registry.dispose(cascade=True)
        theirs.registry.dispose(cascade=True)


def test_to_ask_for_the_property_of_a_relationship_configures_the_mappers():
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owner"
        id: Mapped[int] = mapped_column(primary_key=True)
        things: Mapped[list[Thing]] = relationship()

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))

    assert Owner.things.prop is Owner.__mapper__.get_property("things")
    assert not Owner.__mapper__.configured
    assert Owner.things.property.direction is ONETOMANY
    assert str(Owner.things.property.primaryjoin) == "owner.id = thing.owner_id"
    assert Owner.__mapper__.configured


@pytest.mark.parametrize(
    "given",
    [
        {"foreign_keys": "Kid.parent_id"},
        {"remote_side": "Parent.id"},
        {"foreign_keys": "Kid.parent_id", "remote_side": "Parent.id"},
        {"foreign_keys": None},
    ],
)
@pytest.mark.parametrize("condition", [None, "Parent.id == Kid.parent_id"])
def test_a_backref_with_columns_of_its_own_leads_back(given, condition):
    class Base(DeclarativeBase):
        pass

    class Parent(Base):
        __tablename__ = "parent"
        id = mapped_column(Integer, primary_key=True)
        favourite_id = mapped_column(ForeignKey("kid.id"))
        kids = relationship(
            "Kid", primaryjoin=condition, foreign_keys="Kid.parent_id", backref=backref("parent", **given)
        )

    class Kid(Base):
        __tablename__ = "kid"
        id = mapped_column(Integer, primary_key=True)
        parent_id = mapped_column(ForeignKey("parent.id", use_alter=True, name="to_parent"))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Base.registry.configure()
    back = inspect(Kid).relationships["parent"]
    assert back.direction is MANYTOONE
    assert set(back.local_columns) == {Kid.__table__.c.parent_id}
    assert set(back.remote_side) == {Parent.__table__.c.id}
