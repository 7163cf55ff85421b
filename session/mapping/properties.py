"""Assembling a mapper's properties: what was given, what is inherited, and a column property for every other column.

Functions of a mapper under construction; the results are ``mapper.props`` (by key, in order) and
``mapper.prop_of_column``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Column
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.elements import ClauseElement, ColumnClause
from sqlalchemy.util import warn

from session.core import sql as core_sql
from session.core.schema import is_omitted
from session.core.selectables import reduce_columns
from session.exc import UnmappedColumnError
from session.instrument.base import opt_manager_of_class
from session.mapping.base import MapperProperty
from session.mapping.columns import ColumnProperty
from session.mapping.composite import CompositeProperty
from session.mapping.decorators import watch_with_validators
from session.mapping.inheritance import collect_equivalents
from session.mapping.synonym import SynonymProperty

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["assemble", "configure_property", "find_primary_key"]


def assemble(mapper: Mapper[Any], given: Mapping[str, Any]) -> None:
    """Fill the properties of a new mapper.

    Their order is that of ``mapper.attrs``: what was given and is no column of the class's own table, what is
    inherited, then columns as they stand in the table.

    :param given: the properties argument: columns, lists of columns, properties by key.
    """
    waiting: dict[str, Any] = {}
    keys: dict[Any, str] = {}
    given = _one_for_each_column(mapper, given)
    for key, value in given.items():
        own = _own_columns(mapper, value)
        if not own:
            configure_property(mapper, key, value, init=False)
            continue
        waiting[key] = value
        keys.update(dict.fromkeys(own, key))
    parent = mapper.inherits
    if parent is not None:
        for key, prop in parent.props.items():
            if key not in given or isinstance(given[key], (Column, ColumnProperty, list, tuple)):
                adopt(mapper, key, prop)
    for column in mapper.persist_selectable.c:
        key = keys.get(column, "")
        if key in waiting:
            configure_property(mapper, key, waiting.pop(key), init=False)
            continue
        if column in mapper.prop_of_column:
            continue
        if not isinstance(column.key, str) or is_omitted(column):
            continue
        key = (mapper.column_prefix or "") + column.key
        if excluded(mapper, key, column.key, local=mapper.local_table.c.contains_column(column), column=column):
            continue
        _check_free(mapper, key, column)
        configure_property(mapper, key, column, init=False, setparent=True)
    for key, value in waiting.items():
        configure_property(mapper, key, value, init=False)
    if parent is not None and mapper.concrete:
        _adopt_descriptors(mapper, parent)


def _check_free(mapper: Mapper[Any], key: str, column: Any) -> None:
    """Refuse a relationship that has the name of a column, which would take its place."""
    present = mapper.props.get(key)
    if present is not None and present.is_relationship and present.parent is mapper:
        raise ArgumentError(
            f"{mapper.class_.__name__}.{key} is a relationship, and the column {column} would be mapped under the same "
            f"name: give one of them another, the column by an attribute for it, as in {key}_ = Column({column.name!r})"
        )


def _one_for_each_column(mapper: Mapper[Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out of the given properties all but one for the same column: what was set by another would be lost.

    The last stays; a column under its own key gives way.
    """
    keys: dict[Any, list[str]] = {}
    for key, value in given.items():
        columns = value.columns if isinstance(value, ColumnProperty) else (value,)
        if len(columns) == 1 and isinstance(columns[0], Column):
            keys.setdefault(columns[0], []).append(key)
    left_out: set[str] = set()
    for column, names in keys.items():
        if len(names) > 1:
            kept = [name for name in names if name != column.key or isinstance(given[name], ColumnProperty)][-1]
            left_out.update(name for name in names if name != kept)
            warn(
                f"{mapper.class_.__name__} maps the column {column} under several names, {', '.join(names)}; only "
                f"{kept!r} is mapped. Say synonym({kept!r}) for the others"
            )
    return {key: value for key, value in given.items() if key not in left_out} if left_out else given


