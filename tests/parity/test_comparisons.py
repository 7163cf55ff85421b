"""Comparisons made by copying, in both implementations, held against those that Core makes."""

from __future__ import annotations

import datetime
import decimal
import operator
import pickle
import uuid
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    Uuid,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import BinaryExpression, BindParameter

from session.core import comparing
from tests.conftest import Implementation

OPERATORS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
NOW = datetime.datetime(2020, 1, 2, 3, 4, 5)


class Shouting(TypeDecorator[str]):
    """Compares with upper case, whatever it is given."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return str(value).upper()


class Choosy(TypeDecorator[str]):
    """Chooses the type of a parameter by its value."""

    impl = String
    cache_ok = True

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return Integer() if value == "1" else self


class Odd(String):
    """Has an operator of its own."""

    cache_ok = True

    class Comparator(String.Comparator[str]):
        def __eq__(self, other: Any) -> Any:
            return super().__eq__("odd")

        __hash__ = String.Comparator.__hash__

    comparator_factory = Comparator


class Sometimes(Integer):
    """Has an ``operate`` of its own."""

    cache_ok = True

    class Comparator(Integer.Comparator[int]):
        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            return super().operate(op, 7)

    comparator_factory = Comparator


table = Table(
    "things",
    MetaData(),
    Column("id", Integer),
    Column("na.me %x(1) ", String(20)),
    Column("price", Numeric(10, 2)),
    Column("ratio", Float),
    Column("at", DateTime),
    Column("data", LargeBinary),
    Column("code", Uuid),
    Column("yes", Boolean),
    Column("loud", Shouting),
    Column("choosy", Choosy),
    Column("odd", Odd),
    Column("sometimes", Sometimes),
)


def expression(name: str) -> Any:
    return table.c[name]._annotate({"proxy_key": name})


@pytest.fixture
def comparisons(implementation: Implementation, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``comparisons(expression)`` as the mapping makes them, of each implementation in turn."""
    monkeypatch.setattr(comparing, "hot", implementation.comparisons)
    return comparing.comparisons_of


def taught(comparisons: Any, column: Any, op: Any, value: Any) -> Any:
    made = comparisons(column)
    if made is not None:
        assert made.make(op, value) is None
        made.learn(op, value, op(column, value))
    return made


VALUES = [
    ("id", 1, 2),
    ("id", 1, 1 << 80),
    ("na.me %x(1) ", "a", "\u00e9'%s"),
    ("price", decimal.Decimal("1.5"), decimal.Decimal("-2")),
    ("ratio", 0.5, float("inf")),
    ("at", NOW, NOW.replace(tzinfo=datetime.timezone.utc)),
    ("data", b"1", b""),
    ("code", uuid.UUID(int=1), uuid.UUID(int=2)),
    ("loud", "x", "y"),
]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize(("name", "first", "second"), VALUES)
def test_a_copy_is_what_core_makes(comparisons: Any, name: str, first: Any, second: Any, op: Any) -> None:
    column = expression(name)
    copied = taught(comparisons, column, op, first).make(op, second)
    made = op(column, second)
    assert type(copied) is BinaryExpression
    assert type(copied.right) is BindParameter
    for mine, cores in ((copied, made), (copied.right, made.right)):
        assert mine.__dict__.keys() == cores.__dict__.keys()
        for key, value in cores.__dict__.items():
            if key not in ("right", "_orig", "key", "_identifying_key", "_anon_map_key"):
                assert mine.__dict__[key] is value or mine.__dict__[key] == value, key
    parameter = copied.right
    assert type(parameter.key) is type(made.right.key)
    assert parameter.key is parameter._identifying_key
    assert parameter.key == made.right.key.replace(str(id(made.right)), str(id(parameter)))
    assert parameter.key == f"%({parameter._anon_map_key})s"
    assert parameter.key.quote is None
    assert copied._orig == (hash(column), hash(parameter))
    assert copied._generate_cache_key() == made._generate_cache_key()
    assert str(copied.compile(dialect=sqlite.dialect())) == str(made.compile(dialect=sqlite.dialect()))
    assert copied.compile().params == made.compile().params


def test_copies_are_independent(comparisons: Any) -> None:
    column = expression("id")
    made = taught(comparisons, column, operator.eq, 1)
    one, two = made.make(operator.eq, 1), made.make(operator.eq, 2)
    one.modifiers["x"] = 1
    assert two.modifiers == {}
    statement = select(column).where(one, two)
    assert list(statement.compile().params.values()) == [1, 2]
    assert bool(column == column)
    assert not bool(one.right == two.right)
    assert str(~two) == "things.id != :id_1"
    assert [each.value for each in statement.where(two)._generate_cache_key().bindparams] == [1, 2]


def test_a_copy_can_be_pickled(comparisons: Any) -> None:
    made = taught(comparisons, expression("id"), operator.lt, 1).make(operator.lt, 3)
    again = pickle.loads(pickle.dumps(made))
    assert (str(again), list(again.compile().params.values())) == (str(made), [3])


@pytest.mark.parametrize("value", [None, True, False, [1], (1,), object(), table.c.id, int])
def test_other_values_are_left_to_core(comparisons: Any, value: Any) -> None:
    column = expression("id")
    made = comparisons(column)
    made.learn(operator.eq, value, column == 1)
    assert made.make(operator.eq, value) is None


class Int(int):
    """A subclass, which can be anything."""


def test_values_of_subclasses_are_left_to_core(comparisons: Any) -> None:
    made = taught(comparisons, expression("id"), operator.eq, 1)
    assert made.make(operator.eq, Int(1)) is None
    assert made.make(operator.ne, 1) is None


@pytest.mark.parametrize(
    ("name", "value"), [("ratio", 1), ("price", 1), ("id", "x"), ("yes", 1), ("at", datetime.date(2020, 1, 1))]
)
def test_types_chosen_by_the_value_are_left_to_core(comparisons: Any, name: str, value: Any) -> None:
    column = expression(name)
    assert taught(comparisons, column, operator.eq, value).make(operator.eq, value) is None


@pytest.mark.parametrize("name", ["choosy", "odd", "sometimes"])
def test_types_with_a_will_of_their_own_are_left_to_core(comparisons: Any, name: str) -> None:
    assert comparisons(expression(name)) is None


def test_expressions_are_left_to_core(comparisons: Any) -> None:
    assert comparisons(table.c.id) is None
    assert comparisons((table.c.id + 1)._annotate({"x": 1})) is None


def test_operators_that_are_none_are_left_to_core(comparisons: Any) -> None:
    made = comparisons(expression("id"))
    made.learn(operator.add, 1, expression("id") + 1)
    assert made.make(operator.add, 1) is None


def test_both_say_what_is_no_pattern(implementation: Implementation) -> None:
    with pytest.raises(AttributeError):
        implementation.comparisons.Pattern(object(), "id")
