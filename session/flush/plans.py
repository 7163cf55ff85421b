"""Statements of the flush, compiled once for each dialect and kept.

A ``Prepared`` is a statement together with the layout of its rows; it gives the plan for a
connection, and puts rows into the order of the plan's parameters where the two differ.
Next on the way: ``core/driver.py``, which runs plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from session.core.arrays import ArraySource, array_source, page_size
from session.core.driver import Driver, Page, driver_for
from session.core.plan import Plan, keep, plan_for

__all__ = ["InArrays", "Prepared", "PreparedArrays", "change_rows", "key_criteria", "key_names"]

_MAP = "schema_translate_map"

#: Fewer rows than these are changed one by one: asking for the kind of table would take longer.
_FEW = 8

#: For each parameter its position in a row, or -1 and a fixed value.
Places = list[tuple[int, Any]]


class Prepared:
    """A statement of the flush.

    :param statement: a Core INSERT, UPDATE or DELETE.
    :param names: names of the values in a row: column keys, and names of ``bindparam()``.
    :param column_keys: those of them that are set or inserted.
    :param many: it will be run with many rows that bring something back.
    """

    __slots__ = ("_plans", "column_keys", "many", "names", "statement")

    def __init__(self, statement: Any, names: Sequence[str], column_keys: Sequence[str], many: bool = False) -> None:
        self.statement = statement
        self.names = tuple(names)
        self.column_keys = list(column_keys)
        self.many = many
        self._plans: dict[Any, tuple[Any, Places | None]] = {}

    def plan(self, uow: Any, connection: Connection) -> tuple[Any, Places | None]:
        """Give the compiled statement, and where its parameters are in a row (``None``: they are the row)."""
        key = _key_of(uow, connection)
        found = self._plans.get(key)
        if found is None:
            plan = plan_for(
                self.statement,
                connection.dialect,
                column_keys=self.column_keys,
                many=self.many,
                schema_translate_map=dict(key[1]) if key[1] else None,
            )
            found = keep(self._plans, key, (plan, _places_in(plan, self.names)))
        return found

    def arrange(self, uow: Any, connection: Connection, rows: list[Any]) -> tuple[Any, list[Any]]:
        """Give the compiled statement, and rows in the order of its parameters."""
        plan, places = self.plan(uow, connection)
        if places is None:
            return plan, rows
        return plan, [tuple([row[position] if position >= 0 else value for position, value in places]) for row in rows]


class InArrays(NamedTuple):
    """A statement that takes many rows as arrays, and what writes these."""

    plan: Plan
    source: ArraySource


class PreparedArrays:
    """A statement of the flush that takes many rows at once, as one array for each column.

    :param columns: the columns of a row.
    :param make: makes the Core statement that reads its rows from a source.
    :param compared: those of the columns that find a row.
    :param plain: a SELECT that tells whether the table is such that rows may go together; ``None`` if any is.
    """

    __slots__ = ("_plain", "_plans", "columns", "compared", "make")

    def __init__(
        self,
        columns: Sequence[Any],
        make: Callable[[ArraySource], Any],
        compared: Sequence[Any] = (),
        plain: Prepared | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.compared = frozenset(compared)
        self.make = make
        self._plain = plain
        self._plans: dict[Any, InArrays | None] = {}

    def plan(self, uow: Any, connection: Connection) -> InArrays | None:
        """Give the compiled statement, ``None`` if not all of the columns can have arrays on this database."""
        key = _key_of(uow, connection)
        if key in self._plans:
            return self._plans[key]
        found = None
        source = array_source(self.columns, connection.dialect, self.compared)
        if source is not None:
            names = dict(key[1]) if key[1] else None
            plan = plan_for(self.make(source), connection.dialect, schema_translate_map=names)
            if not plan.python_defaults:
                found = InArrays(plan, source)
        return keep(self._plans, key, found)  # type: ignore[no-any-return]

    def processors(self, uow: Any, connection: Connection) -> Sequence[Any]:
        """Give what makes Python values of returned rows, once there are such."""
        found = self.plan(uow, connection)
        return [] if found is None else found.plan.processors or []

    def run(self, uow: Any, connection: Connection, driver: Driver, rows: Sequence[Any]) -> Iterator[Page]:
        """Send rows in arrays, from the first on, as far as that can be.

        There are none when somebody watches: what is seen then is what Core would send.

        :return: what came of each page of rows; the rows that are in none of them have to go another way.
        SQL: one statement for each page; before them, if it matters, a SELECT that tells whether the table is plain.
        """
        if driver.watched:
            return
        found = self.plan(uow, connection)
        if found is None or not (self._plain is None or driver.rows(self._plain.plan(uow, connection)[0])):
            return
        yield from driver.pages(found.plan, found.source.pages(rows, page_size(connection)))


def change_rows(
    uow: Any,
    connection: Connection,
    together: PreparedArrays | None,
    each: Prepared,
    rows: list[Any],
    versioned: bool,
    lacking: list[int],
) -> int | None:
    """Run an UPDATE or DELETE for some rows: many at once as far as that can be, the others one by one.

    :param together: the statement for many rows, ``None`` if they may not go at once.
    :param each: the statement for one row.
    :param versioned: each row has to have the version that was loaded.
    :param lacking: gets the places of rows that were not matched, as far as the driver tells of each.
    :return: how many rows were matched, -1 if the driver did not tell; ``None`` if what it tells is no count.
    """
    driver = driver_for(connection)
    sent = matched = 0
    if together is not None and len(rows) >= _FEW:
        for page in together.run(uow, connection, driver, rows):
            if page.matched == 0:
                lacking.extend(range(sent, sent + page.sent))
            sent += page.sent
            matched += page.matched
    if sent == len(rows):
        return matched
    sane, sane_for_many = connection.dialect.supports_sane_rowcount, connection.dialect.supports_sane_multi_rowcount
    plan, arranged = each.arrange(uow, connection, rows[sent:] if sent else rows)
    if len(arranged) == 1 or (versioned and not sane_for_many):
        counts = driver.count_each(plan, arranged)
        counted = sum(counts) if min(counts) >= 0 else -1
        lacking.extend([sent + place for place, count in enumerate(counts) if count == 0])
        is_count = sane
    else:
        counted = driver.executemany(plan, arranged)
        is_count = sane and sane_for_many
    if not is_count:
        return None
    return matched + counted if counted >= 0 else -1


def _key_of(uow: Any, connection: Connection) -> tuple[Any, tuple[Any, ...] | None]:
    """What a plan depends on besides its statement: the dialect, and schema names."""
    names = uow.execution_options.get(_MAP) or connection.get_execution_options().get(_MAP)
    return connection.dialect, tuple(names.items()) if names else None


def _places_in(plan: Any, names: tuple[str, ...]) -> Places | None:
    """Where each parameter of a plan is in a row.

    SQL defaults that Core renders into the statement may have parameters of their own.
    """
    if plan.names == names:
        return None
    position = {name: number for number, name in enumerate(names)}
    return [
        (position.get(slot.key, -1), None if slot.key in position else slot.parameter.effective_value)
        for slot in plan.slots
    ]


def key_names(table: Any, columns: Sequence[Any]) -> list[str]:
    """Names for the parameters that find a row, apart from the names of the columns that are set."""
    taken = set(table.c.keys())
    names = []
    for column in columns:
        name = f"{table.name}_{column.name}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def key_criteria(columns: Sequence[Any], parameters: Sequence[Any]) -> list[Any]:
    """One equality for each column."""
    return [column == parameter for column, parameter in zip(columns, parameters, strict=True)]
