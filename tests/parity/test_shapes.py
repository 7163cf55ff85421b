"""Shapes of statements, in both implementations, held against Core's cache keys."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import distinct_on

from session.core import shapes
from tests.conftest import Implementation


class Untold(TypeDecorator[str]):
    """A type that does not say whether it may be cached."""

    impl = String
    cache_ok = False


class Shapes:
    """One implementation, with a table whose columns carry its marks."""

    def __init__(self, hot: Any) -> None:
        self.hot = hot
        self.reader = hot.ShapeReader(shapes.KINDS, shapes.FIELDS, shapes.BOOLEANTYPE, shapes.NO_CACHE)
        self.table = Table("things", MetaData(), Column("id", Integer), Column("name", String), Column("size", Integer))
        self.columns: dict[str, Any] = {}
        for column in self.table.c:
            marked = column._annotate({"of": "a mapped class"})
            marked.__dict__[hot.MARK] = hot.Mark(marked)
            self.columns[column.key] = marked

    def __getattr__(self, name: str) -> Any:
        return self.columns[name]

    def of(self, statement: Any) -> Any:
        found = self.reader.read(statement)
        return None if found is None else found[0]

    def parameters(self, statement: Any) -> list[Any]:
        return [each.value for each in self.reader.read(statement)[1]]


@pytest.fixture
def world(implementation: Implementation) -> Shapes:
    return Shapes(implementation.shapes)


def test_every_class_is_read_as_core_reads_it() -> None:
    accounts = {
        cls.__name__: [name for name, _ in cls.__dict__.get("_cache_key_traversal", cls._traverse_internals)]
        for cls in shapes.KINDS
        if "Param" not in cls.__name__
    }
    assert accounts == {
        "BinaryExpression": ["left", "right", "operator", "modifiers", "type"],
        "BooleanClauseList": ["clauses", "operator"],
        "ExpressionClauseList": ["clauses", "operator"],
        "False_": [],
        "Grouping": ["element"],
        "Label": ["name", "_element"],
        "Null": [],
        "True_": [],
        "UnaryExpression": ["element", "operator", "modifier"],
        "_label_reference": ["element"],
    }


def test_values_are_no_part_of_a_shape(world: Shapes) -> None:
    one = select(world.id).where(world.name == "a", world.size > 1).limit(5)
    two = select(world.id).where(world.name == "b", world.size > 2).limit(6)
    assert world.of(one) == world.of(two)
    assert hash(world.of(one)) == hash(world.of(two))
    assert world.parameters(one) == ["a", 1, 5]
    assert world.parameters(two) == ["b", 2, 6]


def different(w: Shapes) -> list[Any]:
    """Statements of which no two are alike."""
    same = bindparam("same", 1)
    base = select(w.id)
    return [
        base,
        select(w.name),
        select(w.id, w.name),
        select(w.id.label("x")),
        select(w.id.label("y")),
        base.distinct(),
        base.where(w.id == 1),
        base.where(w.id != 1),
        base.where(w.id == "1"),
        base.where(w.id == w.size),
        base.where(w.size == w.id),
        base.where(w.id == None),  # noqa: E711
        base.where(w.id == 1, w.id == 1),
        base.where(or_(w.id == 1, w.id == 1)),
        base.where(and_(w.id == 1, w.id == 1)),
        base.where(not_(or_(w.id == 1, w.id == 1))),
        base.where(w.id.in_([1, 2])),
        base.where(w.id.not_in([1, 2])),
        base.where(w.id.is_(true())),
        base.where(w.id.is_(false())),
        base.where(w.id == bindparam("a")),
        base.where(w.id == bindparam("b")),
        base.where(w.id == bindparam("a", literal_execute=True)),
        base.where(w.id == same, w.size == same),
        base.where(w.id == bindparam("same", 1), w.size == bindparam("same", 1)),
        base.where((w.id + 1) == 1),
        base.where((w.id + w.size) == 1),
        base.where((-w.id) == 1),
        base.where(w.name.like("a")),
        base.where(w.name.like("a", escape="/")),
        base.where(w.name.like("a", escape="#")),
        base.where(w.name + "x" == "y"),
        base.where(w.name.concat("x").concat("z") == "y"),
        base.having(w.id == 1),
        base.group_by(w.id),
        base.group_by(w.id, w.size),
        base.order_by(w.id),
        base.order_by(w.id.desc()),
        base.order_by(w.id.asc()),
        base.order_by(w.id.desc().nulls_last()),
        base.order_by(w.id, w.size),
        base.limit(1),
        base.offset(1),
        base.limit(1).offset(1),
        base.limit(w.size),
        base.set_label_style(shapes.Select._label_style.__class__.LABEL_STYLE_NONE),
    ]


def test_what_differs_has_different_shapes(world: Shapes) -> None:
    known: dict[Any, int] = {}
    for number, statement in enumerate(different(world)):
        shape = world.of(statement)
        assert shape is not None, (number, str(statement))
        assert shape not in known, (number, known[shape])
        known[shape] = number


@pytest.mark.parametrize(
    "make",
    [
        lambda w: select(w.table.c.id),
        lambda w: select(w.id._annotate({"more": 1})),
        lambda w: select(func.count(w.id)),
        lambda w: select(w.id).where(literal_column("x") == 1),
        lambda w: select(w.id).where(w.id.in_(select(w.id))),
        lambda w: select(w.id).where(w.id == bindparam("x", type_=Untold)),
        lambda w: select(w.id).with_for_update(),
        lambda w: select(w.id).with_hint(w.table, "x"),
        lambda w: select(w.id).prefix_with("x"),
        lambda w: select(w.id).correlate(w.table),
        lambda w: select(w.id).params(x=1),
        lambda w: select(w.id).fetch(1),
        lambda w: select(w.id).add_cte(select(w.id).cte()),
        lambda w: select(w.id).ext(distinct_on(w.id)),
        lambda w: select(w.id).select_from(w.table.join(w.table.alias(), w.id == 1)),
        lambda w: select(w.id.label(None)),
    ],
)
def test_what_is_not_known_has_no_shape(world: Shapes, make: Any) -> None:
    assert world.of(make(world)) is None


def test_deep_expressions_have_no_shape(world: Shapes) -> None:
    deep = world.id == 1
    for _ in range(100):
        deep = not_(and_(or_(deep, world.id == 1), world.size == 2))
    assert world.of(select(world.id).where(deep)) is None


def test_a_copy_of_a_marked_element_is_not_the_element(world: Shapes) -> None:
    copied = world.id._annotate({"of": "a mapped class"})
    assert copied.__dict__[world.hot.MARK] is world.id.__dict__[world.hot.MARK]
    assert world.of(select(copied)) is None
    assert world.hot.Mark(copied).address == id(copied)


def test_execution_options_and_memoized_keys_make_no_difference(world: Shapes) -> None:
    statement = select(world.id).where(world.id == 1)
    shape = world.of(statement)
    statement._generate_cache_key()
    assert world.of(statement) == shape
    assert world.of(statement.execution_options(x=1)) == shape


def random_expression(world: Shapes, rng: random.Random, depth: int) -> Any:
    columns = [world.id, world.size]
    if depth == 0:
        left = rng.choice(columns)
        return rng.choice(
            [
                lambda: left == rng.choice([1, 2, None, world.size]),
                lambda: left > rng.randint(0, 9),
                lambda: left.in_([1] * rng.randint(0, 3)),
                lambda: world.name == rng.choice("ab"),
                lambda: left + 1 == bindparam(rng.choice("xy"), 1),
            ]
        )()
    parts = [random_expression(world, rng, depth - 1) for _ in range(rng.randint(1, 3))]
    return rng.choice([and_, or_, lambda *each: not_(or_(*each))])(*parts)


def random_statement(world: Shapes, rng: random.Random) -> Any:
    statement = select(*rng.sample([world.id, world.name, world.size], rng.randint(1, 3)))
    for _ in range(rng.randint(0, 2)):
        statement = statement.where(random_expression(world, rng, rng.randint(0, 2)))
    if rng.random() < 0.4:
        statement = statement.order_by(rng.choice([world.id, world.id.desc()]))
    if rng.random() < 0.4:
        statement = statement.limit(rng.randint(1, 3))
    return statement


def test_one_shape_is_one_key_of_core(world: Shapes) -> None:
    rng = random.Random(3)
    keys: dict[Any, Any] = {}
    met = 0
    for _ in range(1500):
        statement = random_statement(world, rng)
        shape, parameters = world.reader.read(statement)
        key = statement._generate_cache_key()
        met += shape in keys
        assert keys.setdefault(shape, key.key) == key.key, str(statement)
        assert {id(each) for each in parameters} == {id(each) for each in key.bindparams}
    assert met > 300


def test_both_read_the_same(both: tuple[Implementation, Implementation]) -> None:
    compiled, pure = (Shapes(each.shapes) for each in both)
    for name in compiled.hot.__all__:
        if name.isupper():
            assert getattr(compiled.hot, name) == getattr(pure.hot, name)

    def pictures(world: Shapes) -> list[list[str]]:
        rng = random.Random(4)
        statements = [*different(world), *(random_statement(world, rng) for _ in range(200))]
        return [
            ["mark" if type(token) is world.hot.Mark else repr(token) for token in world.of(each)]
            for each in statements
        ]

    assert pictures(compiled) == pictures(pure)


def test_what_is_noted_on_a_statement_while_it_is_read_hides_nothing(implementation: Implementation) -> None:
    class Statement:
        pass

    class Empty:
        def __len__(self) -> int:  # as if another thread had Core compile the statement
            statement.noted = "meanwhile"
            return 0

    hot: Any = implementation.shapes
    fields = (("empty", hot.EMPTY), ("noted", hot.IGNORED), ("distinct", hot.FLAG))
    reader = hot.ShapeReader({}, fields, shapes.BOOLEANTYPE, shapes.NO_CACHE)
    statement: Any = Statement()
    statement.empty, statement.distinct = Empty(), True
    assert reader.read(statement) is None
    assert reader.read(statement) == ((2, True), [])
