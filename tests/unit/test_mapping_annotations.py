"""What ``Mapped[...]`` says: SQL types, nullability, targets; dataclasses; composites; names in strings."""

# ruff: noqa: F821, UP045

import dataclasses
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal, Optional

import pytest
from sqlalchemy import JSON, BigInteger, Column, Enum, ForeignKey, Integer, MetaData, String, Table, inspect, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    MappedAsDataclass,
    WriteOnlyMapped,
    composite,
    configure_mappers,
    mapped_column,
    registry,
    relationship,
)
from session.exc import MappedAnnotationError


class Color(enum.Enum):
    red = 1


Short = Annotated[str, 50]
Key = Annotated[int, mapped_column(primary_key=True)]
Indexed = Annotated[str, mapped_column(String(60), index=True)]
Loose = Annotated[Optional[str], mapped_column(String(70))]


class Base(DeclarativeBase):
    type_annotation_map = {Short: String(50), int: BigInteger, dict[str, Any]: JSON, uuid.UUID: String(36)}


def column(annotation: Any, *args: Any, **settings: Any) -> Any:
    body = {"__tablename__": "t", "__module__": __name__, "__annotations__": {"x": annotation}}
    body["id"] = mapped_column(Integer, primary_key=True)
    if args or settings:
        body["x"] = mapped_column(*args, **settings)

    class Own(Base):
        __abstract__ = True
        metadata = MetaData()

    return type(Base)("T", (Own,), body).__table__.c.get("x")


@pytest.mark.filterwarnings("ignore:The registry held")
@pytest.mark.parametrize(
    ("annotation", "type_", "nullable"),
    [
        (Mapped[str], "String()", False),
        (Mapped[int], "BigInteger()", False),
        (Mapped[Optional[int]], "BigInteger()", True),
        (Mapped["int"], "BigInteger()", False),
        ("Mapped[int | None]", "BigInteger()", True),
        ('Mapped["int"]', "BigInteger()", False),
        (Mapped[Short], "String(length=50)", False),
        (Mapped[Indexed], "String(length=60)", False),
        (Mapped[Optional[Indexed]], "String(length=60)", True),
        (Mapped[Loose], "String(length=70)", True),
        (Mapped[decimal.Decimal], "Numeric()", False),
        (Mapped[float], "Double()", False),
        (Mapped[dict[str, Any]], "JSON()", False),
        (Mapped[uuid.UUID], "String(length=36)", False),
        (Mapped[Color], "Enum('red', name='color')", False),
        (Mapped[Optional[Color]], "Enum('red', name='color')", True),
        (Mapped[Literal["a", "b"]], "Enum('a', 'b', native_enum=False)", False),
    ],
)
def test_types_and_nullability_come_from_the_annotation(annotation: Any, type_: str, nullable: bool) -> None:
    made = column(annotation)
    assert (repr(made.type), made.nullable) == (type_, nullable)


@pytest.mark.filterwarnings("ignore:The registry held")
def test_what_mapped_column_says_goes_before_the_annotation() -> None:
    assert repr(column(Mapped[Indexed], String(5)).type) == "String(length=5)"
    assert column(Mapped[Indexed], nullable=True).index
    assert column(Mapped[Optional[int]], nullable=False).nullable is False
    assert repr(column(Mapped[Any], JSON).type) == "JSON()"
    assert isinstance(column(Mapped[Color], Enum(Color, native_enum=False)).type, Enum)
    assert column("ClassVar[int]") is None


@pytest.mark.filterwarnings("ignore:The registry held")
@pytest.mark.parametrize("annotation", [Mapped[object], Mapped[list[str]], Mapped[int | str], "Mapped[Missing]"])
def test_types_without_sql_are_refused(annotation: Any) -> None:
    with pytest.raises(MappedAnnotationError):
        column(annotation)


def relation(annotation: Any, **settings: Any) -> Any:
    class Own(DeclarativeBase):
        pass

    body = {
        "__tablename__": "a",
        "__module__": __name__,
        "__annotations__": {"bs": annotation},
        "id": mapped_column(Integer, primary_key=True),
        "bs": relationship(**settings),
    }
    cls = type(Own)("A", (Own,), body)

    class B(Own):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        a_id: Mapped[Optional[int]] = mapped_column(ForeignKey("a.id"))

    prop = inspect(cls).relationships.bs
    assert prop.mapper.class_ is B
    return prop


@pytest.mark.parametrize(
    ("annotation", "uselist", "collection"),
    [
        (Mapped["B"], False, None),
        (Mapped[Optional["B"]], False, None),
        ("Mapped['B | None']", False, None),
        ("Mapped[B]", False, None),
        (Mapped[list["B"]], True, list),
        ("Mapped[list[B]]", True, list),
        ('Mapped["set[B]"]', True, set),
        ("Mapped[list['some.module.B']]".replace("some.module", __name__), True, list),
    ],
)
def test_targets_of_relationships_come_from_the_annotation(annotation: Any, uselist: bool, collection: Any) -> None:
    prop = relation(annotation)
    assert (prop.uselist, prop.collection_class) == (uselist, collection)


def test_a_wider_annotation_names_several_classes_and_is_refused() -> None:
    with pytest.raises(MappedAnnotationError, match="several"):
        relation("Mapped[B | C]")


def test_containers_choose_how_a_collection_is_reached() -> None:
    assert issubclass(WriteOnlyMapped, Mapped)
    assert issubclass(DynamicMapped, Mapped)


