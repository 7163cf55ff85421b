"""INSERT, UPDATE and DELETE of mapped classes, run for a Session.

In: ``insert(User)``, ``update(User)``, ``delete(User)``, with or without rows of parameters by attribute name.
Out: Core's result, or one of objects where RETURNING names a class.  Rows given to an INSERT or an UPDATE are
written in batches (``load/bulk.py``); an UPDATE or DELETE with criteria is one statement, after which the
Session's objects are brought in line (``load/synchronize.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session.core import capabilities, selects
from session.load.bulk import insert_rows, spread, update_rows
from session.load.compile import ColumnList
from session.load.context import LoadContext
from session.load.dml_plugin import column_for, plain_statement, row_criteria
from session.load.entities import have_objects, name_parts, parts_of
from session.load.parameters import parameter_sets
from session.load.result import LoadedResult, empty_result, holder, result_metadata
from session.load.synchronize import Synchronizer, choose_strategy

__all__ = ["execute_dml"]

OURS = (
    "_load_context",
    "autoflush",
    "dml_strategy",
    "identity_token",
    "populate_existing",
    "render_nulls",
    "synchronize_session",
)
INSERT_STRATEGIES = ("auto", "bulk", "orm", "raw")
CHANGE_STRATEGIES = ("auto", "bulk", "orm", "core_only")


class Returning(ColumnList):
    """The RETURNING clause of a statement, and what becomes of its rows.

    Attributes of its objects that are mapped to SQL expressions are loaded when they are read: in a RETURNING clause
    names are not qualified, so that those of a subquery would stand for its own columns.

    :param statement: the statement.
    """

    takes_expressions = False

    def __init__(self, statement: Any) -> None:
        super().__init__(statement, selects.options_of(statement))
        self.own = selects.returning_of(statement)
        self.parts = parts_of(self.own)
        if any(selects.is_star(part.element) for part in self.parts):
            self.columns = list(self.own)
            self.parts = []
        if self.parts:
            self.setup_parts([selects.subject_of(statement)])

    def eager_join(self, left_entity: Any, prop: Any, target: Any, **keywords: Any) -> None:
        """Refuse: a RETURNING clause cannot be joined to.

        :raises InvalidRequestError: always.
        """
        raise InvalidRequestError(f"{prop} cannot be loaded by a join from RETURNING; use selectinload()")

    def result(
        self,
        session: Any,
        rows: Sequence[Sequence[Any]],
        options: Mapping[str, Any],
        bind_arguments: Any,
        refreshed: bool = False,
    ) -> LoadedResult:
        """Load what was returned.

        :param rows: rows of the columns, result processors applied.
        :param refreshed: objects that are there already take the values of the rows.
        """
        for part in self.parts:
            part.bind([None] * len(self.columns))
        context = LoadContext(
            session,
            options=self.given_options,
            execution_options=options,
            statement=self.statement,
            bind_arguments=bind_arguments,
            populate_existing=refreshed,
        )
        named = name_parts(self.parts, selects.label_style(self.statement))
        metadata = result_metadata(
            [name for _, name in named],
            [part.lookups for part in self.parts],
            [part.unique_key() for part in self.parts],
        )
        scalars = len(self.parts) == 1 and self.parts[0].single
        if scalars:
            values = self.parts[0].load(context, rows)
        else:
            values = list(zip(*[part.load(context, rows) for part in self.parts], strict=True))
        context.finish_chunk()
        return LoadedResult(metadata, values, scalars, holder(session, have_objects(self.parts), options))


def execute_dml(
    session: Any,
    statement: Any,
    params: Any,
    execution_options: Mapping[str, Any],
    bind_arguments: Mapping[str, Any] | None,
) -> Any:
    """Run an INSERT, UPDATE or DELETE of a mapped class.

    :param session: the Session, which is flushed before.
    :param statement: the statement.
    :param params: a dictionary, or a list of such for many rows, by attribute name.
    :param execution_options: ``synchronize_session``, ``render_nulls``, ``dml_strategy``, and what Core knows.
    :param bind_arguments: what the Session's ``get_bind()`` is to know.
    :return: a result.
    :raises ArgumentError: an option has a value that means nothing.
    :raises InvalidRequestError: a primary key is missing, criteria cannot be evaluated, and the like.
    :raises StaleDataError: an UPDATE by primary key did not match a row for each key.
    """
    options = {**statement.get_execution_options(), **execution_options}
    strategy = options.get("dml_strategy", "auto")
    if strategy != "auto":
        _check_strategy(strategy, statement, params)
    if options.get("autoflush", True):
        session._autoflush()
    statement = selects.resolved(statement)
    connection = session._connection_for(selects.mapper_of(statement), statement, bind_arguments=bind_arguments)
    core_options = {name: value for name, value in options.items() if name not in OURS}
    run = _Run(session, statement, connection, options, core_options, bind_arguments)
    if strategy == "core_only":
        return connection.execute(plain_statement(statement), params, execution_options=core_options)
    if statement.is_insert:
        return run.insert(params, strategy)
    if isinstance(params, (list, tuple)):
        rows = parameter_sets(params)
        return run.change_for_each(rows) if strategy == "orm" else run.update_by_key(rows)
    return run.change(next(iter(parameter_sets(params)), {}))


def _check_strategy(strategy: Any, statement: Any, params: Any) -> None:
    """Refuse a ``dml_strategy`` that is none for this kind of statement, or needs rows where there are none."""
    kind = "INSERT" if statement.is_insert else "UPDATE" if statement.is_update else "DELETE"
    allowed = INSERT_STRATEGIES if statement.is_insert else CHANGE_STRATEGIES
    if strategy not in allowed:
        raise ArgumentError(
            f"dml_strategy={strategy!r} means nothing for {kind}; give one of {', '.join(map(repr, allowed))}"
        )
    if strategy == "bulk" and not (params if statement.is_insert else isinstance(params, (list, tuple))):
        raise InvalidRequestError(
            f"dml_strategy='bulk' is for {kind} of rows that are given beside it: execute(statement, [{{...}}, ...])"
        )


class _Run:
    """One execution.

    :param core_options: the execution options without those that only this package reads.
    """

    def __init__(
        self,
        session: Any,
        statement: Any,
        connection: Any,
        options: Mapping[str, Any],
        core_options: Mapping[str, Any],
        bind_arguments: Any,
    ) -> None:
        self.session = session
        self.statement = statement
        self.connection = connection
        self.options = options
        self.core_options = core_options
        self.bind_arguments = bind_arguments
        self.entity: Any = selects.subject_of(statement)
        self.mapper: Any = self.entity.mapper

    def execute(self, statement: Any, params: Any = None) -> Any:
        return self.connection.execute(statement, params, execution_options=self.core_options)

    def insert(self, params: Any, strategy: str) -> Any:
        """Run an INSERT: as it stands, or a batch of rows."""
        returning = Returning(self.statement)
        rows = parameter_sets(params)
        if not rows or strategy in ("raw", "orm"):
            made = plain_statement(self.statement, returning.columns)
            result = self.execute(made, rows or None)
            if not returning.parts or strategy == "raw":
                return result
            refreshed = bool(self.options.get("populate_existing"))
            return returning.result(self.session, list(result), self.options, self.bind_arguments, refreshed)
        if len(self.mapper.sorted_tables) > 1 and selects.has_insert_extension(self.statement):
            raise InvalidRequestError(
                f"{self.mapper.class_.__name__} is mapped to several tables: a bulk INSERT with ON CONFLICT "
                "or the like does not say for which of them; insert into each table by itself"
            )
        returned = insert_rows(
            self.connection,
            self.mapper,
            rows,
            statement=self.statement,
            returning=returning.columns,
            render_nulls=bool(self.options.get("render_nulls", False)),
            options=self.core_options,
        )
        if not returning.parts:
            return empty_result()
        refreshed = bool(self.options.get("populate_existing"))
        return returning.result(self.session, returned, self.options, self.bind_arguments, refreshed)

    def update_by_key(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Run an UPDATE for each row of a list, by its primary key, within the criteria of the statement."""
        strategy = choose_strategy(self.options)
        if self.statement.is_delete:
            raise InvalidRequestError(
                f"A DELETE of {self.mapper.class_.__name__} does not take a list of rows; delete by criteria, or "
                "execute the statement on session.connection()"
            )
        if selects.returning_of(self.statement):
            raise InvalidRequestError(
                f"A bulk UPDATE of {self.mapper.class_.__name__} by primary key cannot have RETURNING; "
                "run update().where().values().returning() instead"
            )
        rows = spread(self.mapper, rows)
        if selects.where_of(self.statement) and strategy:
            raise InvalidRequestError(
                "A list of rows for an UPDATE with criteria of its own cannot be synchronized with the "
                "objects in the Session; set the execution option synchronize_session=None, or give "
                "criteria or rows, not both"
            )
        if strategy == "fetch":
            raise InvalidRequestError(
                "synchronize_session='fetch' does not go with an UPDATE of rows by primary key, whose keys are known; "
                "leave the option away, or set it to 'evaluate' or False"
            )
        if selects.has_ordered_values(self.statement):
            raise InvalidRequestError("An UPDATE of rows by primary key cannot have ordered_values(); use values()")
        update_rows(self.connection, self.mapper, rows, statement=self.statement, options=self.core_options)
        if strategy:
            self.refresh_by_key(rows)
        return empty_result()

    def change_for_each(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Run an UPDATE or DELETE with criteria for each row of a list, which has the values of its parameters."""
        kind = "DELETE" if self.statement.is_delete else "UPDATE"
        if selects.returning_of(self.statement):
            raise InvalidRequestError(
                f"{kind} of {self.mapper.class_.__name__} with criteria for each of several rows cannot have "
                "RETURNING; run the statement for one row after the other"
            )
        strategy = choose_strategy(self.options)
        if not rows or not strategy or not self.has_objects():
            return self.execute(plain_statement(self.statement), [self.by_column(row) for row in rows] or None)
        return CountedResult(sum(self.change(row).rowcount for row in rows))

    def has_objects(self) -> bool:
        """Tell whether objects of the class are in the Session."""
        return any(state.mapper.isa(self.mapper) for state in self.session.identity_map.all_states())

    def by_column(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Translate attribute names among parameters; others are names of ``bindparam()``."""
        table = selects.plain(self.statement.table)
        translated = {}
        for key, value in row.items():
            column = column_for(self.mapper, table, key)
            translated[key if column is None else column.key] = value
        return translated

    def refresh_by_key(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put values that were written by primary key into the objects of these keys."""
        keys = self.mapper.pk_keys
        shelf = {}
        token = self.options.get("identity_token")
        for state in self.session.identity_map.all_states():
            if state.mapper.base_mapper is self.mapper.base_mapper and (token is None or state.identity_token == token):
                shelf[state.ident if isinstance(state.ident, tuple) else (state.ident,)] = state
        if not shelf:
            return
        for row in rows:
            state = shelf.get(tuple(row.get(key) for key in keys))
            obj = None if state is None else state.obj()
            if state is None or obj is None:
                continue
            dict_ = obj.__dict__
            plain = {}
            stale = []
            for key, value in row.items():
                prop = self.mapper.props.get(key)
                if key not in dict_ or prop is None or not prop.is_column:
                    continue
                if hasattr(value, "__clause_element__") or hasattr(value, "is_clause_element"):
                    stale.append(key)
                else:
                    plain[key] = value
            dict_.update(plain)
            refresh = state.manager.dispatch.refresh
            if refresh and plain:
                refresh(state, None, list(plain))
            state.commit(dict_, list(plain))
            if stale:
                state.expire_attributes(dict_, stale)

    def change(self, params: Mapping[str, Any]) -> Any:
        """Run an UPDATE or DELETE with criteria, and synchronize the Session."""
        statement = self.statement
        strategy = choose_strategy(self.options)
        criteria = (*selects.where_of(statement), *row_criteria(statement))
        values = dict(selects.values_of(statement)) if statement.is_update else {}
        extra = {}
        if statement.is_update and params:
            table = selects.plain(statement.table)
            for key, value in params.items():
                column = column_for(self.mapper, table, key)
                if column is not None and column not in values:
                    values[column] = bindparam(None, value, type_=column.type)
                    extra[key] = value
        if extra:
            statement = statement.values(**extra)
            params = {key: value for key, value in params.items() if key not in extra}
        sync = Synchronizer(self.session, statement, criteria, params, strategy, self.options.get("identity_token"))
        if strategy in ("auto", "evaluate"):
            sync.find_by_evaluation()
        returning = Returning(statement)
        columns = list(returning.columns)
        fetch_with_returning = False
        key_places: list[int] = []
        if sync.strategy == "fetch":
            fetch_with_returning = self.can_return(selects.has_other_tables(statement))
            if fetch_with_returning:
                for column in self.local_key():
                    if column not in columns:
                        columns.append(column)
                    key_places.append(columns.index(column))
            else:
                sync.take_keys(self.execute(sync.select_keys(), params or None).all())
        made = plain_statement(statement, columns)
        result = self.execute(made, params or None)
        if columns and not returning.parts and not fetch_with_returning:
            return result
        rows = [tuple(row) for row in result] if columns else []
        if fetch_with_returning:
            sync.take_keys([[row[place] for place in key_places] for row in rows])
        if sync.strategy in ("evaluate", "fetch"):
            if statement.is_update:
                sync.after_update({**values, **made_by_python(result)})
        if returning.parts:
            refreshed = bool(self.options.get("populate_existing"))
            loaded = returning.result(self.session, rows, self.options, self.bind_arguments, refreshed)
            if statement.is_delete and sync.strategy in ("evaluate", "fetch"):
                sync.after_delete()
            return loaded
        if statement.is_delete and sync.strategy in ("evaluate", "fetch"):
            sync.after_delete()
        if fetch_with_returning:
            return CountedResult(len(rows))
        return result

    def can_return(self, several_tables: bool) -> bool:
        """Tell whether the database returns rows from this kind of statement."""
        able = capabilities.of(self.connection.dialect)
        dialect = self.connection.dialect
        if self.statement.is_update:
            return bool(able.update_returning and (not several_tables or dialect.update_returning_multifrom))
        return bool(able.delete_returning and (not several_tables or dialect.delete_returning_multifrom))

    def local_key(self) -> list[Any]:
        """List the primary key columns of the table that the statement is about."""
        return list(selects.plain(self.statement.table).primary_key)


def made_by_python(result: Any) -> dict[Any, Any]:
    """Give the values that ``onupdate`` of columns has made in Python for an UPDATE, by column."""
    columns = result.prefetch_cols()
    if not columns:
        return {}
    params = result.last_updated_params()
    return {
        column: bindparam(None, params[column.key], type_=column.type) for column in columns if column.key in params
    }


class CountedResult(LoadedResult):
    """The result of a statement whose rows were only asked for to synchronize the Session.

    :param rowcount: how many there were.
    """

    returns_rows = False

    def __init__(self, rowcount: int) -> None:
        super().__init__(result_metadata([], [], []), [], False)
        self.rowcount = rowcount
