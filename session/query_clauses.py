"""The clauses of a ``Query``: each method gives a copy with one more of them.

All of it is written down in a Core ``Select`` of mapped entities, which ``query.py`` executes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Select, inspect
from sqlalchemy.exc import ArgumentError, InvalidRequestError, LegacyAPIWarning, NoInspectionAvailable
from sqlalchemy.sql.selectable import SelectLabelStyle
from sqlalchemy.util import immutabledict

from session.core.clauses import clauses_of, known_as
from session.core.selects import from_objects, is_column, notes_of, plain, plain_name, surface_expressions
from session.core.sql import ClauseAdapter, coercions, deep_deannotate, entity_namespace_key, roles
from session.instrument.base import instance_state
from session.load.entities import describe_columns
from session.mapping.entity_join import with_parent

__all__ = ["LEGACY_LABELS", "QueryClauses", "warn_of_old_way"]

LEGACY_LABELS = SelectLabelStyle.LABEL_STYLE_LEGACY_ORM

_Q = TypeVar("_Q", bound="QueryClauses")


def warn_of_old_way(method: str, instead: str) -> None:
    """Warn the caller of a method of ``Query`` that there is another way by now, as ``sqlalchemy.orm`` does."""
    warnings.warn(LegacyAPIWarning(f"Query.{method}() is a way of 1.x; use {instead}"), stacklevel=3)


class OtherRowsError(InvalidRequestError, ArgumentError):
    """A query is for other rows than the objects that a method needs."""


class QueryClauses:
    """The generative half of :class:`.Query`."""

    _select: Select[Any]
    _from_full: Any = None
    _joined: Any = None
    _params: Mapping[str, Any] = immutabledict()
    _execution_options: Mapping[str, Any] = immutabledict()
    _rows_of: Any = None
    _assertions_on = True

    def _copy(self: _Q, **changes: Any) -> _Q:
        """A copy of the query in which some of its settings are others."""
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__.update(changes)
        return made

    def _may(self, method: str) -> None:
        """Refuse a clause that comes too late to have the effect that one would expect of it."""
        if not self._assertions_on:
            return
        self._not_of_a_statement(method)
        has = clauses_of(self._select)
        if has.limit is not None or has.offset is not None:
            raise InvalidRequestError(
                f"Query.{method}() after limit() or offset() would act on all rows, not on the limited ones; "
                f"call {method}() first, or make a subquery of the limited query"
            )

    def _not_of_a_statement(self, method: str) -> None:
        if self._from_full is not None and self._assertions_on:
            raise InvalidRequestError(
                f"Query.{method}() cannot add to a query whose rows come from a statement given to from_statement()"
            )

    def _adapted(self, criterion: Any, role: Any) -> Any:
        """A clause in terms of the subquery that the rows come from, where there is one."""
        if self._rows_of is None or criterion is None:
            return criterion
        element = coercions.expect(role, criterion)
        return self._rows_of.criterion(element)

    def _read(self, columns: Iterable[Any]) -> list[Any]:
        """Columns and entities, read from the subquery that the rows come from, where there is one."""
        given = list(columns)
        return given if self._rows_of is None else list(map(self._rows_of.column, given))

    # -- WHERE and its relatives ---------------------------------------------------------------

    def filter(self: _Q, *criterion: Any) -> _Q:
        """Add conditions to WHERE, joined by AND."""
        self._may("filter")
        given = [self._adapted(each, roles.WhereHavingRole) for each in criterion]
        return self._copy(_select=self._select.where(*given))

    def where(self: _Q, *criterion: Any) -> _Q:
        """The same as :meth:`filter`."""
        return self.filter(*criterion)

    def filter_by(self: _Q, **kwargs: Any) -> _Q:
        """Add conditions that attributes have given values.

        The attributes are those of the entity that was joined last, or of the first entity.

        :raises InvalidRequestError: there is no such attribute.
        """
        entity = self._joined if self._joined is not None else self._first_from()
        return self.filter(*[entity_namespace_key(entity, key) == value for key, value in kwargs.items()])

    def _first_from(self) -> Any:
        has = clauses_of(self._select)
        if has.froms:
            return has.froms[0]
        if not has.columns:
            raise InvalidRequestError("filter_by() has no entity whose attributes it could look up")
        return _namespace_of(has.columns[0])

    def with_parent(self: _Q, instance: Any, property: Any = None, from_entity: Any = None) -> _Q:
        """Confine the rows to those that are related to an object.

        :param instance: an object with a relationship to the entity of this query.
        :param property: the relationship; by default the only one that leads there.
        :raises InvalidRequestError: no relationship leads there.
        """
        warn_of_old_way("with_parent", "the function with_parent(), in filter()")
        entity = inspect(from_entity) if from_entity is not None else self._entity_zero()
        if property is None:
            property = _relationship_to(instance, entity)
        return self.filter(with_parent(instance, property, entity.entity))

    def having(self: _Q, *having: Any) -> _Q:
        """Add conditions to HAVING, joined by AND."""
        self._may("having")
        return self._copy(_select=self._select.having(*[self._adapted(h, roles.WhereHavingRole) for h in having]))

    def group_by(self: _Q, *clauses: Any) -> _Q:
        """Add expressions to GROUP BY; ``None`` takes all of them away."""
        self._may("group_by")
        if len(clauses) == 1 and (clauses[0] is None or clauses[0] is False):
            return self._copy(_select=self._select.group_by(None))
        return self._copy(_select=self._select.group_by(*[self._adapted(c, roles.GroupByRole) for c in clauses]))

    def order_by(self: _Q, *clauses: Any) -> _Q:
        """Add expressions to ORDER BY; ``None`` takes all of them away."""
        if len(clauses) == 1 and (clauses[0] is None or clauses[0] is False):
            self._may("order_by")
            return self._copy(_select=self._select.order_by(None))
        self._may("order_by")
        return self._copy(_select=self._select.order_by(*[self._adapted(c, roles.OrderByRole) for c in clauses]))

    def distinct(self: _Q, *expr: Any) -> _Q:
        """Make it SELECT DISTINCT, or on PostgreSQL DISTINCT ON expressions."""
        return self._copy(_select=self._select.distinct(*[self._adapted(e, roles.ByOfRole) for e in expr]))

    def limit(self: _Q, limit: Any) -> _Q:
        """Set the greatest number of rows."""
        self._not_of_a_statement("limit")
        return self._copy(_select=self._select.limit(limit))

    def offset(self: _Q, offset: Any) -> _Q:
        """Set how many rows are left out at the start."""
        self._not_of_a_statement("offset")
        return self._copy(_select=self._select.offset(offset))

    def slice(self: _Q, start: int | None, stop: int | None) -> _Q:
        """Set LIMIT and OFFSET as an index range of the rows."""
        return self._copy(_select=self._select.slice(start, stop))  # type: ignore[arg-type]

    # -- FROM ----------------------------------------------------------------------------------

    def select_from(self: _Q, *from_obj: Any) -> _Q:
        """Set what stands on the left of joins, in place of what the columns say.

        :param from_obj: mapped classes, aliases, tables, subqueries.
        """
        self._may("select_from")
        has = clauses_of(self._select)
        if self._assertions_on and (
            has.where or has.froms or has.joined or has.group_by or has.order_by or has.distinct
        ):
            raise InvalidRequestError(
                "Query.select_from() must come before filter(), order_by() and other clauses that build on the FROM"
            )
        return self._copy(_select=self._select.select_from(*from_obj))

    def join(
        self: _Q,
        target: Any,
        onclause: Any = None,
        *props: Any,
        isouter: bool = False,
        full: bool = False,
    ) -> _Q:
        """Join to a relationship, an entity or a FROM element.

        :param target: a relationship attribute, or what to join to.
        :param onclause: how: a relationship attribute or a condition; by default by foreign keys.
        :param isouter: LEFT OUTER JOIN.
        :param full: FULL OUTER JOIN.
        """
        if props:
            raise ArgumentError("Query.join() takes one target at a time; chain several calls for several joins")
        self._may("join")
        if self._rows_of is not None:
            target, onclause = self._rows_of.start_of_join(target), self._rows_of.start_of_join(onclause)
            if onclause is not None and not hasattr(onclause, "property"):
                onclause = self._adapted(onclause, roles.OnClauseRole)
        select = self._select.join(target, onclause, isouter=isouter, full=full)
        return self._copy(_select=select, _joined=_joined_entity(target))

    def outerjoin(self: _Q, target: Any, onclause: Any = None, *props: Any, full: bool = False) -> _Q:
        """The same as :meth:`join` with LEFT OUTER JOIN."""
        return self.join(target, onclause, *props, isouter=True, full=full)

    def reset_joinpoint(self: _Q) -> _Q:
        """Let :meth:`filter_by` look at the first entity again, not at the one joined last."""
        return self._copy(_joined=None)

    def correlate(self: _Q, *fromclauses: Any) -> _Q:
        """Let FROM elements of an enclosing SELECT do in place of the same ones in this query."""
        given = [clause if clause is None or clause is False else _from_element(clause) for clause in fromclauses]
        return self._copy(_select=self._select.correlate(*given))

    # -- columns -------------------------------------------------------------------------------

    def add_columns(self: _Q, *column: Any) -> _Q:
        """Add columns, expressions or entities to the rows."""
        return self._copy(_select=self._select.add_columns(*self._read(column)))

    def add_column(self: _Q, column: Any) -> _Q:
        """Add one column; :meth:`add_columns` is today's name."""
        return self.add_columns(column)

    def add_entity(self: _Q, entity: Any, alias: Any = None) -> _Q:
        """Add a mapped class, or an alias of it, to the rows."""
        return self.add_columns(entity if alias is None else alias)

    def with_entities(self: _Q, *entities: Any) -> _Q:
        """Put other columns or entities in place of those in the rows; all other clauses stay."""
        select = self._select
        keep = self._joined is not None and not clauses_of(select).froms
        return self._copy(_select=select.with_only_columns(*self._read(entities), maintain_column_froms=keep))

    # -- how it is rendered and run ------------------------------------------------------------

    def options(self: _Q, *args: Any) -> _Q:
        """Add loader options."""
        return self._copy(_select=self._select.options(*args))

    def with_transformation(self, fn: Callable[[Any], Any]) -> Any:
        """Give what a function makes of this query."""
        return fn(self)

    def execution_options(self: _Q, **kwargs: Any) -> _Q:
        """Add execution options: those of a connection, and ``yield_per``, ``populate_existing`` and the like."""
        return self._copy(_execution_options=immutabledict({**self._execution_options, **kwargs}))

    def get_execution_options(self) -> Mapping[str, Any]:
        """Give the execution options that were set."""
        return self._execution_options

    def populate_existing(self: _Q) -> _Q:
        """Overwrite objects that the Session has already with what the rows say."""
        return self.execution_options(populate_existing=True)

    def autoflush(self: _Q, setting: bool) -> _Q:
        """Say whether pending changes are flushed first."""
        return self.execution_options(autoflush=setting)

    def yield_per(self: _Q, count: int) -> _Q:
        """Fetch and load so many rows at a time, as they are iterated over."""
        return self.execution_options(yield_per=count)

    def with_for_update(
        self: _Q,
        *,
        nowait: bool = False,
        read: bool = False,
        of: Any = None,
        skip_locked: bool = False,
        key_share: bool = False,
    ) -> _Q:
        """Lock the rows; the arguments are those of ``Select.with_for_update()``."""
        return self._copy(
            _select=self._select.with_for_update(
                nowait=nowait, read=read, of=of, skip_locked=skip_locked, key_share=key_share
            )
        )

    def params(self: _Q, *args: Any, **kwargs: Any) -> _Q:
        """Give values to named ``bindparam()`` parameters.

        :param args: one dictionary, for names that are no identifiers.
        """
        if len(args) > 1:
            raise ArgumentError("params() takes one dictionary, and keywords")
        given = {**(args[0] if args else {}), **kwargs}
        return self._copy(_params=immutabledict({**self._params, **given}))

    def with_hint(self: _Q, selectable: Any, text: str, dialect_name: str = "*") -> _Q:
        """Add a hint for an entity or table."""
        return self._copy(_select=self._select.with_hint(_from_element(selectable), text, dialect_name))

    def with_statement_hint(self: _Q, text: str, dialect_name: str = "*") -> _Q:
        """Add a hint for the whole statement."""
        return self._copy(_select=self._select.with_statement_hint(text, dialect_name))

    def prefix_with(self: _Q, *prefixes: Any, dialect: str = "*") -> _Q:
        """Add words behind SELECT."""
        return self._copy(_select=self._select.prefix_with(*prefixes, dialect=dialect))

    def suffix_with(self: _Q, *suffixes: Any, dialect: str = "*") -> _Q:
        """Add words at the end of the statement."""
        return self._copy(_select=self._select.suffix_with(*suffixes, dialect=dialect))

    def ext(self: _Q, extension: Any) -> _Q:
        """Add a syntax extension of Core, such as ``distinct_on()``."""
        return self._copy(_select=self._select.ext(extension))

    def enable_assertions(self: _Q, value: bool) -> _Q:
        """Say whether clauses that come too late are refused."""
        return self._copy(_assertions_on=value)

    # -- what the clauses are about ------------------------------------------------------------

    @property
    def whereclause(self) -> Any:
        """The condition in WHERE, or ``None``."""
        return self._select.whereclause

    @property
    def column_descriptions(self) -> list[dict[str, Any]]:
        """One dictionary per entity or column of the rows: ``name type aliased expr entity``."""
        return describe_columns(clauses_of(self._select).columns, LEGACY_LABELS)

    def _entity_zero(self) -> Any:
        """The inspection of the first mapped entity in the rows."""
        for description in self.column_descriptions:
            if description.get("entity") is not None:
                return inspect(description["entity"])
        raise InvalidRequestError("This query has no mapped entity in its rows")

    def _only_entity(self, method: str) -> Any:
        """The inspection of the entity that is all of the rows."""
        descriptions = self.column_descriptions
        if len(descriptions) == 1:
            found = _inspected(descriptions[0]["expr"])
            if found is not None and hasattr(found, "mapper") and not getattr(found, "is_attribute", False):
                return found
        raise OtherRowsError(f"Query.{method}() needs a query for one mapped class; this one has other rows")


