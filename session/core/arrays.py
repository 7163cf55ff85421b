"""Many rows in one statement, as one array for each column, which the database unfolds.

A thousand rows as literals of their own are thousands of nodes for the database's parser; as arrays they
are one literal for each column, and are read many times quicker.  An array has the type that the column has in
the database, or the type that the driver gives to a single literal, so that values mean the same either way.

In come the columns of a table; out go a source of rows to write statements with, and the texts of its
arrays for a page of rows.  What cannot be told for sure to mean the same has no array: other
types, values of other classes than the column's usual ones, adapters that somebody has replaced.
Next on the way: ``core/plan.py``, for a statement with such a source; ``core/driver.py`` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Table, bindparam, cast, column, exists, func, literal_column, select, table, types
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement

from session.core import capabilities

__all__ = ["ArraySource", "array_source", "is_one_of", "page_size", "plain_table"]

Text = dict[str, str]

#: Characters in the arrays of one statement; a page with more is cut in two.
_LARGE = 32_000_000

#: What psycopg2 calls the adapters that it has for values by itself, in its compiled module.
_OWN_ADAPTERS = {
    int: "Int",
    float: "Float",
    Decimal: "Decimal",
    str: "QuotedString",
    bool: "Boolean",
    date: "DateFromPy",
    time: "TimeFromPy",
    datetime: "TimestampFromPy",
}


# -- values to text --------------------------------------------------------------------------


def _plain(values: Sequence[Any]) -> str:
    """Values whose text needs no quotes in an array."""
    if None in values:
        return ",".join(["NULL" if value is None else str(value) for value in values])
    return ",".join(map(str, values))


def _quoted(values: Sequence[Any]) -> str:
    """Strings, and what is written as one."""
    if None not in values:
        joined = '","'.join(map(str, values))
        if "\\" not in joined and joined.count('"') == 2 * len(values) - 2:
            return f'"{joined}"'
    return ",".join(
        [
            "NULL" if value is None else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
            for value in values
        ]
    )


def _finite(values: Sequence[Any]) -> str | None:
    """Numbers; those without a value (not a number, infinite) differ between the driver and the array."""
    if all(map(_is_finite, values)):
        return _plain(values)
    return None


def _is_finite(value: Any) -> bool:
    if value is None or type(value) is int:
        return True
    return value.is_finite() if type(value) is Decimal else isfinite(value)


def _booleans(values: Sequence[Any]) -> str:
    return ",".join(["NULL" if value is None else "true" if value else "false" for value in values])


def _iso(values: Sequence[Any]) -> str:
    return ",".join(["NULL" if value is None else value.isoformat() for value in values])


def _without_zone(values: Sequence[Any]) -> str | None:
    if any(value is not None and value.tzinfo is not None for value in values):
        return None
    return _iso(values)


def _with_zone(values: Sequence[Any]) -> str | None:
    if any(value is not None and value.utcoffset() is None for value in values):
        return None
    return _iso(values)


class _Family(NamedTuple):
    """Column types whose values are written alike.

    ``kinds``: classes of values, as the driver takes them; ``write`` gives the inside of an array, ``None`` if
    one of them cannot stand there; ``type``: type of the elements, ``None`` for that of the column in the
    database; ``compares``: the column is compared with such an element as with a literal.
    """

    kinds: frozenset[type]
    write: Callable[[Sequence[Any]], str | None]
    type: Any = None
    compares: bool = True


def _family(*kinds: type, **rest: Any) -> _Family:
    return _Family(frozenset((*kinds, NoneType)), **rest)


_WHOLE = _family(int, write=_plain)
_STRINGS = _family(str, write=_quoted)
_IDENTIFIERS = _family(UUID, str, write=_quoted)
_NUMBERS = _family(Decimal, float, int, write=_finite, type=types.Numeric(), compares=False)
_TRUTH = _family(bool, write=_booleans, type=types.Boolean())
_DATES = _family(date, write=_iso, type=types.Date())
_TIMES = _family(time, write=_without_zone, type=types.Time())
_MOMENTS = _family(datetime, write=_without_zone, type=types.DateTime())
_MOMENTS_IN_ZONES = _family(datetime, write=_with_zone, type=types.DateTime(timezone=True))


def _family_of(type_: Any) -> _Family | None:
    """The family of a column type as the dialect implements it."""
    if isinstance(type_, types.Integer):
        return _WHOLE
    if isinstance(type_, (types.String, types.JSON)):
        return _STRINGS
    if isinstance(type_, types.Uuid):
        return _IDENTIFIERS
    if isinstance(type_, types.Numeric):
        return _NUMBERS
    if isinstance(type_, types.Float):
        return _NUMBERS
    if isinstance(type_, types.Boolean):
        return _TRUTH
    if isinstance(type_, types.DateTime):
        return _MOMENTS_IN_ZONES if type_.timezone else _MOMENTS
    if isinstance(type_, types.Date):
        return _DATES
    if isinstance(type_, types.Time):
        return None if type_.timezone else _TIMES
    return None


# -- the source ------------------------------------------------------------------------------


class _Field(NamedTuple):
    """One column of a source."""

    name: str
    family: _Family
    processor: Callable[[Any], Any] | None


class ArraySource:
    """Rows that a statement takes from arrays.

    :param fields: one for each column.
    :param columns: the columns in the database.
    :param dbapi: the driver's module.
    """

    def __init__(self, fields: Sequence[_Field], columns: Sequence[Any], dbapi: Any) -> None:
        self._fields = tuple(fields)
        self._kinds = frozenset[type]().union(*[field.family.kinds for field in fields])
        self._dbapi = dbapi
        arrays = [_array(field, column_) for field, column_ in zip(fields, columns, strict=True)]
        names = [column(field.name, column_.type) for field, column_ in zip(fields, columns, strict=True)]
        unfolded = func.unnest(*arrays).table_valued(*names, with_ordinality="session_place")
        #: the rows; their columns are in the order that was asked for
        self.rows: Any = unfolded.render_derived(name="session_given")
        self.columns: tuple[Any, ...] = tuple(self.rows.c[field.name] for field in fields)
        #: where a row stands among the others
        self.place: Any = self.rows.c.session_place

    def texts(self, rows: Sequence[Sequence[Any]]) -> Text | None:
        """Write the arrays of some rows.

        :param rows: values in the order of the columns, unprocessed.
        :return: the texts by name of parameter, ``None`` if a value is not of the usual class.
        """
        texts = {}
        for field, values in zip(self._fields, zip(*rows, strict=True), strict=True):
            given: Sequence[Any] = values
            if field.processor is not None:
                given = list(map(field.processor, values))
            if not field.family.kinds.issuperset(map(type, given)):
                return None
            written = field.family.write(given)
            if written is None:
                return None
            texts[field.name] = f"{{{written}}}"
        return texts

    def pages(self, rows: Sequence[Any], size: int) -> Iterator[tuple[Text | None, Sequence[Any]]]:
        """Cut rows into pages, in their order, and write the arrays of each.

        :param size: rows in a page; there are fewer where they are very long.
        :return: the texts, as :meth:`texts` gives them, and the rows.
        """
        if not _writes_as_usual(self._dbapi, self._kinds):
            yield None, rows
            return
        for start in range(0, len(rows), size):
            yield from self._page(rows[start : start + size])

    def _page(self, rows: Sequence[Any]) -> Iterator[tuple[Text | None, Sequence[Any]]]:
        texts = self.texts(rows)
        if texts is not None and len(rows) > 1 and sum(map(len, texts.values())) > _LARGE:
            half = len(rows) // 2
            yield from self._page(rows[:half])
            yield from self._page(rows[half:])
            return
        yield texts, rows


def array_source(columns: Sequence[Any], dialect: Any, compared: frozenset[Any] = frozenset()) -> ArraySource | None:
    """Give a source of rows for columns of a table.

    :param columns: those that are written, then those that find a row.
    :param dialect: the dialect of the connection.
    :param compared: those that find a row.
    :return: ``None`` if there is a column whose values may mean something else in an array.
    """
    can = capabilities.of(dialect)
    if not can.column_arrays or not columns:
        return None
    fields: list[_Field] = []
    for column_ in columns:
        if not isinstance(column_.table, Table) or column_.table.name in can.built_in_types:
            return None
        implemented = column_.type.dialect_impl(dialect)
        if implemented._has_bind_expression:
            return None
        family = _family_of(column_.type._unwrapped_dialect_impl(dialect))
        if family is None or (column_ in compared and not family.compares):
            return None
        processor = column_.type._cached_bind_processor(dialect)
        fields.append(_Field(f"session_{len(fields)}", family, processor))
    return ArraySource(fields, columns, dialect.dbapi)


def _writes_as_usual(dbapi: Any, kinds: frozenset[type]) -> bool:
    """Tell whether nobody has told the driver to write values of some classes in another way."""
    extensions = dbapi.extensions
    return all(
        extensions.adapters.get((kind, extensions.ISQLQuote)) is getattr(dbapi._psycopg, name)
        for kind, name in _OWN_ADAPTERS.items()
        if kind in kinds
    )


def page_size(connection: Connection) -> int:
    """How many rows go into one statement: what Core's own batches of INSERT would have."""
    size: int | None = connection.get_execution_options().get("insertmanyvalues_page_size")
    return size or connection.dialect.insertmanyvalues_page_size


