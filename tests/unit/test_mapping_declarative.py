"""Declarative classes: columns, mixins, bases."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

import pytest
from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, func, inspect, select

from session import (
    DeclarativeBaseNoMeta,
    Mapped,
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
    registry,
    synonym,
)
from session.exc import UnmappedClassError

from .columns import columns_of


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


def test_optional_of_typing_is_nullable_too(base: Any) -> None:
    class User(base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        a: Mapped[Optional[str]]  # noqa: UP045
        b: Mapped[str]
        c: Mapped[Optional[str]] = mapped_column(nullable=False)  # noqa: UP045

    assert [c.nullable for c in User.__table__.c] == [False, True, False, False]
