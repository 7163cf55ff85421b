"""Mapped dataclasses on this package and on ``sqlalchemy.orm``: fields, constructors, and what is refused."""

from __future__ import annotations

import dataclasses
import inspect as python
from collections.abc import Callable
from typing import Any, ClassVar, List, Optional, Set  # noqa: UP035

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, inspect, literal, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SADeprecationWarning

import session as ours

both = pytest.mark.parametrize("orm", [ours, sqlalchemy.orm], ids=["ours", "sqlalchemy.orm"])


def body(annotations: dict[str, Any], **values: Any) -> dict[str, Any]:
    """What stands in a class, with annotations that are no strings."""
    return {"__module__": __name__, "__annotations__": annotations, **values}


def new_base(orm: Any, *, dataclass: bool = True, **settings: Any) -> Any:
    parents = (orm.MappedAsDataclass, orm.DeclarativeBase) if dataclass else (orm.DeclarativeBase,)
    return type("Base", parents, {}, **settings)  # type: ignore[call-overload]


def declare(orm: Any, *bases: Any, settings: Any = None, annotations: Any = None, **values: Any) -> Any:
    """Declare a class with a key that the constructor leaves alone."""
    given = bases or (new_base(orm),)
    key = {} if "id" in values else {"id": orm.mapped_column(Integer, primary_key=True, init=False)}
    written = {"id": orm.Mapped[int], **(annotations or {})}
    return type("Row", given, body(written, __tablename__="row", **key, **values), **(settings or {}))


def parameters(class_: Any) -> list[tuple[str, bool]]:
    return [(one.name, one.default is not one.empty) for one in python.signature(class_).parameters.values()]


def shown(class_: Any, *arguments: Any, **named: Any) -> str:
    return repr(class_(*arguments, **named)).rsplit(".", maxsplit=1)[-1]


def set_values(instance: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(instance).items() if not key.startswith("_")}


# -- mixins --------------------------------------------------------------------------------------------------------


