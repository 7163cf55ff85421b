"""What a lazy load goes by: the object's values, what its Session has already, its options, and the condition.

In: a relationship and the state of an object.  Next on the way: ``load/strategies_lazy.py``, whose loader asks for
these in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import bindparam

from session.constants import (
    LOAD_AGAINST_COMMITTED,
    MANYTOONE,
    NO_AUTOFLUSH,
    PASSIVE_NO_RESULT,
    RELATED_OBJECT_OK,
    SQL_OK,
)
from session.core.sql import visitors
from session.exc import ObjectDeletedError
from session.load.carried import CarriedOptions
from session.load.loader_option import RELATIONSHIP, LocalLoad, Setting, Step
from session.load.option_tree import resolve_options
from session.load.renamed import path_of
from session.load.row_columns import key_names, name_ending
from session.mapping.aliased import as_read

__all__ = [
    "GONE",
    "back_options",
    "directive_of",
    "identity_criterion",
    "is_late",
    "loads_pending",
    "may_flush",
    "parameter_ending",
    "parametrized",
    "plain_way",
    "present",
    "read_column",
    "shown_path",
    "target_entity",
]

PENDING_LOADS = "load_pending"
"""Name of the mark on a state whose relationships load without it being persistent."""


def is_late(name: str) -> bool:
    """Tell whether a strategy leaves the loading to the moment of reading."""
    return name in ("select", "peers", "raise", "raise_on_sql", "noload")


class _Gone:
    """The object is in the Session, and is no value for the attribute."""


GONE = _Gone()


def present(session: Any, target: Any, ident: Any, token: Any, passive: int) -> Any:
    """Look into the Session for the target of a many-to-one.

    :return: the object, ``None`` if it is not there, ``GONE`` if it is and can't be the value: of another class, or
        its row was deleted; ``PASSIVE_NO_RESULT`` if it is expired and SQL is not allowed.
    """
    shelf = session.identity_map.shelves.get((target.identity_class, token))
    state: Any = None if shelf is None else shelf.get(ident)
    obj = None if state is None else state()
    if obj is None:
        return None
    if not isinstance(obj, target.class_):
        return GONE
    if state.expired:
        if not passive & SQL_OK:
            return PASSIVE_NO_RESULT
        if not passive & RELATED_OBJECT_OK:
            return obj
        try:
            state.load_expired(passive)
        except ObjectDeletedError:
            session._remove_newly_deleted([state])
            return GONE
    return obj


def shown_path(state: Any, prop: Any) -> tuple[Any, ...]:
    """Give the steps from the statement that has loaded an object to one of its relationships, for listeners."""
    start = (state.manager.mapper,) if state.load_path is None else state.load_path.steps
    return (*start, prop)


def read_column(mapper: Any, state: Any, dict_: dict[str, Any], column: Any, passive: int) -> Any:
    """Read an object's value for a column, as far as the flags allow."""
    prop = mapper.prop_of_column.get(column)
    if prop is None:
        prop = mapper.get_property_by_column(column)
    key = prop.key
    if not passive & LOAD_AGAINST_COMMITTED:
        if key in dict_:
            return dict_[key]
        return state.manager[key].impl.get(state, dict_, passive)
    return state.manager[key].impl.get_committed_value(state, dict_, passive)


def may_flush(session: Any, state: Any, passive: int) -> bool:
    """Tell whether a flush comes before the load."""
    return not passive & NO_AUTOFLUSH and session.autoflush and state.ident is not None


def loads_pending(prop: Any, state: Any) -> bool:
    """Tell whether the relationship loads for an object that is not in the database yet."""
    return bool(prop.load_on_pending or state.peek(PENDING_LOADS))


def plain_way(prop: Any, state: Any) -> bool:
    """Tell whether the options that came with an object leave the relationship's own condition as it is.

    Criteria for all objects of a class do: they are for rows that are read, and keep no object from being found in
    the Session.
    """
    if not state.load_options:
        return True
    directive = directive_of(prop, state)
    return directive is None or not directive.criteria


def directive_of(prop: Any, state: Any) -> Any:
    """Give what the options that came with an object say about one of its relationships."""
    held = state.load_options
    memo = held.memo if isinstance(held, CarriedOptions) else {}
    resolved = memo.get("resolved")
    if resolved is None:
        resolved = memo["resolved"] = resolve_options(held or ())
    mapper = state.manager.mapper
    path = path_of(state)
    scope = resolved.scope(mapper) if path is None else resolved.scope_at(path.steps)
    entity = mapper if path is None else path.steps[-1]
    return scope.find(entity, mapper, prop.key, RELATIONSHIP)


def target_entity(prop: Any) -> Any:
    """Give the entity that a relationship leads to."""
    return getattr(prop, "entity", None) or prop.mapper


def parameter_ending(prop: Any) -> str:
    """What the names of a lazy load's parameters end in, so that they meet none of the relationship's condition."""
    found: str | None = prop.__dict__.get("parameter_ending")
    if found is None:
        clause = prop.lazy_clause()
        known = {key for key, _ in clause.params}
        elements: Iterable[Any] = visitors.iterate(clause.criterion)
        binds = [each for each in elements if each.__visit_name__ == "bindparam"]
        alone = all(each.key in known for each in binds)
        found = prop.__dict__["parameter_ending"] = name_ending(prop.mapper) if alone else "_value"
    return found


def parametrized(clause: Any, nulls: tuple[str, ...], ending: str) -> Any:
    """Give a lazy condition with its parameters named param_1, param_2, ... in the order of ``clause.params``.

    :param nulls: names of those whose value is ``None``: they become ``IS NULL``.
    :param ending: what their names end in besides.
    """
    numbers = {key: number for number, (key, _) in enumerate(clause.params, 1)}
    names = {key: f"param_{number}{ending}" for key, number in numbers.items()}
    absent = [key for key, name in names.items() if name in nulls]
    criterion = clause.with_nulls(absent) if absent else clause.criterion

    def rename(element: Any, **keywords: Any) -> Any:
        if getattr(element, "__visit_name__", "") != "bindparam":
            return None
        if element.key not in names:
            return element
        return bindparam(names[element.key], type_=element.type, required=True)

    return visitors.replacement_traverse(criterion, {}, rename)


def identity_criterion(target: Any, values: list[Any]) -> tuple[list[Any], Mapping[str, Any]]:
    """Give the condition on a primary key, with named parameters, and their values."""
    criterion = []
    given = {}
    for name, column, value in zip(key_names(target.mapper), as_read(target, target.primary_key), values, strict=False):
        if value is None:
            criterion.append(column.is_(None))
        else:
            criterion.append(column == bindparam(name, type_=column.type))
            given[name] = value
    return criterion, given


def back_options(prop: Any) -> tuple[LocalLoad, ...]:
    """Keep eager loads of the reverse many-to-one from loading what the parent is already."""
    made: list[LocalLoad] = []
    for reverse in prop.reverse_properties:
        if reverse.direction is MANYTOONE and reverse.use_get and not is_late(reverse.strategy):
            target = target_entity(prop)
            setting = Setting((), RELATIONSHIP, Step(target, reverse.key), "select")
            option: Any = LocalLoad(target).also([setting])
            made.append(option)
    return tuple(made)