def _own_columns(mapper: Mapper[Any], value: Any) -> list[Any]:
    """Give those of the columns that a given property is made of that stand in the class's own table."""
    if isinstance(value, ColumnProperty):
        columns: Sequence[Any] = value.columns
    elif isinstance(value, MapperProperty):
        return []
    else:
        columns = value if isinstance(value, (list, tuple)) else [value]
    table = mapper.local_table
    return [column for column in columns if isinstance(column, ColumnClause) and table.c.contains_column(column)]


def _adopt_descriptors(mapper: Mapper[Any], parent: Mapper[Any]) -> None:
    """Give a concrete subclass the synonyms and composites of its base for what it has itself."""
    for key, prop in parent.props.items():
        if not isinstance(prop, (SynonymProperty, CompositeProperty)) or key in mapper.props:
            continue
        if mapper.props.keys() >= set(prop.attribute_names):
            if isinstance(mapper.class_.__dict__.get(key), NotImplementedHere):
                configure_property(mapper, key, prop.on_its_own(), init=False)


def adopt(mapper: Mapper[Any], key: str, prop: MapperProperty) -> None:
    """Take a property over from the base mapper."""
    if mapper.concrete:
        if key not in mapper.props and not _has_descriptor(mapper, key):
            mapper.class_manager.put(key, NotImplementedHere(mapper, key, prop))
        return
    if key in mapper.props:
        return
    if isinstance(prop, ColumnProperty) and excluded(mapper, key, key, local=False, column=prop.columns[0]):
        return
    if _has_descriptor(mapper, key, own_only=True) and not prop.is_column:
        return
    _enter(mapper, key, prop, setparent=False)


class NotImplementedHere:
    """Stands on a concrete subclass in the place of an attribute that only its base has."""

    impl = None

    def __init__(self, mapper: Mapper[Any], key: str, prop: MapperProperty) -> None:
        self.said = (
            f"The attribute {mapper.class_.__name__}.{key} is not there: {mapper.class_.__name__} has a concrete table "
            f"of its own, and only {prop.parent.class_.__name__} maps {key!r}; map it here too"
        )

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        raise AttributeError(self.said)

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError(self.said)

    def __delete__(self, instance: Any) -> None:
        raise AttributeError(self.said)

    def refuse(self, other: Any) -> NoReturn:
        """Do not let a comparison pass for true or false in a criterion."""
        raise AttributeError(self.said)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
    __hash__ = object.__hash__


def excluded(mapper: Mapper[Any], name: str, column_name: str, local: bool, column: Any = None) -> bool:
    """Tell whether a column is not to be mapped under a name.

    :param local: whether it stands in the mapper's own table rather than an inherited one.
    """
    if _has_descriptor(mapper, name, own_only=local and name in mapper.class_.__dict__):
        return True
    only, never = mapper.include_properties, mapper.exclude_properties
    if only is not None and name not in only and column_name not in only and (column is None or column not in only):
        return True
    return bool(never and (name in never or column_name in never or (column is not None and column in never)))


def _is_user_descriptor(mapper: Mapper[Any], name: str, value: Any) -> bool:
    """Tell whether a class attribute is something of the user's, which a column must not replace."""
    if getattr(value, "_session_attribute", False) or isinstance(value, (MapperProperty, ClauseElement)):
        return False
    if hasattr(value, "mapper_property_to_assign") or isinstance(value, NotImplementedHere):
        return False
    field = getattr(mapper.class_, "__dataclass_fields__", {}).get(name)
    return not (field is not None and field.default is value)


def _has_descriptor(mapper: Mapper[Any], key: str, own_only: bool = False) -> bool:
    classes = (mapper.class_,) if own_only else mapper.class_.__mro__[:-1]
    for cls in classes:
        if key in cls.__dict__:
            return _is_user_descriptor(mapper, key, cls.__dict__[key])
        if opt_manager_of_class(cls) is not None and cls is not mapper.class_:
            return False
    return False


