"""How a mapper inherits: single table, joined tables, concrete tables; the discriminator; polymorphic SELECTs.

Functions of a mapper under construction, called by ``mapper.py`` in the order in which they stand here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, or_
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause, ColumnElement
from sqlalchemy.sql.selectable import Join
from sqlalchemy.util import warn

from session.core import sql as core_sql
from session.core.event import hand_down
from session.core.selectables import inspect_mapper, join_condition, tables_of
from session.mapping.base import MapperProperty
from session.mapping.columns import ColumnProperty

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = [
    "collect_equivalents",
    "mappers_for",
    "selectable_for",
    "set_up_discriminator",
    "set_up_inheritance",
    "single_criterion",
]


# ---- tables and bases ----------------------------------------------------------


def set_up_inheritance(mapper: Mapper[Any]) -> None:
    """Find out what the mapper takes from its base, and which tables its rows stand in."""
    parent = mapper.inherits
    if parent is None:
        _stand_alone(mapper)
        return
    if not issubclass(mapper.class_, parent.class_):
        raise ArgumentError(
            f"Class {mapper.class_.__name__} cannot inherit the mapping of {parent.class_.__name__}, because it "
            f"is no subclass of it"
        )
    mapper.base_mapper = parent.base_mapper
    hand_down(parent, mapper)
    if mapper.local_table is None:
        mapper.local_table = parent.local_table
        mapper.persist_selectable = parent.persist_selectable
        mapper.single = True
    elif mapper.local_table is not parent.local_table:
        if mapper.concrete:
            mapper.persist_selectable = mapper.local_table
            for ancestor in parent.iterate_to_root():
                ancestor.has_concrete_heirs = True
        else:
            _join_tables(mapper, parent)
    else:
        mapper.persist_selectable = mapper.local_table
        mapper.single = True
    if mapper.concrete:
        mapper.polymorphic_map = {} if mapper.polymorphic_on is not None else parent.polymorphic_map
    else:
        mapper.polymorphic_map = parent.polymorphic_map
    _inherit_settings(mapper, parent)
    if mapper.single and mapper.concrete:
        raise ArgumentError(f"{mapper} is concrete, so it needs a table of its own")


def _stand_alone(mapper: Mapper[Any]) -> None:
    if mapper.local_table is None:
        raise ArgumentError(
            f"The mapping of {mapper.class_.__name__} has no table: give it one, or let it inherit from a class "
            f"that has one"
        )
    mapper.base_mapper = mapper
    mapper.persist_selectable = mapper.local_table
    mapper.polymorphic_map = {} if mapper.given_polymorphic_map is None else mapper.given_polymorphic_map


def _join_tables(mapper: Mapper[Any], parent: Mapper[Any]) -> None:
    """Joined-table inheritance: the row is one row of each table."""
    condition = mapper.inherit_condition
    if condition is None:
        try:
            condition = join_condition(parent.local_table, mapper.local_table)
        except (ArgumentError, InvalidRequestError) as error:
            try:
                condition = join_condition(parent.persist_selectable, mapper.local_table)
            except (ArgumentError, InvalidRequestError):
                raise type(error)(
                    f"Cannot tell how the table {_name(mapper.local_table)!r} of {mapper.class_.__name__} continues "
                    f"the rows of {_name(parent.local_table)!r} of {parent.class_.__name__}: give it a foreign key to "
                    f"that table, or the argument inherit_condition; {error}"
                ) from error
    else:
        condition = core_sql.coercions.expect(core_sql.roles.OnClauseRole, condition)
    mapper.inherit_condition = condition
    mapper.persist_selectable = parent.persist_selectable.join(mapper.local_table, condition)


def _inherit_settings(mapper: Mapper[Any], parent: Mapper[Any]) -> None:
    if not mapper.concrete:
        if mapper.version_id_col is None:
            mapper.version_id_col = parent.version_id_col
            mapper.version_id_generator = parent.version_id_generator
        elif parent.version_id_col is not None and mapper.version_id_col is not parent.version_id_col:
            warn(
                f"{mapper} has a version_id_col of its own, {mapper.version_id_col}, though it inherits "
                f"{parent.version_id_col} from {parent}; one version counter for all tables of a row is enough"
            )
    mapper.eager_defaults = parent.eager_defaults if mapper.eager_defaults == "auto" else mapper.eager_defaults
    mapper.passive_updates = mapper.passive_updates and parent.passive_updates
    mapper.passive_deletes = mapper.passive_deletes or parent.passive_deletes
    mapper.batch = mapper.batch and parent.batch
    mapper.confirm_deleted_rows = mapper.confirm_deleted_rows and parent.confirm_deleted_rows


def _name(table: Any) -> str:
    return str(getattr(table, "name", table))


def table_chain(mapper: Mapper[Any]) -> list[Table]:
    """Return the tables that hold the mapper's row, parents first."""
    found: list[Table] = []
    for one in reversed(list(mapper.iterate_to_root())):
        for table in _parents_first(tables_of(one.local_table)):
            if table not in found:
                found.append(table)
        if one is not mapper and mapper.concrete:
            found.clear()
    own = tables_of(mapper.persist_selectable)
    return [table for table in found if table in own] + [table for table in own if table not in found]


