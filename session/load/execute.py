"""Running statements for a Session.

In: a statement and its parameters, after all events.  A SELECT of mapped classes of a shape that is known
costs its cache key, a dictionary look-up, the driver, and the loaders' loops; a new shape is translated
and compiled once for each dialect.  Everything that is not for mapped classes goes to Core as it is.
Next on the way: ``core/driver.py`` for rows, ``_py/loading.py`` for objects.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import immutabledict

from session.core import selects
from session.core.driver import driver_for, read, read_batches
from session.core.from_statement import FromStatement
from session.core.plan import plan_for
from session.load.compile import translate
from session.load.context import LoadContext, settings_of_loader
from session.load.dml import execute_dml
from session.load.entities import ColumnPart, have_objects, name_parts, parts_of
from session.load.from_statement import execute_from_statement
from session.load.known_plans import find_plan
from session.load.loader_option import OwnClass
from session.load.parameters import given_values
from session.load.renamed import aliases_of, renamed
from session.load.result import NO_JOINED_CHUNKS, ChunkedResult, LoadedResult, holder, require_unique, result_metadata
from session.load.streaming import Source, load_chunks

__all__ = ["SelectPlan", "execute_select", "execute_statement", "is_orm_statement", "prepare"]

NOTHING: Mapping[str, Any] = immutabledict()
BATCH = 1000
"""Raw rows that are at hand at a time while objects with nothing but columns are made of them."""

_start = LoadContext.start

STREAM_SIZE = 1000
"""Rows of a chunk where ``stream_results`` is set and ``yield_per`` is not."""


class SelectPlan:
    """A translated and compiled SELECT, ready to run many times.

    :param plan: the compiled statement.
    :param builder: its translation, with the parts of its rows.
    """

    __slots__ = (
        "aliases",
        "bound",
        "has_options",
        "in_batches",
        "label_style",
        "metadata",
        "needs_unique",
        "parts",
        "plan",
        "raw",
        "row_columns",
        "scalars",
        "volatile",
        "with_context",
        "with_objects",
    )

    def __init__(self, plan: Any, builder: Any) -> None:
        parts = builder.parts
        self.plan = plan
        self.parts: list[Any] = parts
        self.row_columns: list[Any] = builder.columns
        self.label_style = builder.parts_read.label_style
        self.needs_unique: bool = builder.needs_unique
        self.scalars: bool = len(parts) == 1 and parts[0].single
        self.raw: bool = all(isinstance(part, ColumnPart) for part in parts) and [
            part.position for part in parts
        ] == list(range(len(self.row_columns)))
        self.has_options = bool(builder.given_options)
        #: those that its options name; another statement that it serves may have others in their places
        self.aliases = aliases_of(builder.given_options)
        self.with_context = not all(isinstance(part, ColumnPart) for part in parts)
        self.with_objects = have_objects(parts)
        #: keys of ``row._mapping`` are objects of the statement itself, so that each statement has its own
        self.volatile = not all(part.lasting for part in parts)
        self.metadata: Any = None
        self.bound = False
        #: known after the first execution: one entity of plain columns, whose rows may come bit by bit
        self.in_batches = False

    def bind(self) -> None:
        """Take the result processors, which are known after the first execution."""
        processors = self.plan.processors
        for part in self.parts:
            part.bind(processors)
        self.metadata = self.describe(self.parts)
        self.bound = True
        self.in_batches = self.scalars and getattr(getattr(self.parts[0], "loader", None), "plain", False)

    def describe(self, parts: Sequence[Any]) -> Any:
        """Describe the result's columns.

        :param parts: the parts of this plan's statement, or of another one of the same shape.
        """
        named = name_parts(parts, self.label_style)
        return result_metadata(
            [name for _, name in named],
            [part.lookups for part in parts],
            [part.unique_key() for part in parts],
            [part.process for part in self.parts] if self.raw else None,
        )

    def metadata_for(self, statement: Any) -> Any:
        """Give the result's columns for one statement of this shape."""
        return self.describe(parts_of(selects.read(statement).columns)) if self.volatile else self.metadata

    def rows(
        self,
        connection: Any,
        given: Mapping[str, Any] = NOTHING,
        extracted: Any = None,
        options: Mapping[str, Any] = NOTHING,
    ) -> list[Any]:
        """Run the statement.

        :param connection: a Core connection.
        :param given: values by the keys of parameters.
        :param extracted: the parameters of another statement of this shape.
        :param options: execution options.
        :return: raw rows.
        """
        return read(connection, self.plan, given, extracted, options)

    def columns(self, context: Any, rows: Sequence[Any]) -> list[list[Any]]:
        """Give one list of values per part; the caller finishes the chunk.

        :param context: the run.
        :param rows: raw rows.
        """
        if not self.bound:
            self.bind()
        return [part.load(context, rows) for part in self.parts]

    def objects(self, context: Any, rows: Sequence[Any]) -> list[Any]:
        """Give the objects of a statement of one entity; the caller finishes the chunk."""
        if not self.bound:
            self.bind()
        found: list[Any] = self.parts[0].loader.load(context, rows)
        return found

    def load(self, context: Any, rows: Sequence[Any]) -> list[Any]:
        """Turn a chunk of raw rows into rows of values.

        :param context: the run; ``None`` where no part makes objects.
        :param rows: as the driver gave them.
        :return: objects where the statement has one entity, else tuples. Rows of columns only stay raw: the
            result's metadata has their processors.
        """
        if not self.bound:
            self.bind()
        if self.raw:
            return rows  # type: ignore[return-value]
        parts = self.parts
        if self.scalars:
            values: list[Any] = parts[0].load(context, rows)
        else:
            values = list(zip(*[part.load(context, rows) for part in parts], strict=True))
        if context is not None:
            context.finish_chunk()
        return values

    def load_batches(self, context: Any, batches: Iterable[list[Any]]) -> list[Any]:
        """Turn batches of raw rows into objects; the collector rests while there are many of them."""
        load = self.parts[0].loader.load
        if type(batches) is tuple:
            objects: list[Any] = load(context, batches[0])
        else:
            objects = []
            collecting = gc.isenabled()
            gc.disable()
            try:
                for rows in batches:
                    objects += load(context, rows)
            finally:
                if collecting:
                    gc.enable()
        if context.waiting or context.together:
            context.finish_chunk()
        return objects


