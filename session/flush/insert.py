"""INSERTs: rows of one table, neighbours with the same columns in one statement.

In come states of one or more mappers in the order in which they were added; out go INSERTs, and the
objects get what Python or the database made for them: defaults, generated keys, and with
``eager_defaults`` all else that the database filled in.  What was not fetched is expired.
Next on the way: ``core/plan.py`` and ``core/driver.py``, which run the statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.engine import Connection

from session._accel import gather
from session.core import capabilities
from session.core.arrays import ArraySource
from session.core.driver import Driver, driver_for
from session.exc import FlushError
from session.flush.defaults import DefaultContext, execute_default, is_made_by_database
from session.flush.notify import expire, tell_refreshed
from session.flush.plans import Prepared, PreparedArrays
from session.flush.recipes import TableRecipe, recipe_of
from session.flush.update import no_version
from session.heard import heard

__all__ = ["insert_rows"]


class InsertShape:
    """An INSERT of certain columns of a table: statement, and what becomes of the other columns.

    :param recipe: says how the table is written.
    :param mask: bits of the columns that are left out.
    """

    def __init__(self, recipe: TableRecipe, mask: int) -> None:
        self.table = recipe.table
        fields = [field for field in recipe.insert_fields if not mask & field[3]]
        self.names = tuple(field[4] for field in fields)
        self.places = tuple(
            (field[0], position)
            for position, field in enumerate(fields)
            if field[1] >= gather.CONSTANT and field[0] in recipe.attributes
        )
        left_out = [
            (column, key)
            for field, (column, key) in zip(recipe.insert_fields, recipe.columns, strict=True)
            if mask & field[3] and key in recipe.attributes
        ]
        key_columns = set(recipe.key_columns)
        self.missing_keys = tuple(pair for pair in left_out if pair[0] in key_columns)
        self.made_elsewhere = tuple(
            pair
            for pair in left_out
            if pair[0] not in key_columns
            and (pair[0].server_default is not None or is_made_by_database(pair[0].default))
        )
        self.version = tuple(pair for pair in self.made_elsewhere if pair[0] is recipe.version_column)
        self.mapper = recipe.mapper
        self.eager = self.mapper.eager_defaults
        self.always_eager = self.eager is True
        self._statements: dict[tuple[int, bool], Prepared] = {}
        self._array_statements: dict[int, PreparedArrays] = {}

    @property
    def signature(self) -> tuple[Any, ...]:
        """What two shapes of a table must have in common to share statements."""
        return self.names, self.places, self.missing_keys, self.made_elsewhere, self.eager

    def can_return(self, dialect: Any) -> bool:
        """Tell whether INSERT .. RETURNING may be used: the table may forbid it."""
        return capabilities.of(dialect).insert_returning and self.table.implicit_returning

    def fetched(self, dialect: Any) -> tuple[tuple[Any, str], ...]:
        """The columns, and their attributes, that the INSERT is to bring back."""
        if not self.made_elsewhere:
            return self.missing_keys
        if self.mapper._prefer_eager_defaults(dialect, self.table) and self.can_return(dialect):
            return self.missing_keys + self.made_elsewhere
        return self.missing_keys + self.version

    def statement(self, returned: Sequence[tuple[Any, str]], many: bool) -> Prepared:
        """Give the INSERT.

        :param returned: columns of RETURNING.
        :param many: several rows at once.
        """
        key = (len(returned), many)
        found = self._statements.get(key)
        if found is None:
            statement: Any = insert(self.table)
            if returned:
                columns = [column for column, _ in returned]
                statement = statement.returning(*columns, sort_by_parameter_order=many)
            found = self._statements[key] = Prepared(statement, self.names, self.names, many)
        return found

    def draws_keys(self) -> bool:
        """Tell whether the database draws the key from a sequence, in the order of the rows."""
        return any(column is self.table.autoincrement_column for column, _ in self.missing_keys)

    def in_arrays(self, returned: Sequence[tuple[Any, str]]) -> PreparedArrays:
        """Give the INSERT of many rows at once.

        Keys are drawn from a sequence after the rows were put in order, and RETURNING gives each row when it is in.

        :param returned: columns of RETURNING.
        """
        found = self._array_statements.get(len(returned))
        if found is None:
            columns = [column for column, _ in returned]

            def make(source: ArraySource) -> Any:
                rows = select(*source.columns).order_by(source.place)
                statement = insert(self.table).from_select(self.names, rows)
                return statement.returning(*columns) if columns else statement

            found = PreparedArrays([self.table.c[name] for name in self.names], make)
            self._array_statements[len(returned)] = found
        return found


def shape_of(recipe: TableRecipe, mask: int) -> InsertShape:
    """Give the shape of a mask; mappers that write alike share one."""
    found = recipe.shapes.get(mask)
    if found is None:
        made = InsertShape(recipe, mask)
        shared = recipe_of(recipe.owner.base).shared_shapes
        found = recipe.shapes[mask] = shared.setdefault((recipe.table, made.signature), made)
    return found  # type: ignore[no-any-return]


def insert_rows(uow: Any, connection: Connection, table: Any, groups: Iterable[tuple[Any, list[Any]]]) -> None:
    """Insert the rows of one table.

    :param uow: the flush.
    :param connection: the connection that the flush writes to.
    :param table: the table.
    :param groups: pairs of mapper and its states, in order.
    :raises sqlalchemy.exc.DBAPIError: whatever the database says.
    SQL: one INSERT for neighbours that have the same columns; one for each row that holds SQL
    expressions, or whose key cannot come back otherwise.
    """
    shape: InsertShape | None = None
    states: list[Any] = []
    rows: list[Any] = []
    context = DefaultContext(connection, True)
    for mapper, members in groups:
        recipe = recipe_of(mapper).table(table)
        if recipe.equated:
            gather.copy_values(members, recipe.equated)
        if recipe.version_key is not None and recipe.needs_version:
            _check_versions(recipe, members)
        for mask, run_states, run_rows in gather.gather_inserts(members, recipe.insert_fields, context):
            if mask == gather.EXPRESSIONS:
                if shape is not None:
                    _insert_run(uow, connection, shape, states, rows)
                    shape = None
                _insert_expressions(uow, connection, recipe, run_states[0], run_rows[0])
                continue
            run_shape = shape_of(recipe, mask)
            if run_shape is shape:
                states += run_states
                rows += run_rows
                continue
            if shape is not None:
                _insert_run(uow, connection, shape, states, rows)
            shape, states, rows = run_shape, run_states, run_rows
    if shape is not None:
        _insert_run(uow, connection, shape, states, rows)


def _check_versions(recipe: TableRecipe, states: list[Any]) -> None:
    """Refuse objects without a version where neither generator nor database makes one."""
    for state in states:
        if state().__dict__.get(recipe.version_key) is None:
            raise no_version(recipe, state)


def _insert_run(
    uow: Any, connection: Connection, shape: InsertShape, states: list[Any], rows: list[tuple[Any, ...]]
) -> None:
    """Insert rows that have the same columns, and give the objects what was made for them."""
    returned = shape.fetched(connection.dialect)
    if returned:
        _insert_and_fetch(uow, connection, shape, returned, states, rows)
    else:
        _insert_only(uow, connection, shape, rows)
    if shape.made_elsewhere:
        left = [pair[1] for pair in shape.made_elsewhere if pair not in returned]
        if left:
            expire(states, left)
            if shape.always_eager:
                uow.load_after(states, frozenset(left))
    fetched = [key for _, key in returned[len(shape.missing_keys) :]]
    if shape.places:
        _note_generated(uow, states, rows, shape.places, fetched)
    else:
        tell_refreshed(uow, states, fetched)


def _insert_only(uow: Any, connection: Connection, shape: InsertShape, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows that have nothing to bring back."""
    driver = driver_for(connection)
    if len(rows) > 1:
        rows = rows[sum(page.sent for page in shape.in_arrays(()).run(uow, connection, driver, rows)) :]
    if len(rows) == 1:
        driver.count_each(*shape.statement((), False).arrange(uow, connection, rows))
    elif rows:
        batched = capabilities.of(connection.dialect).batched_insert
        driver.executemany(*shape.statement((), batched).arrange(uow, connection, rows))


