"""Declarative classes: columns, mixins, bases, inheritance, and what their mistakes say."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    case,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoForeignKeysError, SAWarning

from session import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    Mapper,
    add_mapped_attribute,
    as_declarative,
    class_mapper,
    column_property,
    configure_mappers,
    declarative_base,
    declared_attr,
    deferred,
    has_inherited_table,
    mapped_column,
    object_mapper,
    registry,
    relationship,
    synonym,
    validates,
)
from session.exc import MappedAnnotationError, UnmappedClassError, UnmappedColumnError, UnmappedInstanceError


@pytest.fixture
def base() -> Any:
    class Base(DeclarativeBase):
        pass

    return Base


def columns_of(cls: Any) -> list[str]:
    return list(cls.__table__.c.keys())


# ---- columns and order --------------------------------------------------------


def test_columns_come_in_the_order_of_the_body_then_those_of_mixins(base: Any) -> None:
    class Stamped:
        created: Mapped[str]

        @declared_attr
        def changed(cls) -> Mapped[str]:
            return mapped_column(String)

    class User(Stamped, base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]
        first = mapped_column(Integer, sort_order=-1)
        plain = Column(Integer)
        late: Mapped[str] = deferred(mapped_column())

    expected = ["first", "id", "name", "plain", "late", "created", "changed"]
    assert columns_of(User) == expected
    assert inspect(User).attrs.keys() == expected
    assert inspect(User).attrs.late.deferred


def test_a_column_may_have_another_name_than_its_attribute(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column("user_id", primary_key=True)

    assert columns_of(User) == ["user_id"]
    assert User(id=3).id == 3
    assert inspect(User).get_property_by_column(User.__table__.c.user_id).key == "id"


def test_an_attribute_is_sql_on_the_class(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column()
        loud = column_property(func.upper(name))
        nick = synonym("name")

    assert str(select(User.id).where(User.name == "x")).split("WHERE ")[1] == '"user".name = :name_1'
    assert str(User.nick == "x") == '"user".name = :name_1'
    assert "upper" in str(select(User.loud))


def test_each_class_has_its_own_copy_of_a_mixins_column(base: Any) -> None:
    class Keyed:
        id: Mapped[int] = mapped_column(primary_key=True)
        owner = mapped_column(ForeignKey("owner.id"))

    class A(Keyed, base):
        __tablename__ = "a"

    class B(Keyed, base):
        __tablename__ = "b"

    assert A.__table__.c.owner is not B.__table__.c.owner
    assert [key.target_fullname for key in B.__table__.c.owner.foreign_keys] == ["owner.id"]


def test_directives_of_a_mixin_are_asked_for_each_class(base: Any) -> None:
    class Named:
        uid = mapped_column(Integer)

        @declared_attr.directive
        def __tablename__(cls) -> str:
            return cls.__name__.lower()

        @declared_attr.directive
        def __table_args__(cls) -> Any:
            unique = () if has_inherited_table(cls) else (UniqueConstraint("uid"),)
            return (*unique, {"info": {"of": cls.__name__}})

        @declared_attr.cascading
        def id(cls) -> Mapped[int]:
            if has_inherited_table(cls):
                return mapped_column(ForeignKey("parent.id"), primary_key=True)
            return mapped_column(primary_key=True)

    class Parent(Named, base):
        pass

    class Child(Parent):
        pass

    assert Parent.__table__.info == {"of": "Parent"}
    assert columns_of(Parent) == ["uid", "id"]
    assert (Child.__tablename__, columns_of(Child)) == ("child", ["id"])
    assert str(inspect(Child).inherit_condition) == "parent.id = child.id"


def test_table_args_may_name_columns_of_the_body(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column("full_name")
        __table_args__ = (Index("ix_name", name), {"comment": "people"})

    assert [index.name for index in User.__table__.indexes] == ["ix_name"]
    assert User.__table__.comment == "people"


def test_a_table_can_be_given_as_it_is(base: Any) -> None:
    class User(base):
        __table__ = Table("user", base.metadata, Column("id", Integer, primary_key=True), Column("x", Integer))
        __mapper_args__: ClassVar[Any] = {"exclude_properties": ["x"], "column_prefix": "_"}

    assert inspect(User).attrs.keys() == ["_id"]


def test_an_abstract_class_is_not_mapped_and_hands_on_its_columns(base: Any) -> None:
    class Keyed(base):
        __abstract__ = True
        id: Mapped[int] = mapped_column(primary_key=True)

    class User(Keyed):
        __tablename__ = "user"

    assert columns_of(User) == ["id"]
    with pytest.raises(UnmappedClassError):
        class_mapper(Keyed)


def test_attributes_set_later_are_mapped(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    configure_mappers()
    User.age = mapped_column(Integer)
    User.older = column_property(User.__table__.c.age + 1)
    User.unmapped = 5
    assert columns_of(User) == ["id", "age"]
    assert User(age=4).age == 4
    assert inspect(User).attrs.keys() == ["id", "age", "older"]
    with pytest.raises(NotImplementedError):
        del User.age


def test_a_base_without_metaclass_adds_attributes_by_function() -> None:
    class Base(DeclarativeBaseNoMeta):
        pass

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    add_mapped_attribute(User, "age", mapped_column(Integer))
    assert columns_of(User) == ["id", "age"]


def test_older_ways_to_make_a_base() -> None:
    Base = declarative_base()

    @as_declarative()
    class Other:
        def greeting(self) -> str:
            return "hello"

    reg = registry()
    for parent, args in ((Base, {}), (Other, {}), (reg.generate_base(), {})):
        cls = type(parent)(
            "User", (parent,), {"__tablename__": "user", "id": Column(Integer, primary_key=True), **args}
        )
        assert cls(id=1).id == 1
    assert cls.registry is reg


def test_a_registry_decorates_and_maps_imperatively() -> None:
    reg = registry()

    @reg.mapped
    class User:
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    table = Table("plain", reg.metadata, Column("id", Integer, primary_key=True), Column("data", String))

    class Plain:
        def __init__(self, value: str) -> None:
            self.value = value

    mapper = reg.map_imperatively(Plain, table, properties={"value": table.c.data, "same": synonym("value")})
    assert User(id=1).id == 1
    assert Plain("x").same == "x"
    assert mapper.attrs.keys() == ["same", "id", "value"]
    assert reg.mappers == {mapper, inspect(User)}


def test_disposing_of_a_registry_makes_classes_plain_and_mappable_again() -> None:
    reg = registry()
    table = Table("plain", reg.metadata, Column("id", Integer, primary_key=True))

    class Plain:
        pass

    reg.map_imperatively(Plain, table)
    reg.dispose()
    assert not hasattr(Plain, "id")
    assert not hasattr(Plain, "__mapper__")
    reg.map_imperatively(Plain, table)
    assert hasattr(Plain, "id")


# ---- inheritance -----------------------------------------------------------------


def test_joined_and_single_table_inheritance(base: Any) -> None:
    class Person(base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__: ClassVar[Any] = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    class Engineer(Person):
        __tablename__ = "engineer"
        id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
        language: Mapped[str]
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "engineer"}

    class Boss(Person):
        golf: Mapped[int | None] = mapped_column(use_existing_column=True)
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "boss"}

    class Owner(Person):
        golf: Mapped[int | None] = mapped_column(use_existing_column=True)
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "owner"}

    person, engineer, boss = inspect(Person), inspect(Engineer), inspect(Boss)
    assert [str(c) for c in engineer.attrs.id.columns] == ["engineer.id", "person.id"]
    assert engineer.primary_key == person.primary_key
    assert str(engineer.selectable) == "person JOIN engineer ON person.id = engineer.id"
    assert [table.name for table in engineer.sorted_tables] == ["person", "engineer"]
    assert engineer.pk_of_table[Engineer.__table__] == (Engineer.__table__.c.id,)
    assert boss.single
    assert not engineer.single
    assert "person.kind IN" in str(boss.single_criterion())
    assert engineer.single_criterion() is None
    assert Boss.__table__ is Person.__table__
    assert columns_of(Person) == ["id", "kind", "golf"]
    assert person.polymorphic_map == {"person": person, "engineer": engineer, "boss": boss, "owner": inspect(Owner)}
    assert Engineer(language="x").kind == "engineer"
    assert person.self_and_descendants == (person, engineer, boss, inspect(Owner))
    assert inspect(Owner).isa(person)
    assert boss.is_sibling(engineer)
    assert person.equivalent_columns[Person.__table__.c.id] == {Engineer.__table__.c.id}


def test_single_table_subclasses_do_not_see_each_others_columns(base: Any) -> None:
    class Thing(base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__: ClassVar[Any] = {"polymorphic_on": "kind", "polymorphic_abstract": True}

    class A(Thing):
        a: Mapped[int | None]
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "a"}

    class B(Thing):
        b: Mapped[int | None]
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "b"}

    assert inspect(B).attrs.keys() == ["id", "kind", "b"]
    with pytest.raises(InvalidRequestError, match="polymorphic_abstract"):
        Thing()


def test_with_polymorphic_selects_from_all_tables(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id = mapped_column(Integer, primary_key=True)
        t = Column(String)
        __mapper_args__: ClassVar[Any] = {"polymorphic_on": t, "with_polymorphic": "*", "polymorphic_identity": "p"}

    class C(P):
        __tablename__ = "c"
        id = mapped_column(ForeignKey("p.id"), primary_key=True)
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "c"}

    class D(C):
        __tablename__ = "d"
        id = mapped_column(ForeignKey("c.id"), primary_key=True)
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "d", "polymorphic_load": "inline"}

    assert str(inspect(P).selectable) == "p LEFT OUTER JOIN c ON p.id = c.id LEFT OUTER JOIN d ON c.id = d.id"
    assert inspect(C).with_polymorphic_mappers == [inspect(C), inspect(D)]
    assert inspect(D).with_polymorphic_mappers == []


def test_a_concrete_subclass_has_only_its_own_columns(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        a: Mapped[str]

    class C(P):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(primary_key=True)
        b: Mapped[str]
        __mapper_args__: ClassVar[Any] = {"concrete": True}

    assert inspect(C).attrs.keys() == ["id", "b"]
    assert inspect(C).primary_key == (C.__table__.c.id,)
    with pytest.raises(AttributeError, match=r"C\.a"):
        C().a  # noqa: B018
    with pytest.raises(AttributeError, match=r"C\.a"):
        C(a="x")


def test_the_discriminator_may_be_an_expression(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id = mapped_column(Integer, primary_key=True)
        k = mapped_column(String)
        __mapper_args__: ClassVar[Any] = {
            "polymorphic_on": case((k == "x", "a"), else_="b"),
            "polymorphic_identity": "b",
        }

    class C(P):
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "a"}

    assert "CASE WHEN" in str(inspect(C).polymorphic_on)
    assert "CASE WHEN" in str(inspect(C).single_criterion())
    assert C().k is None


def test_a_version_column_is_inherited(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        version: Mapped[int] = mapped_column()
        __mapper_args__: ClassVar[Any] = {"version_id_col": version}

    class C(P):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(ForeignKey("p.id"), primary_key=True)

    assert inspect(C).version_id_col is P.__table__.c.version
    assert inspect(C).version_id_generator(None) == 1
    assert inspect(C).version_id_generator(4) == 5


# ---- validators, events, lookups ------------------------------------------------


def test_validators_see_values_and_subclasses_override_them(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

        @validates("name")
        def check(self, key: str, value: str) -> str:
            return f"{key}:{value}"

    class Q(P):
        @validates("name")
        def check(self, key: str, value: str) -> str:
            return value.upper()

    class R(P):
        pass

    assert (P(name="a").name, Q(name="a").name, R(name="a").name) == ("name:a", "A", "name:a")


def test_a_validator_of_a_collection_sees_each_element_once(base: Any) -> None:
    seen: list[Any] = []

    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list[C]] = relationship(back_populates="parent")

        @validates("children", include_removes=True)
        def check(self, key: str, value: Any, is_remove: bool) -> Any:
            seen.append((value.id, is_remove))
            return value

    class C(base):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(primary_key=True)
        p_id: Mapped[int] = mapped_column(ForeignKey("p.id"))
        parent: Mapped[P] = relationship(back_populates="children")

    first, second, third = C(id=1), C(id=2), C(id=3)
    parent = P(children=[first])
    parent.children.append(second)
    third.parent = parent
    parent.children.remove(first)
    assert seen == [(1, False), (2, False), (3, False), (1, True)]


def test_mapper_events_reach_classes_mapped_before_and_after(base: Any) -> None:
    log: list[Any] = []

    class Mixin:
        pass

    for name in ("instrument_class", "after_mapper_constructed", "before_mapper_configured", "mapper_configured"):
        event.listen(Mixin, name, lambda m, cls, name=name: log.append((name, cls.__name__)), propagate=True)
    event.listen(Mixin, "before_insert", lambda mapper, connection, target: None, propagate=True)

    class P(Mixin, base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)

    def on_update(mapper: Any, connection: Any, target: Any) -> None: ...

    event.listen(P, "before_update", on_update, propagate=True)

    class C(P):
        pass

    configure_mappers()
    names = ("instrument_class", "after_mapper_constructed")
    assert log[:4] == [(name, cls) for cls in "PC" for name in names]
    assert log[4:] == [(n, cls) for cls in "PC" for n in ("before_mapper_configured", "mapper_configured")]
    assert len(list(inspect(C).dispatch.before_update)) == 1
    assert len(list(inspect(C).dispatch.before_insert)) == 1
    event.remove(P, "before_update", on_update)
    assert not inspect(C).dispatch.before_update


def test_configuration_events_are_for_all_mappers(base: Any) -> None:
    log: list[str] = []

    def before() -> None:
        log.append("before")

    def after() -> None:
        log.append("after")

    event.listen(Mapper, "before_configured", before)
    event.listen(Mapper, "after_configured", after)
    try:

        class P(base):
            __tablename__ = "p"
            id: Mapped[int] = mapped_column(primary_key=True)

        configure_mappers()
        configure_mappers()
        assert log == ["before", "after"]
    finally:
        event.remove(Mapper, "before_configured", before)
        event.remove(Mapper, "after_configured", after)


def test_mappers_are_found_by_class_and_object(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert class_mapper(P) is object_mapper(P()) is inspect(P) is P.__mapper__
    with pytest.raises(UnmappedClassError):
        class_mapper(int)
    with pytest.raises(ArgumentError):
        class_mapper(5)
    with pytest.raises(UnmappedInstanceError):
        object_mapper(5)
    with pytest.raises(InvalidRequestError, match="nothing"):
        inspect(P).get_property("nothing")
    with pytest.raises(UnmappedColumnError):
        inspect(P).get_property_by_column(Column("x", Integer))


# ---- mistakes -----------------------------------------------------------------------


def test_a_table_without_primary_key_is_refused_and_leaves_no_trace(base: Any) -> None:
    with pytest.raises(ArgumentError, match=r"P .*'p'.*no primary key"):

        class P(base):
            __tablename__ = "p"
            id: Mapped[int]

    configure_mappers()
    assert not base.registry.mappers


@pytest.mark.parametrize(
    ("annotation", "said"),
    [("Mapped[Nowhere]", "unknown name 'Nowhere'"), ("Mapped[dict]", "No SQL type"), ("int", "Mapped")],
)
def test_an_annotation_that_cannot_be_a_column_is_named(base: Any, annotation: str, said: str) -> None:
    body = {
        "__tablename__": "p",
        "__module__": __name__,
        "__annotations__": {"x": annotation},
        "id": mapped_column(Integer, primary_key=True),
    }
    with pytest.raises(MappedAnnotationError, match=said) as caught:
        type(base)("P", (base,), body)
    assert caught.value.key == "x"
    assert r"P.x" in str(caught.value)


@pytest.mark.parametrize("name", ["registry", "metadata"])
@pytest.mark.parametrize("how", ["column", "mapped_column", "annotation", "mixin"])
def test_the_names_of_the_base_can_be_mapped_and_are_warned_of(base: Any, name: str, how: str) -> None:
    body: dict[str, Any] = {"__tablename__": "p", "id": mapped_column(Integer, primary_key=True)}
    mixins: tuple[type[Any], ...] = ()
    if how == "annotation":
        body["__annotations__"] = {name: Mapped[int]}
    elif how == "mixin":
        mixins = (type("Mixin", (), {name: mapped_column(Integer)}),)
    else:
        body[name] = Column(Integer) if how == "column" else mapped_column(Integer)
    with pytest.warns(SAWarning, match=f"The attribute name '{name}' should be left"):
        P = type(base)("P", (*mixins, base), body)

    class Child(P):  # type: ignore[misc,valid-type]
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(ForeignKey("p.id"), primary_key=True)
        parents: Mapped[list[Any]] = relationship("P", primaryjoin="Child.id == foreign(P.id)", viewonly=True)

    configure_mappers()
    assert set(P.__table__.c.keys()) == set(inspect(P).attrs.keys()) == {"id", name}
    assert getattr(P(**{name: 5}), name) == 5
    assert str(getattr(P, name) == 5) == f"p.{name} = :{name}_1"
    assert Child.__table__.metadata is P.__table__.metadata is base.metadata
    assert {cls.class_ for cls in base.registry.mappers} == {P, Child}


def test_another_name_of_the_base_is_mapped_like_any(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        type_annotation_map = mapped_column(String)

    assert P.__table__.c.keys() == ["id", "type_annotation_map"]


def test_a_class_needs_a_table(base: Any) -> None:
    with pytest.raises(InvalidRequestError, match="P has no table"):

        class P(base):
            id: Mapped[int] = mapped_column(primary_key=True)


def test_subclass_tables_must_be_joinable(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(NoForeignKeysError, match="inherit_condition"):

        class C(P):
            __tablename__ = "c"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_single_table_columns_must_not_meet(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        t: Mapped[str]
        __mapper_args__: ClassVar[Any] = {"polymorphic_on": "t", "polymorphic_identity": "p"}

    class C(P):
        y: Mapped[int | None]
        __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "c"}

    with pytest.raises(ArgumentError, match="use_existing_column"):

        class D(P):
            y: Mapped[int | None]
            __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "d"}


def test_a_second_class_of_one_identity_warns(base: Any) -> None:
    class P(base):
        __tablename__ = "p"
        id: Mapped[int] = mapped_column(primary_key=True)
        t: Mapped[str]
        __mapper_args__: ClassVar[Any] = {"polymorphic_on": "t", "polymorphic_identity": "p"}

    with pytest.warns(SAWarning, match="belonged to"):

        class C(P):
            __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "p"}


def test_a_property_on_a_mixin_must_be_declared(base: Any) -> None:
    class Mixin:
        x = column_property(Column(Integer))

    with pytest.raises(InvalidRequestError, match="declared_attr"):

        class P(Mixin, base):
            __tablename__ = "p"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_columns_of_two_tables_are_not_merged_silently() -> None:
    reg = registry(metadata=MetaData())
    a = Table("a", reg.metadata, Column("id", Integer, primary_key=True))
    b = Table("b", reg.metadata, Column("id", ForeignKey("a.id"), primary_key=True))

    class J:
        pass

    with pytest.raises(InvalidRequestError, match="column_property"):
        reg.map_imperatively(J, a.join(b))
    mapper = reg.map_imperatively(J, a.join(b), properties={"id": [a.c.id, b.c.id]})
    assert [str(c) for c in mapper.primary_key] == ["a.id"]


def test_the_constructor_names_what_it_does_not_know(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(TypeError, match=r"'nome'.*User"):
        User(nome="x")


def test_a_failed_configuration_is_told_again(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        other = relationship("Nowhere")

    with pytest.raises(InvalidRequestError, match="Nowhere"):
        User()
    with pytest.raises(InvalidRequestError, match="failed to configure"):
        User()
    base.registry.dispose()


def test_optional_of_typing_is_nullable_too(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        a: Mapped[Optional[str]]  # noqa: UP045
        b: Mapped[str]
        c: Mapped[Optional[str]] = mapped_column(nullable=False)  # noqa: UP045

    assert [c.nullable for c in User.__table__.c] == [False, True, False, False]