def _parents_first(tables: list[Any]) -> list[Any]:
    """Order the tables of one join so that a table stands behind those that its foreign keys need."""
    if len(tables) < 2:
        return tables
    waiting, done = list(tables), []
    while waiting:
        free = [
            table
            for table in waiting
            if not any(
                key.column.table in waiting and key.column.table is not table
                for key in getattr(table, "foreign_keys", ())
            )
        ]
        free = free[:1] or waiting[:1]
        done += free
        waiting.remove(free[0])
    return done


def collect_equivalents(mapper: Mapper[Any]) -> dict[ColumnElement[Any], set[ColumnElement[Any]]]:
    """Return the columns that hold the same value because inheritance joins equate them."""
    result: dict[Any, set[Any]] = {}

    def note(binary: BinaryExpression[Any]) -> None:
        if binary.operator is core_sql.operators.eq:
            result.setdefault(binary.left, set()).add(binary.right)
            result.setdefault(binary.right, set()).add(binary.left)

    for one in {**dict.fromkeys(mapper.iterate_to_root()), **dict.fromkeys(mapper.base_mapper.self_and_descendants)}:
        if one.inherit_condition is not None:
            core_sql.visitors.traverse(one.inherit_condition, {}, {"binary": note})
    return result


# ---- the discriminator -------------------------------------------------------------


def set_up_discriminator(mapper: Mapper[Any]) -> None:
    """Find the discriminator of the mapper, and enter its identity into the map of its hierarchy."""
    given = mapper.given_polymorphic_on
    if given is not None:
        mapper.polymorphic_on, prop = _discriminator(mapper, given)
        mapper.polymorphic_prop_key = None if prop is None else prop.key
    elif mapper.inherits is not None and not mapper.concrete:
        parent = mapper.inherits
        mapper.polymorphic_on = parent.polymorphic_on
        mapper.polymorphic_prop_key = parent.polymorphic_prop_key
        if mapper.polymorphic_on is not None and mapper.polymorphic_prop_key is None:
            prop = mapper.prop_of_column.get(mapper.polymorphic_on)
            mapper.polymorphic_prop_key = prop.key if prop is not None and prop.instrument else None
    elif mapper.inherits is not None:
        corresponding = mapper.inherits.polymorphic_on
        if corresponding is not None:
            mapper.polymorphic_on = mapper.persist_selectable.corresponding_column(corresponding)
    _enter_identity(mapper)


def _discriminator(mapper: Mapper[Any], given: Any) -> tuple[Any, MapperProperty | None]:
    if isinstance(given, str):
        prop = mapper.props.get(given)
        if prop is None:
            raise ArgumentError(f"The polymorphic_on={given!r} of {mapper} is the name of no attribute of it")
        given = prop
    if getattr(given, "is_attribute", False):
        given = given.property
    if isinstance(given, MapperProperty):
        while getattr(given, "is_synonym", False):
            given = mapper.props[given.name]  # type: ignore[attr-defined]
        if not isinstance(given, ColumnProperty):
            raise ArgumentError(f"The polymorphic_on of {mapper} must be a column or SQL expression, not {given}")
        return given.columns[0], given
    expression = core_sql.coercions.expect(core_sql.roles.ColumnArgumentOrKeyRole, given)
    prop = mapper.prop_of_column.get(expression)
    if prop is not None:
        return expression, prop
    column = mapper.persist_selectable.corresponding_column(expression)
    if column is not None and column in mapper.prop_of_column:
        return column, mapper.prop_of_column[column]
    if column is None and isinstance(expression, Column):
        if mapper.with_polymorphic_selectable_given is None:
            raise InvalidRequestError(f"The polymorphic_on column {expression} of {mapper} is in none of its tables")
        column = expression
    # an expression, or a column that no attribute maps: it is read along with the row under a key of its own
    target = expression if column is None else column
    named = isinstance(target, ColumnClause) and not target.is_literal
    if not named and not hasattr(target, "element"):
        target = target.label("_sa_polymorphic_on")
    prop = ColumnProperty(target, instrument=isinstance(target, Column))
    mapper.configure_property(getattr(target, "key", None) or "_sa_polymorphic_on", prop, init=False)
    return prop.columns[0], prop if isinstance(target, Column) else None