def configure_property(
    mapper: Mapper[Any],
    key: str,
    value: Any,
    init: bool = True,
    setparent: bool = True,
    warn_for_existing: bool = False,
) -> MapperProperty:
    """Add one property to a mapper.

    :param value: a property, a column or a list of columns.
    :param init: make it ready for use at once, because the mapper is configured already.
    :return: the property.
    """
    key = sys.intern(str(key))  # as the names in the code that uses it: found in a dictionary without a comparison
    prop = value if isinstance(value, MapperProperty) else _column_property(mapper, key, value)
    if isinstance(prop, ColumnProperty):
        prop = _place_columns(mapper, key, prop)
    present = mapper.props.get(key)
    if present is not None and present is not prop:
        _check_replacement(mapper, key, present, prop, warn_for_existing)
    _enter(mapper, key, prop, setparent)
    for heir in mapper.self_and_descendants[1:]:
        known = heir.props.get(key)
        if known is not None and known is not present:  # of its own, or of a mapper between
            continue
        heir.props.pop(key, None)
        adopt(heir, key, prop)
        heir.forget_derived()
    if init:
        prop.init()
        for one in mapper.self_and_descendants:
            if one.configured and one.props.get(key) is prop:
                prop.post_instrument_class(one)
                watch_with_validators(one, key)
    mapper.forget_derived()
    return prop


def _check_replacement(
    mapper: Mapper[Any], key: str, present: MapperProperty, prop: MapperProperty, wanted: bool
) -> None:
    if present.parent is not mapper:
        return
    synonyms = [name for name, one in mapper.props.items() if getattr(one, "mapped_by_synonym", None) == key]
    if synonyms:
        raise ArgumentError(
            f"{mapper} cannot have an attribute {key!r}: the synonym {synonyms[0]!r} has mapped its column already"
        )
    if wanted and present.is_relationship and prop.is_relationship:
        warn(f"The attribute {mapper.class_.__name__}.{key} is replaced: it was {present!r}, and is now {prop!r}")


def _enter(mapper: Mapper[Any], key: str, prop: MapperProperty, setparent: bool) -> None:
    if setparent:
        prop.key = key
        prop.set_parent(mapper, False)
    elif not prop.key:
        prop.key = key
    if isinstance(prop, ColumnProperty):
        for column in prop.columns:
            mapper.prop_of_column[column] = prop
            for proxied in getattr(column, "proxy_set", ()):  # what an alias or subquery has the column from
                if proxied is not column and isinstance(proxied, ColumnClause):
                    mapper.prop_of_column.setdefault(proxied, prop)
    mapper.props[key] = prop
    prop.instrument_class(mapper)


def _column_property(mapper: Mapper[Any], key: str, value: Any) -> ColumnProperty:
    """Make the property of a column, or of several that hold the same value."""
    columns = list(value) if isinstance(value, (list, tuple)) else [value]
    expressions = []
    for column in columns:
        try:
            expressions.append(core_sql.coercions.expect(core_sql.roles.ColumnArgumentOrKeyRole, column))
        except ArgumentError as error:
            raise ArgumentError(
                f"The attribute {key!r} of {mapper.class_.__name__} is neither a property nor a column: {value!r}; "
                f"give it relationship(), column_property(), synonym() or a Column"
            ) from error
    return ColumnProperty(*expressions)


def _place_columns(mapper: Mapper[Any], key: str, prop: ColumnProperty) -> ColumnProperty:
    """Fit a column property to the mapper's tables: local columns, and inherited ones under the same key."""
    for i, column in enumerate(prop.columns):
        if not isinstance(column, Column) or column in mapper.prop_of_column:
            continue
        if not mapper.persist_selectable.c.contains_column(column):
            local = mapper.persist_selectable.corresponding_column(column)
            if local is None:
                for one in mapper.iterate_to_root():
                    local = one.local_table.corresponding_column(column)
                    if local is not None:
                        break
            if local is not None:
                prop.columns[i] = local
    present = mapper.props.get(key)
    if (
        isinstance(present, ColumnProperty)
        and present is not prop
        and isinstance(prop.columns[0], Column)
        and not mapper.concrete
    ):
        return _combine(mapper, key, present, prop)
    return prop