class RowsOf:
    """Takes the clauses of a query over to a subquery that its entities now come from.

    :param subquery: the subquery.
    :param aliases: by mapper or alias, the alias of the subquery that stands for it.
    """

    def __init__(self, subquery: Any, aliases: dict[Any, Any]) -> None:
        self.aliases = aliases
        self.subquery = subquery
        self._adapter = ClauseAdapter(subquery)

    def criterion(self, element: Any) -> Any:
        """Translate a condition, or an expression to sort or group by."""
        return self._adapter.traverse(deep_deannotate(element))

    def column(self, column: Any) -> Any:
        """Translate a column or an entity of the rows; what is not in the subquery stays as it is."""
        entity = _inspected(column)
        if getattr(entity, "is_mapper", False) or getattr(entity, "is_aliased_class", False):
            return self.aliases.get(entity, column)
        element = coercions.expect(roles.ColumnsClauseRole, column)
        found = [each for each in surface_expressions(element) if is_column(each)]
        if all(self.subquery.corresponding_column(plain(each)) is None for each in found):
            return column
        return known_as(self.criterion(element), plain_name(element))

    def start_of_join(self, attribute: Any) -> Any:
        """A relationship attribute, read from the subquery's alias where its class is one of those."""
        parent = getattr(attribute, "parent", None)
        alias = None if parent is None or not hasattr(attribute, "property") else self.aliases.get(parent)
        return attribute if alias is None else getattr(alias, attribute.key)


