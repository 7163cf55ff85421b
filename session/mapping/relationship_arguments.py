"""What the arguments of a relationship mean, once all classes are there: names, functions and attributes resolved.

In: a :class:`RelationshipProperty` with its arguments as written.  Out: its target and its join condition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import ArgumentError

from session.core import expressions as sql
from session.core.sql import coercions, roles
from session.instrument.attributes import QueryableAttribute
from session.mapping.inspect import entity_of
from session.mapping.joins import JoinCondition, Side, foreign, remote

__all__ = ["Arguments", "find_condition", "find_entity", "resolve"]


@dataclass(frozen=True)
class Arguments:
    """The arguments of a relationship that are about tables and columns, as Core objects.

    :param order_by: list of expressions; ``False`` for no order.
    """

    primaryjoin: Any
    secondaryjoin: Any
    secondary: Any
    foreign_keys: list[Any]
    remote_side: list[Any]
    order_by: Any


def find_entity(prop: Any) -> Any:
    """Find the mapper, or aliased entity, that a relationship leads to.

    :raises ArgumentError: if its argument is nothing mapped.
    :raises InvalidRequestError: if a name in it is unknown.
    """
    argument = prop.argument
    if isinstance(argument, str):
        argument = prop.parent.registry.resolve(argument, prop.parent.class_, what=f"relationship {prop}")
    elif _is_function(argument):
        argument = argument()
    entity = entity_of(argument)
    if entity is None:
        raise ArgumentError(
            f"Relationship {prop} leads to {argument!r}, which is no mapped class; name the target in its "
            f"annotation, as Mapped[list[Target]], or as first argument"
        )
    return entity


def resolve(prop: Any, given: dict[str, Any]) -> Arguments:
    """Make Core objects of a relationship's arguments.

    :param prop: the relationship.
    :param given: the arguments as written, by name.
    """
    values = {name: _evaluated(prop, name, value) for name, value in given.items()}
    return Arguments(
        _join(prop, "primaryjoin", values["primaryjoin"]),
        _join(prop, "secondaryjoin", values["secondaryjoin"]),
        _secondary(prop, values["secondary"]),
        [sql.plain(column) for column in _expressions(prop, "foreign_keys", values["foreign_keys"])],
        [sql.plain(column) for column in _expressions(prop, "remote_side", values["remote_side"])],
        _expressions(prop, "order_by", values["order_by"]) or False,
    )


def _evaluated(prop: Any, name: str, value: Any) -> Any:
    """Evaluate what was given as a string or function; in a list, each part."""
    if _is_list(value):
        return [part for each in value for part in _listed(_evaluated(prop, name, each))]
    if isinstance(value, str):
        return prop.parent.registry.resolve(
            value,
            prop.parent.class_,
            names={"foreign": foreign, "remote": remote},
            tables_first=name == "secondary",
            what=f"{name} of relationship {prop}",
        )
    return value() if _is_function(value) else value


def _join(prop: Any, name: str, value: Any) -> Any:
    return None if value is None else coercions.expect(roles.ColumnArgumentRole, value, argname=name)


def _expressions(prop: Any, name: str, value: Any) -> list[Any]:
    if value is None or value is False:
        return []
    return [coercions.expect(roles.ColumnArgumentRole, part, argname=name) for part in _listed(value)]


def _secondary(prop: Any, secondary: Any) -> Any:
    if secondary is None:
        return None
    if isinstance(secondary, type) or entity_of(secondary) is not None:
        raise ArgumentError(
            f"secondary of relationship {prop} is {secondary!r}; it takes the Table itself, whose rows the "
            f"relationship writes by itself and not as objects"
        )
    return coercions.expect(roles.FromClauseRole, secondary, argname="secondary")


def find_condition(prop: Any, arguments: Arguments, pairs: list[tuple[Any, Any]]) -> JoinCondition:
    """Work out the join condition of a relationship.

    :param pairs: pairs of local and remote columns, if they were given.
    :raises ArgumentError: if it gives no direction, or no columns to work with.
    """
    parent, entity = prop.parent, prop.entity
    if entity.is_aliased_class:
        target = Side(str(entity), entity.selectable, entity.selectable)
    else:
        target = Side(entity.class_.__name__, entity.persist_selectable, entity.local_table)
    if pairs and arguments.remote_side:
        raise ArgumentError(f"Relationship {prop} has both remote_side and pairs of local and remote columns")
    places = [parent.persist_selectable, prop.target]
    if arguments.secondary is not None:
        places.append(arguments.secondary)

    def are_mapped(*columns: Any) -> bool:
        return all(any(place.c.contains_column(column) for place in places) for column in columns)

    return JoinCondition(
        str(prop),
        Side(parent.class_.__name__, parent.persist_selectable, parent.local_table),
        target,
        primaryjoin=arguments.primaryjoin,
        secondary=arguments.secondary,
        secondaryjoin=arguments.secondaryjoin,
        foreign_keys=arguments.foreign_keys,
        remote_side=[far for _, far in pairs] or arguments.remote_side,
        local_side=[near for near, _ in pairs],
        writable=not prop.viewonly,
        is_mapped=are_mapped,
    )


def _is_function(value: Any) -> bool:
    """Tell whether a value is to be called for the argument that it stands for."""
    if value is None or isinstance(value, (type, QueryableAttribute)) or not callable(value):
        return False
    return not hasattr(value, "__clause_element__") and entity_of(value) is None


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _listed(value: Any) -> list[Any]:
    return list(value) if _is_list(value) else [value]
