"""What a mapped class takes from mixins: the order of columns, names that the class only annotates, declared columns."""

from __future__ import annotations

import inspect as python_inspect
from typing import Annotated, Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table

from session import DeclarativeBase, Mapped, MappedAsDataclass, declared_attr, mapped_column, relationship

from .columns import columns_of

Short = Annotated[str, 5]


@pytest.fixture
def keyed() -> Any:
    """A base that has the primary key for all its classes."""

    class Keyed(DeclarativeBase):
        id: Mapped[int] = mapped_column(primary_key=True)

    return Keyed


class Stamped:
    created: Mapped[str]

    @declared_attr
    def changed(cls) -> Mapped[str]:
        return mapped_column(String)

    removed: Mapped[str]


class Sized:
    size: Mapped[int] = mapped_column(nullable=True)
    weight = mapped_column(Integer)


def test_declared_columns_of_a_mixin_stand_before_those_of_the_mixins_behind_it(keyed: Any) -> None:
    class Parcel(Stamped, Sized, keyed):
        __tablename__ = "parcel_in_order"
        name: Mapped[str]

    assert columns_of(Parcel) == ["name", "created", "removed", "changed", "size", "weight", "id"]


def test_a_name_that_the_class_only_annotates_is_the_mixins_column(keyed: Any) -> None:
    class Parcel(Sized, keyed):
        __tablename__ = "parcel_annotated"
        id: Mapped[int]
        size: Mapped[str]
        weight: Mapped[str]
        name: Mapped[str]

    columns = Parcel.__table__.c
    assert columns_of(Parcel) == ["name", "size", "weight", "id"]
    assert columns.id.primary_key
    assert isinstance(columns.size.type, Integer)
    assert columns.size.nullable
    # what the mixin does not annotate, the class's annotation completes
    assert isinstance(columns.weight.type, Integer)
    assert not columns.weight.nullable


def test_a_name_that_the_class_gives_a_value_is_its_own(keyed: Any) -> None:
    class Parcel(Sized, keyed):
        __tablename__ = "parcel_own"
        size: Mapped[str] = mapped_column(String(7))

    assert columns_of(Parcel) == ["size", "weight", "id"]
    assert Parcel.__table__.c.size.type.length == 7


def test_a_mixin_that_only_annotates_gives_way_to_a_value_behind_it_not_to_an_annotation(keyed: Any) -> None:
    class Refined(Stamped, Sized):
        created: Mapped[int]
        size: Mapped[str]

    class Parcel(Refined, keyed):
        __tablename__ = "parcel_refined"

    columns = Parcel.__table__.c
    assert isinstance(columns.created.type, Integer)
    assert isinstance(columns.size.type, Integer)
    assert columns.size.nullable


def test_an_annotation_of_the_class_is_for_the_declared_attributes_of_its_mixins(keyed: Any) -> None:
    class Owner(keyed):
        __tablename__ = "owner_of_parcels"

    class Owned:
        @declared_attr
        def owner_id(cls) -> Mapped[int]:
            return mapped_column(ForeignKey("owner_of_parcels.id"))

        @declared_attr
        def owner(cls) -> Mapped[Any]:
            return relationship(Owner)

    class Parcel(Owned, keyed):
        __tablename__ = "parcel_owned"
        owner_id: Mapped[int | None]
        owner: Mapped[Any | None]

    assert Parcel.__table__.c.owner_id.nullable
    assert Parcel.__table__.c.owner_id.foreign_keys
    assert Parcel.owner.property.mapper.class_ is Owner


def test_a_plain_value_of_a_mixin_keeps_no_class_from_mapping_the_name(keyed: Any) -> None:
    class Plain:
        colour = "red"

        @property
        def taste(self) -> str:
            return "sweet"

    class Fruit(Plain, keyed):
        __tablename__ = "fruit_coloured"
        colour: Mapped[str]
        taste: Mapped[str]

    assert columns_of(Fruit) == ["colour", "taste", "id"]


def test_fields_of_a_mixin_that_a_dataclass_only_annotates_keep_their_defaults() -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Counted(MappedAsDataclass):
        count: Mapped[int] = mapped_column(default=5)

    class Box(Counted, Base):
        __tablename__ = "box_counted"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        count: Mapped[int]
        name: Mapped[str] = mapped_column(default="x")

    assert list(python_inspect.signature(Box).parameters) == ["count", "name"]
    assert Box().count == 5


def test_the_answer_that_a_function_in_the_class_itself_announces_does_not_make_a_typed_column_not_null(
    keyed: Any,
) -> None:
    class Parcel(keyed):
        __tablename__ = "parcel_declared"

        @declared_attr
        def code(cls) -> Mapped[Short]:
            return mapped_column(String(30))

        @declared_attr
        def owner_id(cls) -> Mapped[int]:
            return mapped_column(ForeignKey("parcel_declared.id"))

        label: Mapped[str]

    columns = Parcel.__table__.c
    assert columns.code.nullable
    assert columns.owner_id.nullable
    assert not columns.label.nullable


def test_a_function_may_give_the_column_that_a_sister_class_has_put_into_the_table(keyed: Any) -> None:
    class Person(keyed):
        __tablename__ = "person_of_kind"
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    class Engineer(Person):
        __mapper_args__ = {"polymorphic_identity": "engineer"}

        @declared_attr
        def status(cls) -> Mapped[str]:
            return Person.__table__.c.get("status", mapped_column(String(30)))

    class Manager(Person):
        __mapper_args__ = {"polymorphic_identity": "manager"}

        @declared_attr
        def status(cls) -> Mapped[str]:
            return Person.__table__.c.get("status", mapped_column(String(30)))

    assert columns_of(Person) == ["kind", "id", "status"]
    assert Manager.status.property.columns == Engineer.status.property.columns == [Person.__table__.c.status]


def test_a_class_whose_table_cls_gives_none_shares_the_table_of_its_base() -> None:
    class Base(DeclarativeBase):
        @classmethod
        def __table_cls__(cls, name: str, metadata: Any, *items: Any, **options: Any) -> Any:
            keys = [item for item in items if isinstance(item, Column) and item.primary_key]
            return Table(name, metadata, *items, **options) if keys else None

        @declared_attr.directive
        def __tablename__(cls) -> str:
            return cls.__name__.lower()

    class Duck(Base):
        id: Mapped[int] = mapped_column(primary_key=True)

    class Mallard(Duck):
        head: Mapped[str | None]

    class Toy(Duck):
        id: Mapped[int] = mapped_column(ForeignKey("duck.id"), primary_key=True)

    assert columns_of(Duck) == ["id", "head"]
    assert Mallard.__table__ is Duck.__table__
    assert "__table__" not in Mallard.__dict__
    assert (Toy.__table__.name, Toy.__tablename__) == ("toy", "toy")
    assert "__tablename__" not in Toy.__dict__


def test_a_class_with_a_name_for_its_table_from_a_mixin_uses_no_column_of_another_table(keyed: Any) -> None:
    class Named:
        @declared_attr.directive
        def __tablename__(cls) -> str:
            return cls.__name__.lower()

    class Whole(keyed):
        __tablename__ = "whole_of_two"

    class Half(Named, Whole):
        id: Mapped[int] = mapped_column(ForeignKey("whole_of_two.id"), primary_key=True, use_existing_column=True)

    assert columns_of(Half) == ["id"]
    assert Half.__table__.name == "half"
