"""What mistakes in declarative classes say."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, inspect
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoForeignKeysError, SAWarning

from session import Mapped, column_property, configure_mappers, mapped_column, registry, relationship
from session.exc import MappedAnnotationError


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


def _the_column_again() -> dict[str, Any]:
    column = Column(Integer)
    return {"size": column, "width": column}


def _the_mapped_column_again() -> dict[str, Any]:
    column = mapped_column(Integer)
    return {"size": column, "width": column}


def _a_property_of_the_column() -> dict[str, Any]:
    column = Column(Integer)
    return {"size": column, "width": column_property(column)}


def _a_property_before_the_column() -> dict[str, Any]:
    column = Column("size", Integer)
    return {"width": column_property(column), "size": column}


def _two_properties_of_a_column() -> dict[str, Any]:
    column = Column("breadth", Integer)
    return {"size": column_property(column), "width": column_property(column)}


@pytest.mark.parametrize(
    "attributes",
    [
        _the_column_again,
        _the_mapped_column_again,
        _a_property_of_the_column,
        _a_property_before_the_column,
        _two_properties_of_a_column,
    ],
)
def test_a_column_is_mapped_once_and_other_names_of_it_are_warned_of(base: Any, attributes: Any) -> None:
    body = {"__tablename__": "p", "id": mapped_column(Integer, primary_key=True), **attributes()}
    with pytest.warns(SAWarning, match=r"^P maps .*; only 'width' is mapped.* synonym\('width'\)"):
        cls = type(base)("P", (base,), body)
    assert sorted(inspect(cls).column_attrs.keys()) == ["id", "width"]


def test_a_column_is_mapped_once_by_properties() -> None:
    reg = registry()
    table = Table("p", reg.metadata, Column("id", Integer, primary_key=True), Column("size", Integer))

    class P:
        pass

    with pytest.warns(SAWarning, match="x, y; only 'y' is mapped"):
        mapper = reg.map_imperatively(P, table, properties={"x": table.c.size, "y": table.c.size})
    assert sorted(mapper.column_attrs.keys()) == ["id", "y"]


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