@both
def test_annotated_attributes_of_mixins_that_are_no_dataclasses_are_refused(orm: Any) -> None:
    Mapped, mapped_column, declared_attr = orm.Mapped, orm.mapped_column, orm.declared_attr

    def made(cls: Any) -> Any:
        return mapped_column(Integer)

    made.__annotations__ = {"return": Mapped[int]}
    for mixin in (
        type("Bare", (), body({"n": Mapped[int]})),
        type("Valued", (), body({"n": Mapped[int]}, n=mapped_column(default=4))),
        type("Declared", (), body({}, n=declared_attr(made))),
        type("Below", (type("Bare", (), body({"n": Mapped[int]})),), {}),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            declare(orm, mixin, new_base(orm))
        assert caught.value.code == "dcmx"
    with pytest.raises(InvalidRequestError):
        orm.registry().mapped_as_dataclass(
            type(
                "Row",
                (type("Bare", (), body({"n": Mapped[int]})),),
                body({"id": Mapped[int]}, __tablename__="row", id=mapped_column(primary_key=True)),
            )
        )


@both
def test_what_a_class_has_itself_is_not_taken_from_the_mixin(orm: Any) -> None:
    mixin = type("Bare", (), body({"n": orm.Mapped[int]}))
    row = declare(orm, mixin, new_base(orm), annotations={"n": orm.Mapped[int]}, n=orm.mapped_column(default=4))
    assert shown(row) == "Row(id=None, n=4)"


@both
def test_attributes_without_annotation_are_no_fields(orm: Any) -> None:
    mapped_column = orm.mapped_column
    for mixin in (
        type("Plain", (), {"n": mapped_column(Integer, default=3, repr=False)}),
        type("Plain", (), {"n": Column(Integer)}),
        type("Declared", (), {"n": orm.declared_attr(lambda cls: mapped_column(Integer, default=3))}),
        type("AsDataclass", (orm.MappedAsDataclass,), {"n": mapped_column(Integer)}),
        type("AsDataclass", (orm.MappedAsDataclass,), {"n": orm.declared_attr(lambda cls: mapped_column(Integer))}),
    ):
        row = declare(orm, mixin, new_base(orm))
        assert (parameters(row), shown(row), set(row.__table__.c.keys())) == ([], "Row(id=None)", {"id", "n"})
    own = declare(orm, n=mapped_column(String, default="x", init=False))
    assert (own().n, own.__table__.c.n.default.arg) == (None, "x")


@both
def test_a_mixin_that_is_a_dataclass_of_the_standard_library_brings_its_columns(orm: Any) -> None:
    Mapped, mapped_column = orm.Mapped, orm.mapped_column
    mixin = dataclasses.dataclass(
        type(
            "Mixin",
            (),
            body(
                {"a": Mapped[int], "b": Mapped[int | None], "c": Mapped[int], "d": int},
                a=mapped_column(default=4),
                b=mapped_column(default=None),
                c=mapped_column(init=False, default=5),
                d=6,
            ),
        )
    )
    row = declare(orm, mixin, new_base(orm))
    assert parameters(row) == [("a", True), ("b", True), ("d", True)]
    assert shown(row) == "Row(a=4, b=None, c=5, d=6, id=None)"
    assert set_values(row(a=7, b=3)) == {"a": 7, "b": 3, "d": 6}
    required = dataclasses.dataclass(type("Mixin", (), body({"a": Mapped[int]}, a=mapped_column())))
    assert parameters(declare(orm, required, new_base(orm))) == [("a", False)]


# -- constructors --------------------------------------------------------------------------------------------------


@both
def test_a_constructor_of_ones_own_stays(orm: Any) -> None:
    def own(self: Any, x: int) -> None:
        self.n = x

    row = declare(orm, annotations={"n": orm.Mapped[int]}, n=orm.mapped_column(default=5), __init__=own)
    assert (parameters(row), row(4).n, shown(row, 3)) == ([("x", False)], 4, "Row(id=None, n=3)")


@both
@pytest.mark.parametrize("where", ["base", "class"])
def test_without_a_constructor_keywords_are_taken(orm: Any, where: str) -> None:
    base = new_base(orm, **({"init": False} if where == "base" else {}))
    settings = {"init": False} if where == "class" else {}
    row = declare(orm, base, settings=settings, annotations={"n": orm.Mapped[int]}, n=orm.mapped_column(default=5))
    assert [one.kind.name for one in python.signature(row).parameters.values()] == ["VAR_KEYWORD"]
    assert (row(n=4).n, row().n) == (4, 5)


@both
def test_a_deferred_column_shows_and_writes_its_default(orm: Any, engine: Engine) -> None:
    Mapped, deferred = orm.Mapped, orm.deferred
    row = declare(
        orm,
        annotations={"a": Mapped[str], "b": Mapped[str], "c": Mapped[str]},
        a=deferred(Column(String), default="x"),
        b=deferred(Column(String), default="y", init=False),
        c=deferred(Column(String, default="column's"), default="field's"),
    )
    assert parameters(row) == [("a", True), ("c", True)]
    made = row()
    assert (made.a, made.b, made.c, set_values(made)) == ("x", "y", "field's", {})
    row.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(made)
        session.commit()
        assert session.execute(select(row.a, row.b, row.c)).one() == ("x", "y", "field's")


@both
def test_column_properties_are_no_parameters(orm: Any) -> None:
    with pytest.warns(SADeprecationWarning, match="column_property"):
        given = orm.column_property(Column(String), default="x")
    row = declare(
        orm,
        annotations={"a": orm.Mapped[str], "b": orm.Mapped[str], "c": orm.Mapped[int]},
        a=given,
        b=orm.column_property(Column(String)),
        c=orm.column_property(literal(1)),
    )
    assert (parameters(row), shown(row)) == ([], "Row(id=None, a='x', b=None, c=None)")


# -- arguments -----------------------------------------------------------------------------------------------------

ATTRIBUTES: dict[str, Callable[..., Any]] = {
    "mapped_column": lambda orm, **given: orm.mapped_column(Integer, **given),
    "relationship": lambda orm, **given: orm.relationship("Row", **given),
    "synonym": lambda orm, **given: orm.synonym("id", **given),
    "deferred": lambda orm, **given: orm.deferred(Column(Integer), **given),
    "query_expression": lambda orm, **given: orm.query_expression(**given),
    "column_property": lambda orm, **given: orm.column_property(literal(1), **given),
}


@both
@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        *((kind, "repr", False) for kind in ATTRIBUTES),
        *((kind, "compare", False) for kind in ATTRIBUTES),
        *((kind, "default", None) for kind in ("relationship", "synonym", "deferred")),
        *((kind, "init", False) for kind in ("relationship", "synonym", "deferred", "mapped_column")),
    ],
)
def test_arguments_of_fields_are_refused_in_a_plain_class(orm: Any, kind: str, argument: str, value: Any) -> None:
    base = new_base(orm, dataclass=False)
    key = orm.mapped_column(Integer, primary_key=True)
    with pytest.raises(ArgumentError):
        declare(orm, base, id=key, n=ATTRIBUTES[kind](orm, **{argument: value}))


@both
def test_expressions_without_arguments_are_for_plain_classes_too(orm: Any) -> None:
    key = orm.mapped_column(Integer, primary_key=True)
    row = declare(
        orm,
        new_base(orm, dataclass=False),
        id=key,
        a=orm.query_expression(),
        b=orm.column_property(literal(1)),
        c=orm.mapped_column(Integer, default=3),
    )
    assert set(inspect(row).attrs.keys()) == {"id", "a", "b", "c"}


@both
def test_a_synonym_has_the_default_of_what_it_stands_for(orm: Any) -> None:
    def with_default(value: Any) -> Any:
        return declare(
            orm,
            annotations={"n": orm.Mapped[int], "s": orm.Mapped[int]},
            n=orm.mapped_column(default=5),
            s=orm.synonym("n", default=value),
        )

    assert (with_default(5)().s, with_default(5)(s=3).n) == (5, 3)
    with pytest.raises(ArgumentError):
        with_default(6)


