"""What a statement looks like apart from its values, read at a glance.  Pure reference version.

Core's cache key names everything that a statement is made of, down to the types of its columns.  Most of a SELECT
of mapped classes are things that are there for good: the table of a class, the column of an attribute.  These carry
a :class:`Mark`, and a *shape* names the mark instead of what is behind it.

In: a statement.  Out: its shape, a flat tuple, and its parameters; or ``None`` for a statement with anything in it
that is not known here, for which there is Core's key.  Two statements of one shape have the same Core key.
Next on the way: ``load/known_plans.py`` finds the plan of a shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "BINARY",
    "CONSTANT",
    "ELEMENT",
    "ELEMENTS",
    "EMPTY",
    "FLAG",
    "GROUP",
    "IGNORED",
    "JOINS",
    "LABEL",
    "LASTING",
    "LIST",
    "MARK",
    "NOTHING",
    "PARAMETER",
    "SUBJECT",
    "UNARY",
    "Mark",
    "ShapeReader",
]

MARK = "_session_mark"
"""Under this name an element carries its mark."""

# kinds of elements
BINARY, CONSTANT, GROUP, LABEL, LIST, PARAMETER, UNARY = range(1, 8)
# kinds of a statement's attributes
ELEMENT, ELEMENTS, EMPTY, FLAG, IGNORED, JOINS, LASTING, NOTHING, SUBJECT = range(1, 10)

MARKED, REPEATED, ABSENT = 0, -1, -2
DEPTH = 40
"""Expressions that are nested more deeply than this have no shape."""


class Mark:
    """Stands for one element that is there for good.  A copy of the element does not count as the element.

    :param element: the element.
    """

    __slots__ = ("address",)

    def __init__(self, element: Any) -> None:
        self.address = id(element)


class ShapeReader:
    """Reads the shapes of statements of one class.

    :param kinds: by class, what kind of element it is.
    :param fields: the attributes that a statement can have, and what kind of attribute each is.
    :param plain_type: the type of expressions that is not worth a mention.
    :param uncacheable: what takes the place of the cache key of a type that has none.
    """

    __slots__ = ("_fields", "_kinds", "_plain_type", "_uncacheable")

    def __init__(
        self,
        kinds: Mapping[type, int],
        fields: Sequence[tuple[str, int]],
        plain_type: Any,
        uncacheable: Any,
    ) -> None:
        self._kinds = dict(kinds)
        self._fields = tuple(fields)
        self._plain_type = plain_type
        self._uncacheable = uncacheable

    def read(self, statement: Any) -> tuple[tuple[Any, ...], list[Any]] | None:
        """Give the shape of a statement, and its parameters in the order in which they stand.

        :param statement: a statement of the class that this reader is for.
        """
        attributes = statement.__dict__
        reading = _Reading(self)
        unread = count = len(attributes)
        for number, (name, kind) in enumerate(self._fields):
            if name not in attributes:
                continue
            unread -= 1
            if kind != IGNORED and not reading.attribute(number, kind, attributes[name]):
                return None
            if not unread:
                break
        if unread or len(attributes) != count:  # another thread may have Core note something on the statement meanwhile
            return None
        return tuple(reading.tokens), reading.parameters


class _Reading:
    """One reading of one statement: what has been found so far."""

    def __init__(self, reader: Any) -> None:
        self.kinds = reader._kinds
        self.plain_type = reader._plain_type
        self.uncacheable = reader._uncacheable
        self.tokens: list[Any] = []
        self.parameters: list[Any] = []
        self.seen: dict[Any, int] = {}

    def attribute(self, number: int, kind: int, value: Any) -> bool:
        """Read an attribute of the statement; ``False`` if the statement has no shape."""
        if kind == NOTHING:
            return value is None
        if kind == EMPTY:
            return len(value) == 0
        if kind in (ELEMENT, ELEMENTS, JOINS) and value is None:
            return True
        self.tokens.append(number)
        if kind == ELEMENTS:
            return self.elements(value, 0)
        if kind == ELEMENT:
            return self.element(value, 0)
        if kind == JOINS:
            return self.joins(value)
        if kind == FLAG:
            self.tokens.append(bool(value))
        elif kind == LASTING:
            self.tokens.append(id(value))
        elif kind == SUBJECT:
            self.tokens.append(value.get("plugin_subject"))
        return True

    def elements(self, elements: Sequence[Any], depth: int) -> bool:
        if type(elements) is not tuple and type(elements) is not list:
            return False
        self.tokens.append(len(elements))
        return all(self.element(each, depth) for each in elements)

    def joins(self, joins: Sequence[Any]) -> bool:
        if type(joins) is not tuple:
            return False
        self.tokens.append(len(joins))
        for right, onclause, left, flags in joins:
            for each in (right, onclause, left):
                if each is None:
                    self.tokens.append(ABSENT)
                elif not self.element(each, 0):
                    return False
            if len(flags) != 2:
                return False
            self.tokens.append(bool(flags["isouter"]))
            self.tokens.append(bool(flags["full"]))
        return True

    def element(self, element: Any, depth: int) -> bool:
        """Read an element and what it is made of."""
        kind = self.kinds.get(type(element))
        attributes = getattr(element, "__dict__", None)
        tokens = self.tokens
        if attributes is None:
            return False
        if kind is None:
            mark = attributes.get(MARK)
            if type(mark) is not Mark or mark.address != id(element):
                return False
            tokens.append(MARKED)
            tokens.append(mark)
            return True
        if depth > DEPTH:
            return False
        depth += 1
        if kind == PARAMETER:
            return self.parameter(element, attributes)
        tokens.append(kind)
        if kind == BINARY:
            tokens.append(attributes["operator"])
            modifiers = attributes["modifiers"]
            tokens.append(tuple(sorted(modifiers.items())) if modifiers else None)
            type_ = attributes["type"]
            if type_ is self.plain_type:
                tokens.append(None)
            elif not self.type_(type_):
                return False
            return self.element(attributes["left"], depth) and self.element(attributes["right"], depth)
        if kind == LIST:
            tokens.append(attributes["operator"])
            return self.elements(attributes["clauses"], depth)
        if kind == UNARY:
            tokens.append(attributes["operator"])
            tokens.append(attributes["modifier"])
            return self.element(attributes["element"], depth)
        tokens.append(type(element))
        if kind == LABEL:
            name = attributes["name"]
            if type(name) is not str:
                return False
            tokens.append(name)
            return self.element(attributes["_element"], depth)
        return kind == CONSTANT or self.element(attributes["element"], depth)

    def parameter(self, element: Any, attributes: dict[str, Any]) -> bool:
        tokens, parameters, seen = self.tokens, self.parameters, self.seen
        number = seen.get(id(element))
        if number is not None:
            tokens.append(REPEATED)
            tokens.append(number)
            return True
        number = seen[id(element)] = len(parameters)
        parameters.append(element)
        tokens.append(PARAMETER)
        tokens.append(type(element))
        anonymous = attributes.get("_anon_map_key")
        if anonymous is None:
            tokens.append(str(attributes["key"]))
        elif seen.setdefault(anonymous, number) != number:
            return False
        else:
            tokens.append(None)
        tokens.append(bool(attributes["literal_execute"]))
        return self.type_(attributes["type"])

    def type_(self, type_: Any) -> bool:
        key = type_._static_cache_key
        self.tokens.append(key)
        return key is not self.uncacheable