def prepare(statement: Any, dialect: Any, *, cache_key: Any = None, schema_translate_map: Any = None) -> SelectPlan:
    """Translate and compile a SELECT of mapped classes.

    :param statement: the statement.
    :param dialect: of the database.
    :param cache_key: the statement's Core cache key, if the plan is kept for others of its shape.
    :param schema_translate_map: the ``schema_translate_map`` in force.
    """
    plain, builder = translate(selects.resolved(statement))
    plan = plan_for(plain, dialect, linted=True, schema_translate_map=schema_translate_map, cache_key=cache_key)
    return SelectPlan(plan, builder)


def execute_select(
    session: Any,
    statement: Any,
    params: Any = None,
    execution_options: Mapping[str, Any] = NOTHING,
    bind_arguments: Mapping[str, Any] | None = None,
) -> Any:
    """Run a SELECT of mapped classes.

    :param session: the Session that the objects come into.
    :param statement: the statement.
    :param params: values of its ``bindparam()`` parameters.
    :param execution_options: win over those of the statement.
    :param bind_arguments: what the Session's ``get_bind()`` is to know.
    :return: a Core ``Result``.
    :raises InvalidRequestError: a join, an option or a parameter cannot be made sense of.
    """
    options: Mapping[str, Any] = statement.get_execution_options()
    if execution_options:
        options = {**options, **execution_options}
    load_settings: Mapping[str, Any] = options.get("_load_context", NOTHING) if options else NOTHING
    if not options or (load_settings.get("autoflush", True) and options.get("autoflush", True)):
        session._autoflush()
    connection = session._connection_for_statement(statement, bind_arguments)
    connected: Mapping[str, Any] = connection.get_execution_options()
    schema_translate_map = None
    if options or connected:
        schema_translate_map = options.get("schema_translate_map") or connected.get("schema_translate_map")
    plan, extracted, own = find_plan(statement, connection.dialect, schema_translate_map, prepare)
    given = params if own is None and type(params) is dict else given_values(own, params)
    context = None
    if load_settings:
        context = _context(session, statement, params, options, bind_arguments, load_settings, plan)
    elif plan.with_context:
        carried = selects.options_of(statement) if plan.has_options else ()
        if plan.aliases:
            carried = renamed(carried, plan.aliases)
        context = _start(session, carried, options, statement, params, bind_arguments)
    if options:
        size = options.get("yield_per") or (STREAM_SIZE if options.get("stream_results") else None)
        if size is not None:
            if not plan.needs_unique:
                chunks = driver_for(connection, options).chunks(plan.plan, size, given, extracted)
                return _streamed(plan, statement, context, chunks, size, bool(options.get("yield_per")))
            if options.get("yield_per"):
                raise InvalidRequestError(NO_JOINED_CHUNKS)
    if plan.in_batches:
        rows = plan.load_batches(context, read_batches(connection, plan.plan, BATCH, given, extracted, options))
    else:
        rows = plan.load(context, read(connection, plan.plan, given, extracted, options))
    metadata = plan.metadata_for(statement) if plan.volatile else plan.metadata
    result = LoadedResult(metadata, rows, plan.scalars, holder(session, plan.with_objects, options))
    if plan.needs_unique:
        require_unique(result)
    return result