def _enter_identity(mapper: Mapper[Any]) -> None:
    identity = mapper.polymorphic_identity
    if identity is None:
        _warn_of_missing_identity(mapper)
        return
    if mapper.polymorphic_abstract:
        raise InvalidRequestError(
            f"{mapper} is polymorphic_abstract, so no row is of its own class; leave its polymorphic_identity out"
        )
    present = mapper.polymorphic_map.get(identity)
    if present is not None and present is not mapper:
        warn(
            f"The polymorphic_identity {identity!r} belonged to {present} and now goes to {mapper}; rows with it "
            f"will be loaded as {mapper.class_.__name__}"
        )
    mapper.polymorphic_map[identity] = mapper


def _warn_of_missing_identity(mapper: Mapper[Any]) -> None:
    if (
        mapper.inherits is None
        or mapper.concrete
        or mapper.polymorphic_on is None
        or mapper.polymorphic_abstract
        or mapper.given_polymorphic_on is not None
    ):
        return
    warn(
        f"{mapper} has no polymorphic_identity, though its hierarchy is told apart by {mapper.polymorphic_on}; give it "
        f"one, or mark the class polymorphic_abstract=True (or __abstract__) if no row is of it"
    )


def identity_setter(mapper: Mapper[Any]) -> Any:
    """Return the function that gives a new object its discriminator value, ``None`` if there is nothing to give.

    :return: a function of state and dictionary.
    """
    if mapper.polymorphic_abstract:

        def refuse(state: Any, dict_: dict[str, Any]) -> None:
            raise InvalidRequestError(
                f"Cannot make an object of {mapper.class_.__name__}: its mapping is polymorphic_abstract; make one "
                f"of a subclass with a polymorphic_identity"
            )

        return refuse
    key, identity = mapper.polymorphic_prop_key, mapper.polymorphic_identity
    if mapper.polymorphic_on is None or key is None or not mapper.props[key].is_column:
        return None

    def give(state: Any, dict_: dict[str, Any]) -> None:
        state.get_impl(key).set(state, dict_, identity, None)

    return give


def single_criterion(mapper: Mapper[Any]) -> ColumnElement[bool] | None:
    """Return the condition by which rows of a single-table subclass are told from those of its base.

    :return: ``discriminator IN (identities)``; ``None`` where the class owns every row of its table.
    """
    if not mapper.single or mapper.inherits is None or mapper.polymorphic_on is None or mapper.concrete:
        return None
    wanted = [one.polymorphic_identity for one in mapper.self_and_descendants if one.polymorphic_identity is not None]
    column = mapper.polymorphic_on
    condition: ColumnElement[bool] = column.in_(wanted)
    if any(one.polymorphic_identity is None and None in one.polymorphic_map for one in mapper.self_and_descendants):
        condition = or_(condition, column.is_(None))
    return condition


# ---- polymorphic SELECTs ------------------------------------------------------------


def mappers_for(mapper: Mapper[Any], spec: Any, selectable: Any = None) -> list[Mapper[Any]]:
    """Return the mappers that a ``with_polymorphic`` means.

    :param spec: ``"*"`` for all descendants, or classes and mappers; bases between are added.
    :param selectable: the selectable that was given with it; mappers whose tables are not in it are left out.
    :return: in order of the hierarchy, the mapper itself first unless it was left out.
    """
    if spec == "*":
        wanted = list(mapper.self_and_descendants)
    elif not spec:
        wanted = []
    else:
        named: set[Mapper[Any]] = set()
        for one in spec:
            other = _mapper_of(one)
            if not other.isa(mapper):
                raise InvalidRequestError(f"{other} does not inherit from {mapper}, so it cannot be part of its SELECT")
            named.update(step for step in other.iterate_to_root() if step.isa(mapper))
        wanted = [one for one in mapper.self_and_descendants if one in named]
    if selectable is not None:
        present = set(tables_of(selectable))
        wanted = [one for one in wanted if set(tables_of(one.local_table)) <= present]
    return wanted


def _mapper_of(subject: Any) -> Any:
    found = inspect_mapper(subject)
    if found is None:
        raise ArgumentError(f"Expected a mapped class or mapper, got {subject!r}")
    return found


def selectable_for(mapper: Mapper[Any], mappers: Iterable[Mapper[Any]], innerjoin: bool = False) -> Any:
    """Return the join over all tables of a mapper and of some that inherit from it.

    :param innerjoin: inner instead of left outer joins.
    """
    result = mapper.persist_selectable
    for one in mappers:
        if one is mapper:
            continue
        if one.concrete:
            raise InvalidRequestError(
                f"with_polymorphic needs a selectable for {one}, whose table is concrete; use polymorphic_union()"
            )
        if not one.single:
            result = result.join(one.local_table, one.inherit_condition, isouter=not innerjoin)
    return result


def is_join(selectable: Any) -> bool:
    """Tell whether a selectable is a join of others."""
    return isinstance(selectable, Join)
