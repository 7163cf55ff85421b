"""A plan: one compiled statement, and how values get into it and rows come out of it.

Core compiles the SQL once; what it found out is laid flat here: the text, one slot per parameter
in the driver's order, and the result processors by position.  Whoever makes a plan keeps it: the
mappers keep those of their own statements, ``PlanCache`` those of user's statements.
Next on the way: ``core/driver.py``, which runs plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql.compiler import NO_LINTING, WARN_LINTING
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.util import LRUCache

from session._accel import cursors

__all__ = ["Plan", "PlanCache", "Slot", "keep", "plan_for"]

PlanCache = LRUCache

KEPT = 16
"""Whoever has plans of one statement keeps them for so many dialects; the one made first goes when there are more."""


class Slot(NamedTuple):
    """One parameter of a plan.

    ``name`` is its name in the statement's text, ``key`` the key by which values are given (a
    column's key, or the name of a ``bindparam()``), ``source`` its position among the parameters
    that Core extracts for the cache key (-1 if it is not among them), ``processor`` turns a value
    into what the driver takes.
    """

    name: str
    key: str
    parameter: BindParameter[Any]
    source: int
    processor: Callable[[Any], Any] | None


class Plan:
    """One compiled statement, ready to run many times.

    :param statement: the Core statement; kept for listeners and messages.
    :param compiled: Core's compilation of it.
    """

    __slots__ = (
        "__weakref__",
        "batched",
        "binders",
        "bindings",
        "compiled",
        "dialect",
        "names",
        "positional",
        "processors",
        "python_defaults",
        "returns_rows",
        "simple",
        "slots",
        "sql",
        "statement",
        "straight",
        "text_names",
    )

    def __init__(self, statement: Any, compiled: Any, dialect: DefaultDialect) -> None:
        self.statement = statement
        self.compiled = compiled
        self.dialect = dialect
        self.sql: str = str(compiled)
        self.positional: bool = compiled.positional
        self.processors: list[Callable[[Any], Any] | None] | None = None
        self.returns_rows: bool = bool(compiled._result_columns)
        #: Core can insert many rows with one statement, and tell which of the returned ones is whose
        self.batched: bool = compiled._insertmanyvalues is not None
        #: columns that nobody has named have defaults that Python makes for each execution
        self.python_defaults: bool = bool(compiled.insert_prefetch or compiled.update_prefetch)
        self.simple: bool = not (
            compiled.post_compile_params or compiled.literal_execute_params or compiled._render_postcompile
        )
        #: the driver needs no more than text and parameters
        self.straight: bool = self.simple and dialect.bind_typing is not BindTyping.SETINPUTSIZES
        order = compiled.positiontup if self.positional else list(compiled.binds)
        sources = _sources(compiled)
        processors = compiled._bind_processors
        self.slots: tuple[Slot, ...] = tuple(
            Slot(
                name,
                compiled.binds[name].key,
                compiled.binds[name],
                sources.get(compiled.binds[name], -1),
                processors.get(name),
            )
            for name in order or ()
            if name in compiled.binds
        )
        #: the slots as the loop over them wants them
        self.bindings: Any = tuple([tuple(slot) for slot in self.slots])
        binders = [slot.processor for slot in self.slots]
        #: what makes the driver's parameter of each value; ``None`` if all go as they are
        self.binders: list[Callable[[Any], Any] | None] | None = binders if any(binders) else None
        self.names: tuple[str, ...] = tuple(slot.key for slot in self.slots)
        escaped = compiled.escaped_bind_names or {}
        self.text_names: tuple[str, ...] = tuple(escaped.get(slot.name, slot.name) for slot in self.slots)

    def __repr__(self) -> str:
        return f"<Plan {self.sql!r}>"

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the result's columns, in order."""
        return tuple(entry.keyname for entry in self.compiled._result_columns)

    # -- values in ---------------------------------------------------------------------------

    def values(self, given: Mapping[str, Any], extracted: Sequence[Any] | None = None) -> dict[str, Any]:
        """Collect the value of every parameter, by its name in the text; nothing is processed.

        :param given: values by key; they win over those in the statement.
        :param extracted: parameters of another statement of the same shape, in the order of the
            cache key, which stand in for this plan's own.
        :raises InvalidRequestError: a required value is missing.
        """
        return {slot.name: self.value_of(slot, given, extracted) for slot in self.slots}

    def value_of(self, slot: Any, given: Mapping[str, Any], extracted: Sequence[Any] | None) -> Any:
        """Give the value of one parameter, see :meth:`values`."""
        name, key, parameter, source, _ = slot
        if key in given:
            return given[key]
        if name in given:
            return given[name]
        if extracted is not None and source >= 0:
            parameter = extracted[source]
        if parameter.required:
            raise InvalidRequestError(f"A value is required for bind parameter {key!r} of: {self.sql}", code="cd3x")
        return parameter.effective_value

    def bind(self, given: Mapping[str, Any], extracted: Sequence[Any] | None = None) -> Any:
        """Give the driver's parameters for one execution of a simple plan.

        :return: a tuple or a dictionary, as the driver's parameter style wants it.
        """
        bound = cursors.bind(self.bindings, given, extracted, self)
        return bound if self.positional else dict(zip(self.text_names, bound, strict=True))

    def bind_many(self, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Give the driver's parameters for rows of raw values in the order of ``names``."""
        processors = self.binders
        if processors is None:
            if self.positional:
                return list(rows)
            names = self.text_names
            return [dict(zip(names, row, strict=True)) for row in rows]
        bound = cursors.bind_rows(rows, processors)
        return bound if self.positional else [dict(zip(self.text_names, row, strict=True)) for row in bound]

    def expand(self, values: dict[str, Any]) -> tuple[str, Any]:
        """Give text and parameters of a plan whose text depends on its values (``IN``, ``LIMIT``)."""
        compiled = self.compiled
        expanded = compiled._process_parameters_for_postcompile(values)
        processors = dict(compiled._bind_processors)
        processors.update(expanded.processors)
        order = expanded.positiontup if self.positional else values
        bound = {name: processors[name](values[name]) if name in processors else values[name] for name in order}
        if self.positional:
            return expanded.statement, tuple([bound[name] for name in order])
        escaped = compiled.escaped_bind_names
        if escaped:
            bound = {escaped.get(name, name): value for name, value in bound.items()}
        return expanded.statement, bound

    # -- rows out ----------------------------------------------------------------------------

    def describe(self, description: Any) -> list[Callable[[Any], Any] | None]:
        """Work out the result processors, once, from the first execution's cursor description."""
        types = [entry[3] for entry in self.compiled._result_columns]
        codes = [column[1] for column in description or ()]
        dialect = self.dialect
        found = [type_._cached_result_processor(dialect, code) for type_, code in zip(types, codes, strict=False)]
        if getattr(self.compiled, "_insertmanyvalues", None) is not None:
            # Core adds columns of its own to RETURNING, by which it sorts the rows
            found = found[: len(self.statement.exported_columns)]
        self.processors = found
        return found


def keep(plans: dict[Any, Any], key: Any, made: Any) -> Any:
    """Keep what was made for a dialect, or give what another thread has made meanwhile: all have to use the same.

    A plan holds its dialect, so weak references to dialects would keep all there ever were.

    :param plans: by dialect, or by dialect and more.
    """
    while len(plans) >= KEPT:
        plans.pop(next(iter(list(plans)), None), None)
    return plans.setdefault(key, made)


def _sources(compiled: Any) -> dict[Any, int]:
    """Where each parameter of a compiled statement stands in its cache key."""
    match = compiled._cache_key_bind_match
    if match is None or compiled.cache_key is None:
        return {}
    clones, _ = match
    return {clone: position for position, original in enumerate(compiled.cache_key[1]) for clone in clones[original]}


def plan_for(
    statement: Any,
    dialect: Any,
    *,
    column_keys: Sequence[str] | None = None,
    many: bool = False,
    linted: bool = False,
    schema_translate_map: Mapping[str | None, str | None] | None = None,
    cache_key: Any = None,
) -> Plan:
    """Compile a Core statement.

    :param statement: a Core statement, or a mapped one with its own compile state.
    :param dialect: the dialect to compile for.
    :param column_keys: for INSERT and UPDATE without values, the keys of the columns to be set.
    :param many: compile for several rows of parameters.
    :param linted: warn of tables that nothing joins, unless the engine was made with ``enable_from_linting=False``.
    :param cache_key: the statement's Core cache key, if plans are looked up by it.
    :raises sqlalchemy.exc.CompileError: the statement can't be compiled.
    """
    compiled = statement._compiler(
        dialect,
        cache_key=cache_key,
        column_keys=None if column_keys is None else list(column_keys),
        for_executemany=many,
        schema_translate_map=dict(schema_translate_map) if schema_translate_map else None,
        linting=dialect.compiler_linting | WARN_LINTING if linted else NO_LINTING,
    )
    if schema_translate_map:
        compiled = _with_schema_names(compiled, schema_translate_map)
    return Plan(statement, compiled, dialect)


def _with_schema_names(compiled: Any, names: Mapping[str | None, str | None]) -> Any:
    """Put the translated schema names into the text, which Core leaves to each execution."""
    if compiled.schema_translate_map:
        compiled.string = compiled.preparer._render_schema_translates(compiled.string, dict(names))
    return compiled
