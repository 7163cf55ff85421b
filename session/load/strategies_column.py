"""How column attributes are loaded: with the row, when first read, never, or as a query's own expression.

Each strategy has two sides: :meth:`compile` says what a statement selects for the attribute, and
:meth:`attribute_loader` gives what the attribute calls when it is read without a value.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import InvalidRequestError

from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    NO_RAISE,
    PASSIVE_NO_RESULT,
    SQL_OK,
)
from session.core.selects import is_null
from session.load.refresh import load_columns
from session.mapping.inspect import entity_of
from session.mapping.strategies import register, strategy_for

__all__ = ["ColumnStrategy", "DeferredColumn", "ExpressionStrategy"]


@register("column", "column")
class ColumnStrategy:
    """The value comes with the row of its object.

    :param prop: the column property.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        """Plain columns have no loader: missing ones are expired, or ``None``."""
        return None

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Select the column."""
        prop = self.prop
        position = build.position(prop.columns[0])
        if position is None:
            part.late = True
            return
        part.position = position
        for column in prop.columns[1:]:
            # the same value in the table of a base class
            if build.adapter is None:
                build.position(column)


@register("column", "deferred", "raise_deferred")
class DeferredColumn:
    """The value is loaded when it is first read, by a SELECT of its own.

    :param prop: the column property.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop
        self.loader = DeferredLoader(prop)
        self.raiser = RaisingColumnLoader(prop)

    def attribute_loader(self) -> Any:
        """Give the loader of the attribute as mapped."""
        return self.raiser if self.prop.strategy == "raise_deferred" else self.loader

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Select nothing; objects get a loader of their own where the mapping says otherwise."""
        prop = self.prop
        part.reset = True
        wanted = prop.strategy
        if directive is not None and directive.name:
            wanted = directive.name
        if wanted == "raise_deferred" and prop.strategy != "raise_deferred":
            part.callable = self.raiser
        elif wanted == "deferred" and prop.strategy != "deferred":
            part.callable = self.loader


@register("column", "expression")
class ExpressionStrategy:
    """The value is an expression that the statement's options give; without one, the attribute's default.

    :param prop: the column property.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        return None

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Select the expression of ``with_expression()``, or the default one."""
        expression = None
        if directive is not None and directive.name == "expression":
            expression = directive.params.get("expression")
        if expression is None:
            expression = self.prop.columns[0]
            if build.builder.makes_columns and is_null(expression):
                return
        part.position = build.position(expression)
        part.reset = part.position is None


class DeferredLoader:
    """Loads a column, and the columns of its group, when it is read.

    :param prop: the column property.
    """

    __slots__ = ("prop",)

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.prop.parent.class_, self.prop.key, "loader"))

    def __call__(self, state: Any, passive: int) -> Any:
        """Load the value.

        :return: ``ATTR_WAS_SET``, or a marker that says why nothing was loaded.
        """
        if state.ident is None:
            return ATTR_EMPTY
        if not passive & SQL_OK:
            return PASSIVE_NO_RESULT
        prop = self.prop
        keys = {prop.key}
        group = getattr(prop, "group", None)
        if group is not None:
            dict_ = state.dict
            keys.update(
                other.key
                for other in state.manager.mapper.column_props
                if other.group == group
                and other.key not in dict_
                and strategy_for(other).attribute_loader() is not None
            )
        load_columns(state, keys, passive)
        return ATTR_WAS_SET


class RaisingColumnLoader:
    """Refuses to load a column.

    :param prop: the column property.
    """

    __slots__ = ("prop",)

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.prop.parent.class_, self.prop.key, "raiser"))

    def __call__(self, state: Any, passive: int) -> Any:
        """Raise, or load where the caller insists.

        :raises InvalidRequestError: always, but for objects without a row and for loads that must not raise.
        """
        if state.ident is None:
            return ATTR_EMPTY
        if not passive & SQL_OK:
            return PASSIVE_NO_RESULT
        if passive & NO_RAISE:
            return DeferredLoader(self.prop)(state, passive)
        prop = self.prop
        raise InvalidRequestError(
            f"'{state.class_.__name__}.{prop.key}' is not loaded, and raiseload=True forbids to load it when it is "
            "read; undefer() it in the query"
        )


def _restore(cls: type[Any], key: str, name: str) -> Any:
    """Find the loader of an unpickled object's column again."""
    return getattr(strategy_for(entity_of(cls).mapper.get_property(key), "deferred"), name)
