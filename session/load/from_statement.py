"""Entities out of the rows of any statement: ``select(User).from_statement(text("SELECT ..."))``.

In: a statement that names its columns in some way.  Out: a result of entities, whose columns are found in the
rows by the columns of the statement itself where it has some, else by name.  Columns that the rows do
not have stay unloaded.  Next on the way: ``_py/loading.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.exc import InvalidRequestError, NoSuchColumnError

from session.core import selects
from session.core.limiting import with_more_options
from session.load.compile import ColumnList, criteria_options
from session.load.context import LoadContext, settings_of_loader
from session.load.entities import ColumnPart, have_objects, name_parts, parts_of
from session.load.result import NO_JOINED_CHUNKS, ChunkedResult, LoadedResult, holder, result_metadata
from session.load.streaming import Source, load_chunks

__all__ = ["RowColumns", "execute_from_statement", "load_rows"]


class RowColumns(ColumnList):
    """Looks the columns of entities up in rows that are there already.

    :param statement: the statement that names the entities.
    :param result: Core's result of the statement that gave the rows.
    """

    makes_columns = False

    def __init__(self, statement: Any, result: Any, options: Sequence[Any]) -> None:
        super().__init__(statement, options)
        self.keys = result.keys()
        self.names = {name: name for name in self.keys}
        self.lower = {name.lower(): name for name in reversed(list(self.keys))}

    def add_column(self, expr: Any) -> int | None:
        """Find the column of the rows that an expression stands for.

        :return: its position among those that were found; ``None`` where the rows do not have it.
        """
        known = self.positions.get(expr)
        if known is not None:
            return known
        found = self.locate(expr)
        if found is None:
            return None
        position = self.positions[expr] = len(self.columns)
        self.columns.append(found)
        return position

    def locate(self, expr: Any) -> Any:
        """Give the key of an expression's column in the result, ``None`` if it has none."""
        plain = selects.plain(expr)
        if plain in self.keys:
            return plain
        for name in selects.names_of(expr):
            if name in self.names:
                return name
            if name.lower() in self.lower:
                return self.lower[name.lower()]
        return None

    def eager_join(self, left_entity: Any, prop: Any, target: Any, **keywords: Any) -> None:
        """Refuse: the statement is not ours to add joins to.

        :raises InvalidRequestError: always.
        """
        raise InvalidRequestError(
            f"{prop} cannot be loaded by a join: the statement is given by from_statement(); use selectinload(), or "
            "join it in the statement and say contains_eager()"
        )


def load_rows(
    session: Any,
    statement: Any,
    elements: Sequence[Any],
    result: Any,
    options: Sequence[Any],
    execution_options: Mapping[str, Any],
    bind_arguments: Any,
    dialect: Any,
    settings: Mapping[str, Any] | None = None,
    single_row: bool = True,
) -> Any:
    """Load entities from the rows of a Core result.

    :param elements: the elements of the columns clause.
    :param result: Core's result.
    :param settings: further settings of the run.
    :return: the result of entities.
    """
    builder = RowColumns(statement, result, options)
    builder.parts = parts_of(elements)
    builder.setup_parts()
    for part in builder.parts:
        if isinstance(part, ColumnPart) and part.position is None:
            raise NoSuchColumnError(f"The rows of the statement have no column for {part.element}")
    by_name = [isinstance(column, str) for column in builder.columns]
    processors = [
        selects.value_processor(expr, dialect) if named else None
        for expr, named in zip(builder.positions, by_name, strict=True)
    ]
    named = name_parts(builder.parts, selects.label_style(statement))
    metadata = result_metadata(
        [name for _, name in named],
        [part.lookups for part in builder.parts],
        [part.unique_key() for part in builder.parts],
    )
    for part in builder.parts:
        part.bind(processors)
    context = LoadContext(
        session,
        options=options,
        execution_options=execution_options,
        statement=statement,
        **{"bind_arguments": bind_arguments, **(settings or {})},
    )
    scalars = len(builder.parts) == 1 and builder.parts[0].single

    def load(rows: Sequence[Any]) -> list[Any]:
        if scalars:
            values: list[Any] = builder.parts[0].load(context, rows)
        else:
            values = list(zip(*[part.load(context, rows) for part in builder.parts], strict=True))
        context.finish_chunk()
        return values

    size = execution_options.get("yield_per")
    if size:
        if builder.needs_unique:
            result.close()
            raise InvalidRequestError(NO_JOINED_CHUNKS)
        chunks = _chunks_of(result, builder.columns, size)
        return ChunkedResult(metadata, load_chunks(context, chunks, load, size), scalars, Source(chunks), size, True)
    rows = load(_rows_of(result, builder.columns))
    holding = holder(session, have_objects(builder.parts), execution_options)
    return LoadedResult(metadata, rows, scalars, holding)


def _rows_of(result: Any, columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Give the values of some columns of a Core result."""
    return [tuple(row) for row in result.columns(*columns)] if columns else [() for _ in result]


def _chunks_of(result: Any, columns: Sequence[Any], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Give the values of some columns of a Core result chunk by chunk, from a cursor that is open meanwhile."""
    try:
        for rows in (result.columns(*columns) if columns else result).partitions(size):
            yield [tuple(row) if columns else () for row in rows]
    finally:
        result.close()


def execute_from_statement(
    session: Any,
    statement: Any,
    params: Any,
    execution_options: Mapping[str, Any],
    bind_arguments: Mapping[str, Any] | None,
) -> Any:
    """Run a ``from_statement()`` and load its entities; see :func:`session.load.execute.execute_statement`."""
    options = {**statement.get_execution_options(), **execution_options}
    settings = settings_of_loader(options.pop("_load_context", {}), bind_arguments)
    if settings.get("autoflush", True) and options.get("autoflush", True):
        session._autoflush()
    connection = session._connection_for(selects.mapper_of(statement), statement, bind_arguments=bind_arguments)
    if statement.given_params:
        params = {**statement.given_params, **(params or {})}
    element = statement.element
    criteria = criteria_options(selects.options_of(statement))
    if criteria:
        element = with_more_options(element, criteria)
    result = connection.execute(element, params, execution_options=options)
    return load_rows(
        session,
        statement,
        statement.raw_columns,
        result,
        settings.pop("options", selects.options_of(statement)),
        options,
        bind_arguments,
        connection.dialect,
        settings,
    )