def _inspected(thing: Any) -> Any:
    try:
        return inspect(thing)
    except NoInspectionAvailable:
        return None


def _namespace_of(element: Any) -> Any:
    """Where the names of ``filter_by()`` are looked up for one column or entity of the rows."""
    found = notes_of(element).get("parententity")
    if found is not None:
        return found
    if getattr(element, "is_selectable", False):
        return element
    froms = from_objects(element)
    if not froms:
        raise InvalidRequestError("filter_by() has no entity whose attributes it could look up")
    return froms[0]


def _joined_entity(target: Any) -> Any:
    """The entity that a join has led to."""
    if hasattr(target, "property") and hasattr(target, "parent"):
        narrowed = getattr(target, "_of_type", None)
        if narrowed is None and not getattr(target.property, "is_relationship", False):
            raise ArgumentError(f"Cannot join to {target}: it is no relationship; join to a class or a relationship")
        found = target.property.entity if narrowed is None else narrowed
        if hasattr(found, "mapper"):
            return found
        target = found
    inspected = _inspected(target)
    return target if inspected is None else inspected


def _from_element(thing: Any) -> Any:
    found = _inspected(thing)
    return found.selectable if found is not None and hasattr(found, "selectable") else thing


def _relationship_to(instance: Any, entity: Any) -> Any:
    cls = type(instance)
    for prop in instance_state(instance).manager.mapper.relationships:
        if prop.mapper is entity.mapper:
            return getattr(cls, prop.key)
    raise InvalidRequestError(
        f"No relationship of {cls.__name__} leads to {entity.mapper.class_.__name__}; name one in with_parent()"
    )
