"""``Query``: statements of mapped classes in the older, method-by-method manner.

A Query is a Core ``Select`` of entities that belongs to a Session.  Clauses are added in
``query_clauses.py``; here it is executed, counted, made a part of other statements, or turned into an UPDATE or
DELETE.  Next on the way: ``Session.execute``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    TextClause,
    delete,
    except_,
    except_all,
    exists,
    func,
    inspect,
    intersect,
    intersect_all,
    literal_column,
    select,
    union,
    union_all,
    update,
)
from sqlalchemy.exc import InvalidRequestError, NoResultFound
from sqlalchemy.sql.selectable import LABEL_STYLE_TABLENAME_PLUS_COL
from sqlalchemy.util import warn_deprecated

from session.core.clauses import as_ours, clauses_of, known_as, with_columns, with_label
from session.core.selects import notes_of
from session.core.sql import coercions, roles
from session.load.entities import parts_of
from session.load.loader_option import NoEagerJoins
from session.load.options import lazyload
from session.mapping.aliased import AliasedClass
from session.merge_results import merged_result
from session.query_clauses import LEGACY_LABELS, QueryClauses, RowsOf, warn_of_old_way

__all__ = ["BulkChange", "Query"]

_CONNECTION_ONLY = frozenset({"compiled_cache", "isolation_level"})
"""Options that a statement itself cannot have."""

_T = TypeVar("_T")


class BulkChange:
    """One ``Query.update()`` or ``Query.delete()``, as events see it.

    :ivar session: the Session.
    :ivar query: the query.
    :ivar mapper: the mapper of its entity.
    :ivar values: what is set, in an UPDATE.
    :ivar result: the result, once there is one.
    :ivar rowcount: the number of rows, once it is known.
    """

    def __init__(self, query: Query[Any], entity: Any, values: Any = None, update_kwargs: Any = None) -> None:
        self.session = query.session
        self.query = query
        self.mapper = entity.mapper
        self.values = values
        self.update_kwargs = update_kwargs
        self.result: Any = None
        self.rowcount = -1

    @property
    def context(self) -> Any:
        return self.result


class Query(QueryClauses, Generic[_T]):
    """Rows of mapped classes, in the Session that the query was made with.

    >>> session.query(User).filter(User.name == "ed").order_by(User.id).all()  # doctest: +SKIP

    :param entities: one entity or column, or a sequence of these.
    :param session: the Session; may be set later by :meth:`with_session`.
    """

    dispatch: Any
    session: Any
    _only_tuples = False
    _label_style: Any = LEGACY_LABELS
    lazy_loaded_from: Any = None

    def __init__(self, entities: Any, session: Any = None) -> None:
        given = entities if isinstance(entities, (tuple, list, set)) else (entities,)
        self.session = session
        self._select = select(*given)

    def with_session(self, session: Any) -> Query[Any]:
        """Give the same query for another Session."""
        return self._copy(session=session)

    # -- rows ----------------------------------------------------------------------------------

    def _prepared(self) -> Query[Any]:
        """The query as ``before_compile`` listeners want it."""
        query = self
        for listener in self.dispatch.before_compile:
            made = listener(query)
            if made is not None:
                query = made
        return query

    def _statement_to_run(self) -> Any:
        made = as_ours(self._select.set_label_style(LEGACY_LABELS))
        if self._from_full is not None:
            return made.from_statement(self._from_full)
        self._need_columns()
        return made

    def _need_columns(self) -> None:
        if not clauses_of(self._select).columns:
            raise InvalidRequestError(
                "This query selects nothing; give query(), or with_entities(), a class or a column"
            )

    def _result(self) -> Any:
        """Execute; one entity gives its objects, each once."""
        query = self._prepared()
        result = query.session.execute(
            query._statement_to_run(), dict(query._params) or None, execution_options=query._execution_options
        )
        single, entities = query._kind_of_rows()
        if single:
            result = result.scalars()
        if entities and not query._execution_options.get("yield_per"):
            result = result.unique()
        return result

    def _kind_of_rows(self) -> tuple[bool, bool]:
        """Whether rows are single values that are not wrapped, and whether there are objects in them."""
        descriptions = self.column_descriptions
        whole = [_is_entity(description) for description in descriptions]
        if len(whole) != 1 or self._only_tuples:
            return False, any(whole)
        expr = descriptions[0]["expr"]
        return whole[0] or bool(getattr(expr, "is_bundle", False) and expr.single_entity), whole[0]

    @property
    def is_single_entity(self) -> bool:
        """True if the rows are objects of one class, not tuples."""
        return self._kind_of_rows()[0]

    def only_return_tuples(self, value: bool) -> Query[Any]:
        """Say whether rows are tuples also where they have one entity only."""
        return self._copy(_only_tuples=value)

    def tuples(self) -> Query[Any]:
        """Give rows as tuples also where they have one entity only; an older name for :meth:`only_return_tuples`."""
        warn_deprecated("Query.tuples() is not needed any more: rows are tuples, for type checkers, too", "2.1")
        return self.only_return_tuples(True)

    def __iter__(self) -> Iterator[Any]:
        result = self._result()
        try:
            yield from result
        finally:
            result.close()

    def all(self) -> list[Any]:
        """Execute, and give all rows."""
        return self._result().all()  # type: ignore[no-any-return]

    def first(self) -> Any:
        """Execute with LIMIT 1, and give the first row, or ``None``."""
        if self._from_full is not None:
            return self._result().first()
        return self.limit(1)._result().first()

    def one(self) -> Any:
        """Execute, and give the only row.

        :raises NoResultFound: there is none.
        :raises MultipleResultsFound: there are several.
        """
        return self._result().one()

    def one_or_none(self) -> Any:
        """Execute, and give the only row, or ``None``.

        :raises MultipleResultsFound: there are several.
        """
        return self._result().one_or_none()

    def scalar(self) -> Any:
        """Execute, and give the first column of the only row, or ``None`` without rows.

        :raises MultipleResultsFound: there are several rows.
        """
        try:
            row = self.one()
        except NoResultFound:
            return None
        return row[0] if isinstance(row, Sequence) else row

    def value(self, column: Any) -> Any:
        """Execute for one column, and give it of the first row, or ``None``; deprecated."""
        warn_deprecated("Query.value() is deprecated; use with_entities() and scalar()", "1.4")
        row = self.with_entities(column).first()
        return None if row is None else row[0]

    def values(self, *columns: Any) -> Iterator[Any]:
        """Execute for other columns, and give the rows; deprecated."""
        warn_deprecated("Query.values() is deprecated; use with_entities()", "1.4")
        return iter(self.with_entities(*columns))

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            start, stop = item.start, item.stop
            if isinstance(start, int) and isinstance(stop, int) and stop <= start:
                return []
            if any(isinstance(edge, int) and edge < 0 for edge in (start, stop)):
                raise IndexError("A query cannot count rows from their end: no negative indexes, please")
            return list(self.slice(start, stop))[:: item.step]
        if item < 0:
            raise IndexError("A query cannot count rows from their end: no negative indexes, please")
        found = list(self.slice(item, item + 1))
        return found[0]

    def get(self, ident: Any) -> Any:
        """Give the object with a primary key, as ``Session.get()`` does, with the options of this query.

        :raises InvalidRequestError: the query has conditions, limits or the like.
        """
        warn_of_old_way("get", "Session.get()")
        entity = self._only_entity("get")
        present = [name for name in self._clauses_present() if name not in ("order_by()", "distinct()")]
        if present and self._assertions_on:
            raise InvalidRequestError(f"Query.get() goes by primary key alone; this query has {present[0]} already")
        settings = dict(self._execution_options)
        has = clauses_of(self._select)
        return self.session.get(
            entity.mapper,
            ident,
            options=has.options,
            with_for_update=has.for_update,
            execution_options=settings,
        )

    def count(self) -> int:
        """Give the number of rows that this query has in the database: ``SELECT count(*) FROM (...)``.

        :raises MultipleResultsFound: a listener had the statement run in several databases, and merged the results.
        """
        query = self._prepared().enable_eagerloads(False)
        if query._from_full is not None:
            inner = query._from_full
            if isinstance(inner, TextClause):
                raise InvalidRequestError("Query.count() cannot count the rows of text(); give it columns() first")
        else:
            query._need_columns()
            inner = query._select.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        counting = select(func.count(literal_column("*"))).select_from(inner.subquery())
        for_listeners = [each for each in clauses_of(query._select).options if getattr(each, "is_user_defined", False)]
        if for_listeners:
            counting = counting.options(*for_listeners)
        return query.session.execute(  # type: ignore[no-any-return]
            counting,
            dict(query._params) or None,
            execution_options=query._execution_options,
            bind_arguments=query._bind_arguments(),
        ).scalar_one()

    def _bind_arguments(self) -> dict[str, Any]:
        """Arguments of ``get_bind`` for statements in which the entities are out of sight."""
        for description in self.column_descriptions:
            if description.get("entity") is not None:
                return {"mapper": inspect(description["entity"]).mapper}
        return {}

    # -- as a part of other statements ---------------------------------------------------------

    @property
    def statement(self) -> Any:
        """The Core statement of this query."""
        query = self._prepared()
        if query._from_full is not None:
            return query._statement_to_run()
        made = query._select
        if query._label_style is not LEGACY_LABELS:
            made = made.set_label_style(query._label_style)
        options = {name: value for name, value in query._execution_options.items() if name not in _CONNECTION_ONLY}
        if options:
            made = made.execution_options(**options)
        return made.params(dict(query._params)) if query._params else made

    def _statement_20(self, for_statement: bool = False, use_legacy_query_style: bool = True) -> Any:
        """The statement, under the name by which extensions ask for it."""
        return self.statement if for_statement else self._prepared()._statement_to_run()

    @property
    def selectable(self) -> Any:
        return self.__clause_element__()

    def __clause_element__(self) -> Any:
        statement = self.statement
        style = LABEL_STYLE_TABLENAME_PLUS_COL if self._label_style is LEGACY_LABELS else self._label_style
        return statement.set_label_style(style) if self._from_full is None else statement

    def __str__(self) -> str:
        statement = self._prepared()._statement_to_run()
        if self._from_full is None and self._label_style is LEGACY_LABELS:
            statement = statement.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        if self.session is None:
            return str(statement)
        return str(statement.compile(self.session.get_bind(**self._bind_arguments())))

    def subquery(self, name: str | None = None, with_labels: bool = False, reduce_columns: bool = False) -> Any:
        """Give the query as a subquery with an alias.

        :param name: the alias; made up by default.
        :param with_labels: name its columns ``table_column``.
        :param reduce_columns: leave out columns that a foreign key makes equal to another one.
        """
        if self._from_full is not None:
            raise InvalidRequestError("A query whose rows come from from_statement() cannot be a subquery")
        query = self.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL) if with_labels else self
        made = query.enable_eagerloads(False).statement
        if reduce_columns:
            made = made.reduce_columns()
        return made.subquery(name=name)

    def cte(self, name: str | None = None, recursive: bool = False, nesting: bool = False) -> Any:
        """Give the query as a common table expression."""
        return self.enable_eagerloads(False).statement.cte(name=name, recursive=recursive, nesting=nesting)

    def label(self, name: str | None) -> Any:
        """Give the query as a scalar subquery with a label."""
        return self.enable_eagerloads(False).statement.label(name)

    def scalar_subquery(self) -> Any:
        """Give the query as a subquery of one value."""
        return self.enable_eagerloads(False).statement.scalar_subquery()

    def as_scalar(self) -> Any:
        """Give the query as a subquery of one value, by the name that :meth:`scalar_subquery` had; deprecated."""
        warn_deprecated("Query.as_scalar() is deprecated; use scalar_subquery()", "1.4")
        return self.scalar_subquery()

    def merge_result(self, iterator: Any, load: bool = True) -> Any:
        """Give rows, or a frozen result, with the Session's own objects; see ``merge_result()``; deprecated."""
        warn_of_old_way("merge_result", "merge_frozen_result()")
        return merged_result(self, iterator, load)

    def exists(self) -> Any:
        """Give the condition that this query has a row: ``EXISTS (SELECT 1 FROM ...)``."""
        query = self._prepared().enable_eagerloads(False)
        inner = query._select
        keep = not clauses_of(inner).froms
        if keep:
            for description in query.column_descriptions:
                if description.get("entity") is not None:
                    inner = inner.select_from(description["entity"])
                    break
        return exists(inner.with_only_columns(literal_column("1"), maintain_column_froms=keep))

    def enable_eagerloads(self, value: bool) -> Query[Any]:
        """Say whether relationships that load with their parents do so."""
        return self if value else self.options(lazyload("*"), NoEagerJoins())

    def set_label_style(self, style: Any) -> Query[Any]:
        """Set how columns of the SELECT are named."""
        return self._copy(_label_style=style)

    def get_label_style(self) -> Any:
        """Give how columns of the SELECT are named."""
        return self._label_style

    def with_labels(self) -> Query[Any]:
        """The old name of ``set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)``."""
        warn_of_old_way("with_labels", "set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)")
        return self.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)

    apply_labels = with_labels

    def from_statement(self, statement: Any) -> Query[Any]:
        """Take the rows from another statement: a ``text()``, a ``select()``, a statement with RETURNING."""
        present = self._clauses_present()
        if present and self._assertions_on:
            raise InvalidRequestError(f"Query.from_statement() takes the place of the whole query, and of {present[0]}")
        return self._copy(_from_full=coercions.expect(roles.SelectStatementRole, statement))

    # -- unions --------------------------------------------------------------------------------

    def union(self, *q: Query[Any]) -> Query[Any]:
        """Give a query for the rows of this one and others, without duplicates."""
        return self._combined(union, q)

    def union_all(self, *q: Query[Any]) -> Query[Any]:
        """Give a query for the rows of this one and others, with duplicates."""
        return self._combined(union_all, q)

    def intersect(self, *q: Query[Any]) -> Query[Any]:
        """Give a query for the rows that this one and others have in common."""
        return self._combined(intersect, q)

    def intersect_all(self, *q: Query[Any]) -> Query[Any]:
        """Give a query for the rows that this one and others have in common, with duplicates."""
        return self._combined(intersect_all, q)

    def except_(self, *q: Query[Any]) -> Query[Any]:
        """Give a query for the rows that others do not have."""
        return self._combined(except_, q)

    def except_all(self, *q: Query[Any]) -> Query[Any]:
        """Give a query for the rows that others do not have, with duplicates."""
        return self._combined(except_all, q)

    def _combined(self, operation: Any, others: Sequence[Query[Any]]) -> Query[Any]:
        """Query the same entities from a compound SELECT in a subquery."""
        parts: list[Any] = [
            query.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL).statement if isinstance(query, Query) else query
            for query in (self, *others)
        ]
        elements = [part.element for part in parts_of(clauses_of(parts[0]).columns)]
        columns = [
            element if _is_entity(description) or _bundle_of(element) else with_label(element)
            for element, description in zip(elements, self.column_descriptions, strict=True)
        ]
        parts[0] = with_columns(parts[0], columns)
        subquery = operation(*parts).set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL).subquery()
        aliases: dict[Any, Any] = {}
        rows_of = RowsOf(subquery, aliases)
        entities: list[Any] = []
        has = clauses_of(self._select)
        for element, description in zip(columns, self.column_descriptions, strict=True):
            entity = description.get("entity")
            if entity is not None and _is_entity(description):
                key = inspect(entity)
                name = description["name"]
                aliases[key] = AliasedClass(key.mapper.class_, subquery, name=name, use_mapper_path=True)
                entities.append(aliases[key])
            elif bundle := _bundle_of(element):
                entities.append(bundle.over(rows_of.criterion))
            else:
                entities.append(known_as(rows_of.criterion(element), description["name"]))
        made = type(self)(entities, self.session)
        return made._copy(
            _rows_of=rows_of,
            _params=self._params,
            _execution_options=self._execution_options,
            _select=made._select.options(*has.options),
        )

    # -- UPDATE and DELETE ---------------------------------------------------------------------

    def update(self, values: Any, synchronize_session: Any = "auto", update_args: dict[str, Any] | None = None) -> int:
        """Update all rows that the query's conditions meet, with one UPDATE.

        :param values: values or SQL expressions by attribute name, attribute or column; with the option
            ``preserve_parameter_order`` in ``update_args`` a list of pairs.
        :param synchronize_session: how objects of the Session follow: ``"auto"``, ``"evaluate"``,
            ``"fetch"``, ``False``.
        :param update_args: keywords for the Core ``update()``.
        :return: the number of rows that were matched.
        :raises InvalidRequestError: the query has clauses that an UPDATE cannot have.
        """
        arguments = dict(update_args or {})
        in_order = arguments.pop("preserve_parameter_order", False)
        change = BulkChange(self, self._only_entity("update"), values, arguments)
        for listener in self.dispatch.before_compile_update:
            made = listener(change.query, change)
            if made is not None:
                change.query = made
        query = change.query
        query._refuse_clauses("update")
        statement = update(query._only_entity("update").entity)
        statement = statement.ordered_values(*values) if in_order else statement.values(change.values)
        if arguments:
            statement = statement.with_dialect_options(**arguments)
        query._run_change(change, statement, synchronize_session)
        if self.session.dispatch.after_bulk_update:
            self.session.dispatch.after_bulk_update(change)
        return change.rowcount

    def delete(self, synchronize_session: Any = "auto", delete_args: dict[str, Any] | None = None) -> int:
        """Delete all rows that the query's conditions meet, with one DELETE; no cascades are followed.

        :param synchronize_session: how objects of the Session follow: ``"auto"``, ``"evaluate"``,
            ``"fetch"``, ``False``.
        :param delete_args: keywords for the Core ``delete()``.
        :return: the number of rows that were matched.
        :raises InvalidRequestError: the query has clauses that a DELETE cannot have.
        """
        change = BulkChange(self, self._only_entity("delete"), update_kwargs=delete_args)
        for listener in self.dispatch.before_compile_delete:
            made = listener(change.query, change)
            if made is not None:
                change.query = made
        query = change.query
        query._refuse_clauses("delete")
        statement = delete(query._only_entity("delete").entity)
        if delete_args:
            statement = statement.with_dialect_options(**delete_args)
        query._run_change(change, statement, synchronize_session)
        if self.session.dispatch.after_bulk_delete:
            self.session.dispatch.after_bulk_delete(change)
        return change.rowcount

    def _run_change(self, change: BulkChange, statement: Any, synchronize_session: Any) -> None:
        has = clauses_of(self._select)
        if has.where:
            statement = statement.where(*has.where)
        if has.options:
            statement = statement.options(*has.options)
        result = self.session.execute(
            statement,
            dict(self._params) or None,
            execution_options={**self._execution_options, "synchronize_session": synchronize_session},
        )
        change.result = result
        change.rowcount = result.rowcount
        result.close()

    def _clauses_present(self) -> list[str]:
        """Name what the query has besides its columns and options."""
        has = clauses_of(self._select)
        present = {
            "from_statement()": self._from_full is not None,
            "limit()": has.limit is not None,
            "offset()": has.offset is not None,
            "group_by()": bool(has.group_by),
            "distinct()": has.distinct,
            "join()": has.joined,
            "select_from()": bool(has.froms),
            "filter()": bool(has.where),
            "order_by()": bool(has.order_by),
        }
        return [name for name, given in present.items() if given]

    def _refuse_clauses(self, method: str) -> None:
        refused = [name for name in self._clauses_present() if name != "filter()"]
        if self._rows_of is not None:
            refused.append("union() or the like")
        if refused:
            raise InvalidRequestError(f"Query.{method}() cannot be called on a query with {', '.join(refused)}")


def _is_entity(description: dict[str, Any]) -> bool:
    """True if a column description is of whole objects."""
    expr = description["expr"]
    return description.get("entity") is not None and expr is description["entity"]


def _bundle_of(element: Any) -> Any:
    """Give the bundle that an element of a columns clause stands for, as those of composites do."""
    return notes_of(element).get("bundle")
