"""Comparisons of a column with plain values, by copying one that Core has made.  Pure reference version.

``User.name == "ed"`` makes two objects: the comparison, and the parameter that holds the value.  Core finds out
each time what they are to look like, although nothing differs but the value, and the parameter's name that is
made of its address.  A :class:`Pattern` is such a pair taken apart; :meth:`Comparisons.make` puts new ones together.

In: patterns from ``core/comparing.py``, which decides where a comparison can be a copy.  Out: Core's expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Comparisons", "Pattern"]


class Pattern:
    """One comparison of a column with a parameter, taken apart.

    :param comparison: the comparison; its class and attributes are taken from it.
    :param body: the part of the parameter's name that follows its address.
    """

    __slots__ = ("_comparison", "_kind", "_label", "_left", "_parameter", "_parameter_kind", "_suffix")

    def __init__(self, comparison: Any, body: str) -> None:
        parameter = comparison.right
        self._kind: Any = type(comparison)
        self._comparison = {**comparison.__dict__, "right": None, "_orig": None, "modifiers": None}
        self._parameter_kind: Any = type(parameter)
        self._parameter = {**parameter.__dict__, "value": None}
        self._label = type(parameter.key)
        self._left = comparison._orig[0]
        self._suffix = " " + body

    def copy(self, value: Any) -> Any:
        """Give the same comparison with another value."""
        parameter = object.__new__(self._parameter_kind)
        name = str(id(parameter)) + self._suffix
        label = str.__new__(self._label, f"%({name})s")
        label.quote = None
        attributes = self._parameter.copy()
        attributes["key"] = attributes["_identifying_key"] = label
        attributes["_anon_map_key"] = name
        attributes["value"] = value
        parameter.__dict__ = attributes
        comparison = object.__new__(self._kind)
        attributes = self._comparison.copy()
        attributes["right"] = parameter
        attributes["_orig"] = (self._left, hash(parameter))
        attributes["modifiers"] = {}
        comparison.__dict__ = attributes
        return comparison


class Comparisons:
    """The comparisons of one column expression.

    :param expression: the expression.
    :param pattern_of: ``pattern_of(expression, operator, value, comparison)`` gives the pattern of a comparison that
        Core has made, ``None`` if others cannot be made after it.
    """

    __slots__ = ("_expression", "_pattern_of", "_patterns")

    def __init__(self, expression: Any, pattern_of: Callable[[Any, Any, Any, Any], Any]) -> None:
        self._expression = expression
        self._pattern_of = pattern_of
        self._patterns: dict[Any, dict[type, Pattern]] = {}

    def make(self, operator: Any, value: Any) -> Any:
        """Compare with a value.

        :param operator: one of Core's operators.
        :param value: any value.
        :return: the expression, or ``None``: let Core make it, and show it to :meth:`learn`.
        """
        patterns = self._patterns.get(operator)
        if patterns is None:
            return None
        pattern = patterns.get(type(value))
        return None if pattern is None else pattern.copy(value)

    def learn(self, operator: Any, value: Any, comparison: Any) -> None:
        """Keep the pattern of a comparison that Core has just made.

        :param comparison: what Core made of ``expression operator value``.
        """
        pattern = self._pattern_of(self._expression, operator, value, comparison)
        if pattern is not None:
            self._patterns.setdefault(operator, {})[type(value)] = pattern