# -- SQL -------------------------------------------------------------------------------------


def _array(field: _Field, column_: Any) -> Any:
    parameter = bindparam(field.name, type_=types.NullType())
    if field.family.type is None:
        return _ArrayOfColumn(parameter, column_)
    return cast(parameter, ARRAY(field.family.type))


class _ArrayOfColumn(ColumnElement[Any]):
    """A parameter that is an array of a column's own type, whatever this is in the database.

    The type comes from the table's row type; nothing is read from the table.
    """

    inherit_cache = False

    def __init__(self, parameter: Any, column_: Any) -> None:
        self.parameter = parameter
        self.column = column_


@compiles(_ArrayOfColumn)
def _render_array_of_column(element: _ArrayOfColumn, compiler: Any, **options: Any) -> str:
    row_type = compiler.preparer.format_table(element.column.table)
    name = compiler.preparer.format_column(element.column)
    return f"coalesce({compiler.process(element.parameter, **options)}, ARRAY[(NULL::{row_type}).{name}])"


def is_one_of(column_: Any, value: Any) -> Any:
    """A comparison with a value of a source by which rows can only be looked up one after the other.

    Tables are not hashed or sorted by it, so that rows are found, changed and locked in the order of the source, as
    by statements one after the other: two transactions that meet wait for each other, and not in a circle.
    """
    return column_ == _AnyOf(value)


