"""Evaluate SQL criteria in Python, on objects that are loaded already.

``update(User).where(User.age > 5)`` changes rows; the objects of these rows in the Session have to
follow.  Where a criterion is simple enough, it is turned into a function of an object, with SQL's logic
of three values: ``None`` stands for NULL.  Next on the way: ``load/synchronize.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseList,
    ColumnClause,
    ExpressionClauseList,
    False_,
    Grouping,
    Null,
    True_,
    Tuple,
    UnaryExpression,
)

from session.constants import INIT_OK, NO_VALUE, PASSIVE_NO_FETCH, PASSIVE_NO_RESULT
from session.core.expressions import plain
from session.instrument.base import instance_state

__all__ = ["UNKNOWN", "Evaluator", "UnevaluatableError"]

Function = Callable[[Any], Any]

WITHOUT_SQL = PASSIVE_NO_FETCH & ~INIT_OK


class UnevaluatableError(InvalidRequestError):
    """The expression cannot be evaluated in Python."""


class _Unknown:
    """The value of an attribute that is not loaded: whatever depends on it is unknown too."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


def _contains(left: Any, right: Any) -> bool:
    return left in right


def _not_contains(left: Any, right: Any) -> bool:
    return left not in right


def _concat(left: Any, right: Any) -> Any:
    return left + right


def _starts(left: Any, right: Any) -> bool:
    return bool(left.startswith(right))


def _ends(left: Any, right: Any) -> bool:
    return bool(left.endswith(right))


#: operators whose Python function can be called on two plain values
_PLAIN = {
    operators.lt,
    operators.le,
    operators.ne,
    operators.gt,
    operators.ge,
    operators.eq,
    operators.add,
    operators.sub,
    operators.mul,
    operators.mod,
    operators.truediv,
}

_TRANSLATED: dict[Any, Callable[[Any, Any], Any]] = {
    operators.in_op: _contains,
    operators.not_in_op: _not_contains,
    operators.concat_op: _concat,
    operators.startswith_op: _starts,
    operators.endswith_op: _ends,
}


def _absent_value(obj: Any, key: str) -> Any:
    """Give the value of an attribute that an object does not hold: ``None`` where the INSERT has written none."""
    state = instance_state(obj)
    attribute = state.manager.get(key)
    if attribute is None:
        return UNKNOWN
    value = attribute.impl.get(state, obj.__dict__, WITHOUT_SQL)
    if value is PASSIVE_NO_RESULT:
        return UNKNOWN
    return None if value is NO_VALUE else value