# ---- names in strings ------------------------------------------------------------


def test_strings_are_evaluated_over_classes_tables_and_functions() -> None:
    class Own(DeclarativeBase):
        pass

    class User(Own):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    link = Table("link", Own.metadata, Column("a", Integer), schema="other")
    plain = Table("plain", Own.metadata, Column("a", Integer))
    resolve = Own.registry.resolve
    assert resolve("User", User) is User
    assert resolve(f"{__name__}.User", User) is User
    assert resolve("User.id", User) is User.__table__.c.id
    assert resolve("plain", User) is plain
    assert resolve("plain.c.a", User) is plain.c.a
    assert resolve("other.link", User, tables_first=True) is link
    assert str(resolve("and_(User.id == 1, func.lower(User.name) == 'x')", User)).startswith('"user".id = :id_1 AND')
    assert resolve("[User.id, User.name]", User) == [User.__table__.c.id, User.__table__.c.name]
    with pytest.raises(InvalidRequestError, match=r"'Usr'.*relationship Post\.user"):
        resolve("Usr", User, what="relationship Post.user")
    with pytest.raises(ArgumentError, match="no expression"):
        resolve("User.", User)


def test_two_classes_of_one_name_need_a_path() -> None:
    reg = registry()
    for module in ("shop.models", "blog.models"):

        class User:
            __tablename__ = f"user_{module[0]}"
            __module__ = module
            id: Mapped[int] = mapped_column(primary_key=True)

        reg.mapped(User)
    with pytest.raises(InvalidRequestError, match="several classes"):
        reg.resolve("User")
    assert reg.resolve("blog.models.User").__module__ == "blog.models"
    assert reg.resolve("shop.models.User.id").table.name == "user_s"


# ---- dataclasses --------------------------------------------------------------------


def dataclass_pair() -> Any:
    class Own(MappedAsDataclass, DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]
        size: Mapped[int] = mapped_column(default=5)
        tags: Mapped[list[str]] = mapped_column(JSON, default_factory=list)
        note: Mapped[Optional[str]] = mapped_column(default=None, repr=False)
        children: Mapped[list["Child"]] = relationship(default_factory=list, back_populates="parent")

    class Child(Own):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        parent_id: Mapped[Optional[int]] = mapped_column(ForeignKey("parent.id"), default=None)
        parent: Mapped[Optional[Parent]] = relationship(default=None, repr=False, back_populates="children")

    return Parent, Child


def test_a_mapped_dataclass_takes_fields_and_leaves_defaults_unset() -> None:
    parent_class, child_class = dataclass_pair()
    parent = parent_class("x")
    assert set(vars(parent)) == {"_sa_instance_state", "name", "tags"}
    assert (parent.size, parent.note, parent.children) == (5, None, [])
    assert repr(parent).endswith("Parent(id=None, name='x', size=5, tags=[], children=[])")
    assert parent == parent_class("x")
    assert [field.name for field in dataclasses.fields(parent)][:3] == ["id", "name", "size"]
    child = child_class(parent_id=7)
    assert "parent" not in vars(child)
    assert child.parent_id == 7
    assert child_class(parent=parent) in parent.children


def test_dataclass_settings_go_on_to_subclasses() -> None:
    class Own(MappedAsDataclass, DeclarativeBase, kw_only=True):
        pass

    class Stamped(MappedAsDataclass):
        created: Mapped[str] = mapped_column(default="now", repr=False)

    class Item(Stamped, Own):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        kind: Mapped[str] = mapped_column(init=False)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "item"}

    class Book(Item):
        pages: Mapped[Optional[int]] = mapped_column(default=None)
        __mapper_args__ = {"polymorphic_identity": "book"}

    book = Book(pages=3, created="then")
    assert (book.kind, book.pages, book.created) == ("book", 3, "then")
    with pytest.raises(TypeError):
        Book("then", 3)


def test_dataclass_arguments_need_a_dataclass() -> None:
    with pytest.raises(ArgumentError, match="init"):

        class Wrong(Base):
            __tablename__ = "wrong"
            id: Mapped[int] = mapped_column(primary_key=True, init=False)


# ---- composites ----------------------------------------------------------------------


@dataclasses.dataclass
class Point:
    x: int
    y: Optional[int]


def test_a_composite_takes_columns_from_its_dataclass_and_follows_them() -> None:
    class Own(DeclarativeBase):
        pass

    class Vertex(Own):
        __tablename__ = "vertex"
        id: Mapped[int] = mapped_column(primary_key=True)
        start: Mapped[Point] = composite()
        end: Mapped[Optional[Point]] = composite(mapped_column("x2"), mapped_column("y2"))

    configure_mappers()
    assert [(c.name, c.nullable) for c in Vertex.__table__.c] == [
        ("id", False),
        ("x", False),
        ("y", True),
        ("x2", False),
        ("y2", True),
    ]
    vertex = Vertex(start=Point(1, 2))
    assert (vertex.x, vertex.y, vertex.end) == (1, 2, None)
    vertex.start = Point(3, 4)
    assert (vertex.x, vertex.y) == (3, 4)
    assert str(Vertex.start == Point(1, 2)) == "vertex.x = :x_1 AND vertex.y = :y_1"
    assert [c.name for c in select(Vertex.start).selected_columns] == ["x", "y"]