@both
def test_defaults_of_relationships_are_what_is_there_anyway(orm: Any) -> None:
    def related(annotation: Any, **given: Any) -> Any:
        base = new_base(orm)
        one = declare(
            orm,
            base,
            annotations={"many": orm.Mapped[annotation]},
            many=orm.relationship("Other", primaryjoin="Row.id == foreign(Other.row_id)", **given),
        )
        type(
            "Other",
            (base,),
            body(
                {"id": orm.Mapped[int], "row_id": orm.Mapped[int]},
                __tablename__="other",
                id=orm.mapped_column(primary_key=True, init=False),
                row_id=orm.mapped_column(init=False),
            ),
        )
        base.registry.configure()
        return one().many

    assert related(List["Other"], default_factory=list) == []  # noqa: UP006, F821
    assert related(Set["Other"], default_factory=set) == set()  # noqa: UP006, F821
    assert related(List["Other"], default_factory=set, collection_class=set) == set()  # noqa: UP006, F821
    assert related(Optional["Other"], default=None) is None  # noqa: F821
    for annotation, given in (
        (List["Other"], {"default_factory": lambda: [1]}),  # noqa: UP006, F821
        (Set["Other"], {"default_factory": list}),  # noqa: UP006, F821
        (List["Other"], {"default": None}),  # noqa: UP006, F821
        (Optional["Other"], {"default_factory": lambda: None}),  # noqa: F821
    ):
        with pytest.raises(ArgumentError):
            related(annotation, **given)
    with pytest.raises(ArgumentError):
        orm.relationship(default=[])


# -- dataclasses that are mapped afterwards ------------------------------------------------------------------------


@both
def test_a_dataclass_is_mapped_to_a_given_table(orm: Any, engine: Engine) -> None:
    registry = orm.registry()
    table = Table("row", registry.metadata, Column("id", Integer, primary_key=True), Column("n", String))
    made = dataclasses.dataclass(
        type(
            "Row",
            (),
            body(
                {"id": int, "n": str, "others": List[str]},  # noqa: UP006
                __table__=table,
                id=dataclasses.field(init=False),
                n="x",
                others=dataclasses.field(default_factory=list),
            ),
        )
    )
    row = registry.mapped(made)
    registry.metadata.create_all(engine)
    with orm.Session(engine) as session:
        present = row(others=["a"])
        session.add(present)
        session.commit()
        found = session.scalars(select(row)).one()
        assert found is present
        assert (found.n, found.others, inspect(row).attrs.keys()) == ("x", ["a"], ["id", "n"])


@both
def test_a_dataclass_tells_columns_in_the_metadata_of_its_fields(orm: Any, engine: Engine) -> None:
    registry = orm.registry()
    field = dataclasses.field

    class Keyed:
        __sa_dataclass_metadata_key__ = "sa"

    mixin = dataclasses.dataclass(
        type(
            "Mixin",
            (Keyed,),
            body(
                {"id": int, "parent_id": int | None},
                id=field(init=False, metadata={"sa": Column(Integer, primary_key=True)}),
                parent_id=field(init=False, metadata={"sa": lambda: Column(ForeignKey("row.id"))}),
            ),
        )
    )
    made = dataclasses.dataclass(
        type(
            "Row",
            (mixin,),
            body(
                {"n": str, "children": List["Row"], "other": int, "shared": ClassVar[int]},  # type: ignore[name-defined] # noqa: UP006, F821
                __tablename__="row",
                n=field(default="x", metadata={"sa": orm.mapped_column("n_column", String(40))}),
                children=field(default_factory=list, metadata={"sa": orm.relationship("Row")}),
                other=4,
            ),
        )
    )
    row = registry.mapped(made)
    assert set(row.__table__.c.keys()) == {"id", "parent_id", "n_column"}
    registry.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(row(children=[row(n="child")]))
        session.commit()
        parent = session.scalars(select(row).where(row.n == "x")).one()
        assert [child.n for child in parent.children] == ["child"]


# -- annotations without Mapped ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("dataclass", [True, False])
def test_where_it_is_allowed_a_plain_annotation_tells_the_type(orm: Any, dataclass: bool) -> None:
    mapped_column = orm.mapped_column
    row = type(
        "Row",
        (new_base(orm, dataclass=dataclass),),
        body(
            {"id": int, "a": str | None, "b": str, "c": str | None, "d": "int", "e": str},
            __tablename__="row",
            __allow_unmapped__=True,
            id=mapped_column(primary_key=True),
            a=mapped_column(),
            b=mapped_column(String(10)),
            c=mapped_column(String(10)),
            d=mapped_column(default=3),
            e="unmapped",
        ),
    )
    columns = [(one.name, str(one.type), one.nullable) for one in row.__table__.c]  # type: ignore[attr-defined]
    assert columns == [
        ("id", "INTEGER", False),
        ("a", "VARCHAR", True),
        ("b", "VARCHAR(10)", False),
        ("c", "VARCHAR(10)", True),
        ("d", "INTEGER", False),
    ]