def _combine(mapper: Mapper[Any], key: str, present: ColumnProperty, prop: ColumnProperty) -> ColumnProperty:
    """Let one attribute stand for a column and for the column of the same key that a base, or a join, has."""
    column = prop.columns[0]
    others = [other for other in present.columns if other not in prop.columns]
    if not others or not isinstance(others[0], Column):
        return prop
    if column.table is others[0].table:
        return prop
    if present.parent is mapper:
        raise InvalidRequestError(
            f"{mapper.class_.__name__}.{key} would stand for both {others[0]} and {column}, columns of two tables "
            f"of the class; say that they hold the same value with {key}=column_property({others[0]}, {column}), or "
            f"map one of them under another name"
        )
    if len(prop.columns) == 1 and not _related(mapper, column, others):
        warn(
            f"The attribute {mapper.class_.__name__}.{key} combines the columns {others[0]} and {column}, which no "
            f"foreign key of the inheritance relates; map one of them under another name, or both by "
            f"column_property({column}, {others[0]})"
        )
    made = prop.copy()
    made.columns = [*prop.columns, *others]
    return made


def _related(mapper: Mapper[Any], column: Any, others: list[Any]) -> bool:
    equivalents = collect_equivalents(mapper).get(column, ())
    return any(other in equivalents for other in others)


def find_primary_key(mapper: Mapper[Any], given: Any) -> None:
    """Work out the primary key of the mapper, and which key columns each of its tables has.

    :param given: the primary_key argument: columns, names of columns or attributes; ``None`` to take the table's.
    :raises ArgumentError: if there is none.
    """
    parent = mapper.inherits
    selectable = mapper.persist_selectable
    if given is not None and not isinstance(given, (list, tuple, set, frozenset)):
        given = [given]
    named = [] if given is None else [_key_column(mapper, one) for one in given]
    for table in mapper.tables:
        keys = [c for c in getattr(table, "primary_key", ()) if c in mapper.prop_of_column]
        keys += [c for c in named if c.table is table and c not in keys and not keys]
        mapper.pk_of_table[table] = tuple(keys)
    if parent is not None and not mapper.concrete and not named:
        mapper.primary_key = parent.primary_key
    elif named:
        mapper.primary_key = tuple(named)
    else:
        found = [c for c in selectable.primary_key if c in mapper.prop_of_column]
        if len(found) > 1:
            found = reduce_columns(found)
        if not found and len(selectable.primary_key):
            raise ArgumentError(
                f"The primary key of {_table_name(mapper)!r} is not mapped by {mapper.class_.__name__}; do not exclude "
                f"its columns, or give the mapper's primary_key"
            )
        mapper.primary_key = tuple(found)
    if not mapper.primary_key:
        raise ArgumentError(
            f"Class {mapper.class_.__name__} cannot be mapped to {_table_name(mapper)!r}, which has no primary key; "
            f"mark the columns that tell its rows apart with primary_key=True, or name them in the mapper's "
            f"argument primary_key"
        )


def _key_column(mapper: Mapper[Any], named: Any) -> Any:
    if isinstance(named, str):
        prop = mapper.props.get(named)
        if isinstance(prop, ColumnProperty):
            return prop.columns[0]
        found = mapper.local_table.c.get(named)
        if found is None:
            raise ArgumentError(f"The primary_key of {mapper} names {named!r}, which is no column or attribute of it")
        return found
    column = core_sql.coercions.expect(core_sql.roles.ColumnArgumentOrKeyRole, named)
    if column in mapper.prop_of_column:
        return column
    found = mapper.persist_selectable.corresponding_column(column)
    if found is None or found not in mapper.prop_of_column:
        raise UnmappedColumnError(
            f"The primary_key column {column} of {mapper} is not mapped by it", column=column, mapper=mapper
        )
    return found


def _table_name(mapper: Mapper[Any]) -> str:
    return str(getattr(mapper.persist_selectable, "description", mapper.persist_selectable))