def _insert_and_fetch(
    uow: Any,
    connection: Connection,
    shape: InsertShape,
    returned: tuple[tuple[Any, str], ...],
    states: list[Any],
    rows: list[tuple[Any, ...]],
) -> None:
    can = capabilities.of(connection.dialect)
    driver = driver_for(connection)
    only_lastrowid = can.lastrowid and len(returned) == 1 and returned[0][0] is shape.table.autoincrement_column
    # Row by row, lastrowid costs less than RETURNING; listeners see the batch that Core would send.
    if shape.can_return(connection.dialect) and not (only_lastrowid and (len(rows) == 1 or not driver.watched)):
        many = len(rows) > 1 and shape.statement(returned, True).plan(uow, connection)[0].batched
        if many and shape.draws_keys():
            done = _fetch_from_arrays(uow, connection, driver, shape, returned, states, rows)
            if done:
                states, rows = states[done:], rows[done:]
        if rows:
            plan, arranged = shape.statement(returned, many and len(rows) > 1).arrange(uow, connection, rows)
            found = driver.insert_returning(plan, arranged)
            _check_returned(shape.table, len(rows), sum(row is not None for row in found))
            gather.assign_columns(states, found, [key for _, key in returned], plan.processors)
        return
    if only_lastrowid:
        plan, arranged = shape.statement((), False).arrange(uow, connection, rows)
        found = [(value,) for value in driver.insert_lastrowids(plan, arranged)]
        gather.assign_one(states, found, returned[0][1], None)
        return
    for state, row in zip(states, rows, strict=True):
        _insert_without_returning(uow, connection, shape, state, dict(zip(shape.names, row, strict=True)))


