"""Declarative classes that inherit: joined, single table, concrete."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table, case, inspect
from sqlalchemy.exc import InvalidRequestError

from session import Mapped, mapped_column, registry

from .columns import columns_of


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


def test_several_columns_of_a_joined_subclass_may_be_given_as_a_tuple() -> None:
    mapping = registry()
    columns = [("base_of_three", []), ("sub_of_three", ["base_of_three.id"]), ("last_of_three", ["sub_of_three.id"])]
    base, sub, last = (
        Table(
            name,
            mapping.metadata,
            Column("id", Integer, primary_key=True),
            *(Column("above", ForeignKey(target)) for target in targets),
        )
        for name, targets in columns
    )

    class Base:
        pass

    class Sub(Base):
        pass

    class Last(Sub):
        pass

    mapping.map_imperatively(Base, base)
    mapping.map_imperatively(Sub, sub, inherits=Base, properties={"id": (sub.c.id, base.c.id)})
    many = (last.c.id, sub.c.id, base.c.id)
    mapping.map_imperatively(Last, last, inherits=Sub, properties={"id": many, "last_above": last.c.above})
    assert tuple(Last.id.property.columns) == many