def _context(
    session: Any,
    statement: Any,
    params: Any,
    options: Mapping[str, Any],
    bind_arguments: Any,
    settings: Mapping[str, Any],
    plan: SelectPlan,
) -> LoadContext:
    """Make the context of a statement that a loader has sent through ``Session.execute``."""
    keywords = settings_of_loader(settings, bind_arguments)
    if "options" not in keywords:  # what is said of the object that is there is not said of those that come with it
        keywords["options"] = tuple([each for each in selects.options_of(statement) if not isinstance(each, OwnClass)])
    if plan.aliases:
        keywords["options"] = renamed(keywords["options"], plan.aliases)
    if "execution_options" not in keywords:
        keywords["execution_options"] = options
    return LoadContext(session, statement=statement, params=params, **keywords)


def _streamed(plan: SelectPlan, statement: Any, context: Any, chunks: Any, size: int, forgets: bool) -> ChunkedResult:
    """Give a result that loads its rows as they are fetched."""
    loaded = load_chunks(context, chunks, partial(plan.load, context), size)
    return ChunkedResult(plan.metadata_for(statement), loaded, plan.scalars, Source(chunks), size, forgets)


def is_orm_statement(statement: Any) -> bool:
    """Tell whether a statement is for mapped classes."""
    return selects.is_ours(statement)


def execute_statement(
    session: Any,
    statement: Any,
    params: Any = None,
    execution_options: Mapping[str, Any] = NOTHING,
    bind_arguments: Mapping[str, Any] | None = None,
) -> Any:
    """Run any statement.

    :param session: the Session.
    :param statement: a Core statement; those of mapped classes are translated.
    :param params: a dictionary of parameters, or a list of such.
    :param execution_options: win over those of the statement.
    :param bind_arguments: what the Session's ``get_bind()`` is to know.
    :return: a Core ``Result``.
    """
    if selects.is_ours(statement):
        kind = selects.kind_of(statement)
        if kind == "select":
            return execute_select(session, statement, params, execution_options, bind_arguments)
        if isinstance(statement, FromStatement):
            return execute_from_statement(session, statement, params, execution_options, bind_arguments)
        if kind in ("insert", "update", "delete"):
            return execute_dml(session, statement, params, execution_options, bind_arguments)
    if execution_options.get("autoflush", True) and statement.get_execution_options().get("autoflush", True):
        session._autoflush()
    connection = session._connection_for(selects.mapper_of(statement), statement, bind_arguments=bind_arguments)
    options = {name: value for name, value in execution_options.items() if name != "_load_context"}
    return connection.execute(statement, params, execution_options=options)