def _fetch_from_arrays(
    uow: Any,
    connection: Connection,
    driver: Driver,
    shape: InsertShape,
    returned: tuple[tuple[Any, str], ...],
    states: list[Any],
    rows: list[tuple[Any, ...]],
) -> int:
    """Insert rows that bring back keys of a sequence, as many as can go in arrays.

    :return: how many rows are in, from the first on.
    """
    prepared = shape.in_arrays(returned)
    found: list[Any] = []
    for page in prepared.run(uow, connection, driver, rows):
        _check_returned(shape.table, page.sent, page.matched)
        found += page.rows
    if found:
        keys = [key for _, key in returned]
        gather.assign_columns(states[: len(found)], found, keys, prepared.processors(uow, connection))
    return len(found)


def _check_returned(table: Any, expected: int, returned: int) -> None:
    """Refuse to go on when an INSERT has brought back fewer rows than it was for."""
    if returned != expected:
        raise FlushError(
            f"The INSERT of {expected} row(s) into {table.name!r} gave back {returned}, so the keys of new objects "
            f"are not known; look for a trigger or rule on the table that keeps rows out"
        )


def _insert_without_returning(
    uow: Any, connection: Connection, shape: InsertShape, state: Any, values: dict[str, Any]
) -> None:
    """Insert one row where the database cannot return its key: key defaults are worked out before."""
    dict_ = state().__dict__
    for column, key in shape.missing_keys:
        if is_made_by_database(column.default):
            value = execute_default(connection, column)
            if value is not None:
                dict_[key] = values[column.key] = value
    result = connection.execute(insert(shape.table), values, execution_options=uow.execution_options)
    known = result.inserted_primary_key
    for column, key in shape.missing_keys:
        if column.key not in values and known is not None:
            dict_[key] = known[list(shape.table.primary_key).index(column)]


def _insert_expressions(
    uow: Any, connection: Connection, recipe: TableRecipe, state: Any, values: dict[str, Any]
) -> None:
    """Insert one row that has SQL among its values; Core compiles (and caches) the statement."""
    expressions = {}
    plain = {}
    for name, value in values.items():
        if gather.is_expression(value):
            expressions[name] = value
        else:
            plain[name] = value
    mask = 0
    for _, _, _, bit, name in recipe.insert_fields:
        if name not in values:
            mask |= bit
    shape = shape_of(recipe, mask)
    made_of_sql = [(column, key) for column, key in recipe.columns if column.key in expressions]
    keys_of_sql = [pair for pair in made_of_sql if pair[0] in recipe.key_columns]
    others_of_sql = [pair for pair in made_of_sql if pair[0] not in recipe.key_columns]
    returned = [*shape.fetched(connection.dialect), *keys_of_sql]
    can = capabilities.of(connection.dialect)
    can_return = shape.can_return(connection.dialect)
    if can_return and (shape.always_eager or recipe.mapper._prefer_eager_defaults(connection.dialect, recipe.table)):
        returned += [pair for pair in others_of_sql if shape.always_eager or pair[0].server_default is not None]
    dict_ = state().__dict__
    refreshed: list[str] = []
    statement: Any = insert(recipe.table).values({recipe.table.c[name]: value for name, value in expressions.items()})
    only_lastrowid = can.lastrowid and len(returned) == 1 and returned[0][0] is recipe.table.autoincrement_column
    if returned and can_return and not only_lastrowid:
        result = connection.execute(
            statement.returning(*[column for column, _ in returned]), plain, execution_options=uow.execution_options
        )
        for (_, key), value in zip(returned, result.one(), strict=True):
            dict_[key] = value
        refreshed += [pair[1] for pair in returned if pair[0] not in recipe.key_columns]
    else:
        result = connection.execute(statement, plain, execution_options=uow.execution_options)
        known = result.inserted_primary_key
        for column, key in [*shape.missing_keys, *keys_of_sql]:
            if known is not None:
                dict_[key] = known[list(recipe.table.primary_key).index(column)]
    if recipe.default_kinds:
        generated = [key for key in recipe.default_kinds if key not in dict_ or dict_[key] is None]
        for column, key in recipe.columns:
            if key in recipe.default_kinds and column.key in plain:
                dict_[key] = plain[column.key]
        refreshed += generated
    tell_refreshed(uow, [state], refreshed)
    left = [pair[1] for pair in (*shape.made_elsewhere, *others_of_sql) if pair not in returned]
    if left:
        expire([state], left)
        if shape.always_eager:
            uow.load_after([state], frozenset(left))


def _note_generated(
    uow: Any, states: list[Any], rows: list[Any], places: Sequence[tuple[str, int]], fetched: list[str]
) -> None:
    """Give the objects their Python-made defaults, and tell listeners of ``refresh_flush``.

    :param fetched: the attributes that have got their values from the database.
    """
    if "refresh_flush" not in heard or not states[0].manager.dispatch.refresh_flush:
        gather.write_back(states, rows, places)
        return
    for state, row in zip(states, rows, strict=True):
        dict_ = state().__dict__
        generated = [key for key, position in places if dict_.get(key) is not row[position]]
        gather.write_back([state], [row], places)
        tell_refreshed(uow, [state], [*fetched, *generated])