class Evaluator:
    """Turns expressions over one class into functions.

    :param entity: the mapper or alias that the expressions are about.
    :param params: values of named parameters.
    """

    def __init__(self, entity: Any, params: Mapping[str, Any] | None = None) -> None:
        self.entity = entity
        self.mapper: Any = entity.mapper
        self.params = params or {}

    def compile(self, *criteria: Any) -> Function:
        """Give the function that tells of an object whether it meets all criteria.

        :raises UnevaluatableError: one of them cannot be evaluated.
        """
        functions = [self.function(each) for each in criteria]
        if len(functions) == 1:
            return functions[0]
        return _all(functions)

    def function(self, expression: Any) -> Function:
        """Give the function that computes an expression from an object."""
        if isinstance(expression, Grouping):
            return self.function(expression.element)
        if isinstance(expression, Null):
            return _constant(None)
        if isinstance(expression, True_):
            return _constant(True)
        if isinstance(expression, False_):
            return _constant(False)
        if isinstance(expression, BindParameter):
            return _constant(self.params.get(expression.key, expression.effective_value))
        if isinstance(expression, ColumnClause):
            return self.column(expression)
        if isinstance(expression, UnaryExpression):
            return self.unary(expression)
        if isinstance(expression, BinaryExpression):
            return self.binary(expression)
        if isinstance(expression, BooleanClauseList):
            functions = [self.function(each) for each in expression.clauses]
            if expression.operator is operators.and_:
                return _all(functions)
            if expression.operator is operators.or_:
                return _any(functions)
        if isinstance(expression, Tuple):
            return _tuple([self.function(each) for each in expression.clauses])
        if isinstance(expression, ExpressionClauseList) and expression.operator in (operators.add, operators.concat_op):
            return _sum([self.function(each) for each in expression.clauses])
        if isinstance(expression, ClauseList):
            return _tuple([self.function(each) for each in expression.clauses])
        raise UnevaluatableError(f"Cannot evaluate {type(expression).__name__} in Python: {expression}")

    def column(self, column: Any) -> Function:
        """Give the function that reads a column's attribute."""
        entity = column._annotations.get("parententity")
        if entity is not None:
            related = self.mapper.isa(entity.mapper) or entity.mapper.isa(self.mapper)
            if entity is not self.entity and (entity.is_aliased_class or not related):
                raise UnevaluatableError(f"Cannot evaluate {column}: it belongs to another entity")
            prop = self.mapper.props.get(column._annotations.get("proxy_key"))
            if prop is None or not prop.is_column:  # it is known by the name of a synonym or a hybrid
                prop = self.mapper.prop_of_column.get(plain(column), prop)
        else:
            prop = self.mapper.prop_of_column.get(column)
        key = None if prop is None else prop.key
        if prop is None or not prop.is_column:
            raise UnevaluatableError(f"Cannot evaluate {column}: {self.mapper} has no attribute for it")

        def read(obj: Any) -> Any:
            dict_ = obj.__dict__
            return dict_[key] if key in dict_ else _absent_value(obj, str(key))

        return read

    def unary(self, expression: Any) -> Function:
        """Give the function of NOT and of a sign."""
        inner = self.function(expression.element)
        if expression.operator is operators.inv:
            return _negation(inner)
        if expression.operator is operators.neg:

            def negative(obj: Any) -> Any:
                value = inner(obj)
                return value if value is UNKNOWN or value is None else -value

            return negative
        raise UnevaluatableError(f"Cannot evaluate the operator {expression.operator} in Python")

    def binary(self, expression: Any) -> Function:
        """Give the function of an operation on two values."""
        left, right = self.function(expression.left), self.function(expression.right)
        operator = expression.operator
        if operator in (operators.is_, operators.is_not):
            wanted = operator is operators.is_

            def same(obj: Any) -> Any:
                one, other = left(obj), right(obj)
                return UNKNOWN if one is UNKNOWN or other is UNKNOWN else (one == other) is wanted

            return same
        if operator in _PLAIN:
            compute: Callable[[Any, Any], Any] = operator
        elif operator in _TRANSLATED:
            if expression.modifiers.get("escape") or expression.modifiers.get("flags"):
                raise UnevaluatableError(f"Cannot evaluate {expression} with an escape character in Python")
            compute = _TRANSLATED[operator]
        else:
            raise UnevaluatableError(
                f"Cannot evaluate the operator {getattr(operator, '__name__', operator)} in Python"
            )
        self.same_kind(expression, operator)

        def calculate(obj: Any) -> Any:
            one = left(obj)
            if one is UNKNOWN:
                return UNKNOWN
            other = right(obj)
            if other is UNKNOWN:
                return UNKNOWN
            if one is None or other is None:
                return None
            return compute(one, other)

        return calculate

    @staticmethod
    def same_kind(expression: Any, operator: Any) -> None:
        """Refuse comparisons of types whose SQL values compare otherwise than Python's."""
        left, right = expression.left.type, expression.right.type
        if left._type_affinity is not right._type_affinity and not (left._isnull or right._isnull):
            if operator in (operators.in_op, operators.not_in_op):
                return
            kinds = (left._type_affinity.__name__, right._type_affinity.__name__)
            numbers = {"Integer", "Numeric", "Float", "BigInteger", "SmallInteger"}
            if not set(kinds).issubset(numbers):
                raise UnevaluatableError(f"Cannot compare {kinds[0]} and {kinds[1]} in Python: {expression}")


def _constant(value: Any) -> Function:
    def constant(obj: Any) -> Any:
        return value

    return constant


def _tuple(functions: Sequence[Function]) -> Function:
    def values(obj: Any) -> Any:
        found = tuple([function(obj) for function in functions])
        return UNKNOWN if any(each is UNKNOWN for each in found) else found

    return values


def _sum(functions: Sequence[Function]) -> Function:
    def total(obj: Any) -> Any:
        found = [function(obj) for function in functions]
        if any(each is UNKNOWN for each in found):
            return UNKNOWN
        if any(each is None for each in found):
            return None
        result = found[0]
        for each in found[1:]:
            result = result + each
        return result

    return total


def _all(functions: Sequence[Function]) -> Function:
    def conjunction(obj: Any) -> Any:
        result: Any = True
        for function in functions:
            value = function(obj)
            if value is UNKNOWN:
                result = UNKNOWN
            elif value is None:
                if result is True:
                    result = None
            elif not value:
                return False
        return result

    return conjunction


def _any(functions: Sequence[Function]) -> Function:
    def disjunction(obj: Any) -> Any:
        result: Any = False
        for function in functions:
            value = function(obj)
            if value is UNKNOWN:
                result = UNKNOWN
            elif value is None:
                if result is False:
                    result = None
            elif value:
                return True
        return result

    return disjunction


def _negation(function: Function) -> Function:
    def negation(obj: Any) -> Any:
        value = function(obj)
        return value if value is UNKNOWN or value is None else not value

    return negation