class _AnyOf(ColumnElement[Any]):
    """``ANY (ARRAY[value])``."""

    inherit_cache = False

    def __init__(self, value: Any) -> None:
        self.value = value
        self.type = value.type

    @property
    def _from_objects(self) -> Any:
        return self.value._from_objects


@compiles(_AnyOf)
def _render_any_of(element: _AnyOf, compiler: Any, **options: Any) -> str:
    return f"ANY (ARRAY[{compiler.process(element.value, **options)}])"


def plain_table(table_: Table) -> Any:
    """A SELECT that gives a row if a table is a plain one: no view, no partitions, no rules, no triggers of users.

    Only of such a table it is the same to change many rows at once and to change one after the other.
    """
    classes = table("pg_class", *map(column, ("oid", "relkind", "relhasrules", "relhassubclass")), schema="pg_catalog")
    triggers = table("pg_trigger", column("tgrelid"), column("tgisinternal"), schema="pg_catalog")
    of_users = exists().where(triggers.c.tgrelid == classes.c.oid, ~triggers.c.tgisinternal)
    return select(literal_column("1")).where(
        classes.c.oid == _Named(table_),
        classes.c.relkind == literal_column("'r'"),
        ~classes.c.relhasrules,
        ~classes.c.relhassubclass,
        ~of_users,
    )


class _Named(ColumnElement[Any]):
    """A table's number in the catalogue."""

    inherit_cache = False

    def __init__(self, table_: Table) -> None:
        self.table = table_


@compiles(_Named)
def _render_named(element: _Named, compiler: Any, **options: Any) -> str:
    name = compiler.preparer.format_table(element.table).replace("'", "''")
    return f"CAST('{name}' AS regclass)"
