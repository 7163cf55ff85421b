"""Rows by attribute name, written in bulk: no objects, no unit of work.

In: dictionaries.  Neighbours with the same keys go out as one batch, straight to the driver where Python has
no default to fill in and no SQL expression stands among the values; through Core otherwise.  Classes over
several tables are written table by table, the base first.  Next on the way: ``core/driver.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import ClauseElement, bindparam, insert, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import warn

from session.core import capabilities, selects
from session.core.driver import driver_for
from session.core.expressions import comparisons, plain
from session.core.plan import PlanCache, plan_for
from session.exc import StaleDataError
from session.load.dml_plugin import plain_statement

__all__ = ["Row", "insert_rows", "spread", "update_rows"]

Row = Mapping[str, Any]

PLANS = "_session_bulk_plans"
"""Where a dialect keeps the plans of bulk statements."""


def _cached(connection: Any, key: Any) -> tuple[Any, Any]:
    """Give the plan under a key for a connection's dialect, and the cache it belongs into."""
    dialect = connection.dialect
    cache = dialect.__dict__.get(PLANS)
    if cache is None:
        cache = dialect.__dict__.setdefault(PLANS, PlanCache(500))
    return cache.get(key), cache


def _schema_names(connection: Any) -> Any:
    return connection.get_execution_options().get("schema_translate_map")


def _columns(mapper: Any, table: Any) -> dict[str, Any]:
    """Give the columns of a table by attribute key."""
    return {key: column for column, key in mapper.columns_of_table[table]}


def _has_expressions(rows: Sequence[Sequence[Any]]) -> bool:
    """Tell whether SQL expressions stand among values."""
    for place in range(len(rows[0]) if rows else 0):
        for kind in set(map(type, map(itemgetter(place), rows))):
            if issubclass(kind, ClauseElement) or hasattr(kind, "__clause_element__"):
                return True
    return False


def spread(mapper: Any, rows: Sequence[Row]) -> Sequence[Row]:
    """Give rows the values of columns in place of those of composites and hybrids, which are written to columns.

    :raises ArgumentError: the value of a composite does not tell its columns' values.
    :raises InvalidRequestError: a hybrid does not say how it is written in bulk.
    """
    for key in mapper.written_through:
        if any(key in row for row in rows):
            write = getattr(mapper.class_, key)._bulk_dml_setter(key)
            rows = [_written(write, key, row) if key in row else row for row in rows]
    return rows


def _written(write: Callable[[dict[str, Any]], None], key: str, row: Row) -> Row:
    written = dict(row)
    write(written)
    written.pop(key, None)
    return written


def _picker(keys: Sequence[str]) -> Any:
    """Give the function that makes a tuple of a dictionary's values."""
    if len(keys) == 1:
        key = keys[0]
        return lambda row: (row[key],)
    return itemgetter(*keys) if keys else (lambda row: ())


def _batches(
    rows: Sequence[Row], known: frozenset[str], drop_nulls: frozenset[str]
) -> Iterator[tuple[list[str], list[Row]]]:
    """Split rows where their keys change.

    :param known: keys that count.
    :param drop_nulls: keys that a row has not where its value is ``None``.
    """
    batch: list[Row] = []
    keys: list[str] = []
    plain_keys: Any = None
    for row in rows:
        if row.keys() == plain_keys and not (drop_nulls and None in row.values()):
            batch.append(row)
            continue
        present = [key for key in row if key in known and (row[key] is not None or key not in drop_nulls)]
        if set(present) != set(keys) or not batch:
            if batch:
                yield keys, batch
            batch, keys = [], present
        plain_keys = row.keys() if len(present) == len(row) else None
        batch.append(row)
    if batch:
        yield keys, batch


def insert_rows(
    connection: Any,
    mapper: Any,
    rows: Sequence[Row],
    *,
    statement: Any = None,
    returning: Sequence[Any] = (),
    render_nulls: bool = False,
    options: Mapping[str, Any] | None = None,
    keep_keys: bool = False,
) -> list[Any]:
    """Insert rows given by attribute name.

    :param connection: a Core connection.
    :param mapper: the mapper of the class.
    :param rows: dictionaries; other keys than those of column attributes and composites are passed over.
    :param statement: the ``insert()`` that the rows were given to, with values, prefixes and the like.
    :param returning: columns whose values are wanted.
    :param render_nulls: ``None`` is written as NULL, rather than left to the column's default.
    :param options: execution options for Core.
    :param keep_keys: put generated primary keys into the rows, which must be mutable.
    :return: a tuple per row, of the ``returning`` columns.
    """
    given = rows
    rows = _completed(mapper, spread(mapper, rows))
    tables = mapper.sorted_tables
    if len(tables) == 1 and not keep_keys:
        return _insert_table(
            connection, mapper, tables[0], rows, statement, list(returning), render_nulls, options or {}
        )
    full = [dict(row) for row in rows]
    found: list[dict[Any, Any]] = [{} for _ in full]
    for number, table in enumerate(tables):
        for own_key, source_key in _inherited_keys(mapper, table):
            for row in full:
                if row.get(own_key) is None:
                    row[own_key] = row.get(source_key)
        wanted = [column for column in returning if _table_of(column) is table]
        needed = [] if number == len(tables) - 1 and not keep_keys else _missing_keys(mapper, table, full)
        columns = [*wanted, *(column for column in needed if column not in wanted)]
        own = statement if len(tables) == 1 else _with_values(mapper, insert(table), statement, columns)
        if needed and not capabilities.of(connection.dialect).insert_returning:
            returned: list[Any] = [_insert_one(connection, mapper, table, row, columns, options or {}) for row in full]
        else:
            returned = _insert_table(
                connection, mapper, table, full, own, columns, render_nulls, options or {}, ordered=True
            )
        for values, row, result in zip(returned, full, found, strict=False):
            result.update(zip(columns, values, strict=True))
            for column in needed:
                row[mapper.prop_of_column[column].key] = result[column]
    if keep_keys:
        for original, row in zip(given, full, strict=True):
            original.update({key: row[key] for key in mapper.pk_keys if key in row})  # type: ignore[attr-defined]
    return [tuple(result[column] for column in returning) for result in found]


def _completed(mapper: Any, rows: Sequence[Row]) -> Sequence[Row]:
    """Give rows their ``polymorphic_identity``, where they don't say otherwise, and their first version in any case."""
    made: dict[str, Any] = {}
    prop = None if mapper.polymorphic_on is None else mapper.prop_of_column.get(mapper.polymorphic_on)
    if prop is not None and mapper.polymorphic_identity is not None:
        made[prop.key] = mapper.polymorphic_identity
    if made:
        rows = [row if made.keys() <= row.keys() else {**made, **row} for row in rows]
    version = mapper.version_id_col
    if version is not None and mapper.version_id_generator:
        version_key = mapper.prop_of_column[version].key
        rows = [{**row, version_key: mapper.version_id_generator(None)} for row in rows]
    return rows


def _inherited_keys(mapper: Any, table: Any) -> list[tuple[str, str]]:
    """List the attributes of a table that take their value from a parent table, each with where from."""
    pairs: list[tuple[str, str]] = []
    for each in mapper.iterate_to_root():
        if each.local_table is not table or each.inherits is None or each.inherit_condition is None:
            continue
        for _, left, right in comparisons(each.inherit_condition):
            one, other = plain(left), plain(right)
            if one.table is not table:
                one, other = other, one
            own, source = mapper.prop_of_column.get(one), mapper.prop_of_column.get(other)
            if own is not None and source is not None and own.key != source.key:
                pairs.append((own.key, source.key))
    return pairs


def _missing_keys(mapper: Any, table: Any, rows: Sequence[Row]) -> list[Any]:
    """List the primary key columns of a table that the database has to make."""
    return [
        column
        for column in mapper.pk_of_table[table]
        if any(row.get(mapper.prop_of_column[column].key) is None for row in rows)
    ]


def _with_values(mapper: Any, made: Any, statement: Any, returning: Sequence[Any]) -> Any:
    """Give an INSERT of one table the values of that table which the user's statement sets; ``None`` if none."""
    if statement is None:
        return None
    values = _values_for(mapper, made.table, statement)
    if not values:
        return None
    made = made.values(values)
    return made.returning(*returning, sort_by_parameter_order=True) if returning else made


def _values_for(mapper: Any, table: Any, statement: Any) -> dict[Any, Any]:
    """Give what ``values()`` of a statement sets in one table, by its columns."""
    found = {}
    for each, value in selects.values_of(statement).items():
        prop = mapper.props.get(each) if isinstance(each, str) else None
        column = plain(prop.columns[0]) if prop is not None and prop.is_column else each
        if isinstance(column, str) or _table_of(column) is table:
            found[column] = value
    return found


def _table_of(expression: Any) -> Any:
    """Give the table that an expression is over; the first of several."""
    froms = [] if isinstance(expression, str) else selects.from_objects(expression)
    return froms[0] if froms else None


def _insert_one(
    connection: Any, mapper: Any, table: Any, row: Row, columns: list[Any], options: Any
) -> tuple[Any, ...]:
    """Insert a row where the database has no RETURNING, and give its generated key."""
    values = {column.key: row[key] for key, column in _columns(mapper, table).items() if row.get(key) is not None}
    result = connection.execute(insert(table).values(values), execution_options=options)
    key = dict(zip(table.primary_key, result.inserted_primary_key, strict=True))
    return tuple(key.get(column) for column in columns)


def _insert_table(
    connection: Any,
    mapper: Any,
    table: Any,
    rows: Sequence[Row],
    statement: Any,
    returning: list[Any],
    render_nulls: bool,
    options: Mapping[str, Any],
    ordered: bool = False,
) -> list[Any]:
    """Insert rows into one table."""
    by_key = _columns(mapper, table)
    keep = (
        frozenset()
        if render_nulls
        else frozenset(key for key, column in by_key.items() if not column.type.should_evaluate_none)
    )
    plain_insert = statement is None or not (selects.has_values(statement) or selects.is_decorated(statement))
    others = frozenset() if plain_insert else selects.named_parameters(statement) - by_key.keys()
    returned: list[Any] = []
    for keys, batch in _batches(rows, frozenset(by_key) | others, keep):
        if plain_insert and not returning and _insert_directly(connection, mapper, table, keys, batch, by_key):
            continue
        if statement is None:
            made = insert(table)
            if returning:
                made = made.returning(*returning, sort_by_parameter_order=ordered)
        else:
            made = plain_statement(statement, returning) if selects.is_ours(statement) else statement
        returned.extend(_insert_through_core(connection, made, keys, batch, by_key, options))
    return returned


def _insert_directly(connection: Any, mapper: Any, table: Any, keys: list[str], batch: list[Row], by_key: Any) -> bool:
    """Insert a batch straight through the driver; tell whether that could be done."""
    if _schema_names(connection):
        return False
    key = (mapper, table, "insert", tuple(keys))
    entry, cache = _cached(connection, key)
    if entry is None:
        column_keys = [by_key[each].key for each in keys]
        plan = plan_for(insert(table), connection.dialect, column_keys=column_keys, many=True)
        attribute_of = {by_key[each].key: each for each in keys}
        simple = plan.simple and all(name in attribute_of for name in plan.names)
        entry = (plan, _picker([attribute_of[name] for name in plan.names])) if simple else (None, None)
        cache[key] = entry
    plan, pick = entry
    if plan is None or not keys:
        return False
    values = list(map(pick, batch))
    if _has_expressions(values):
        return False
    driver_for(connection).executemany(plan, values)
    return True


def _insert_through_core(
    connection: Any, statement: Any, keys: list[str], batch: list[Row], by_key: Any, options: Mapping[str, Any]
) -> list[Any]:
    """Insert a batch through Core; rows with SQL expressions one by one."""
    pairs = [(key, by_key[key].key if key in by_key else key) for key in keys]
    values = [{name: row[key] for key, name in pairs} for row in batch]
    returned: list[Any] = []
    if not keys or _has_expressions([tuple(each.values()) for each in values]):
        for each in values:
            result = connection.execute(statement.values(each) if each else statement, execution_options=options)
            if result.returns_rows:
                returned.extend(tuple(row) for row in result)
        return returned
    result = connection.execute(statement, values, execution_options=options)
    if result.returns_rows:
        returned.extend(tuple(row) for row in result)
    return returned


def update_rows(
    connection: Any,
    mapper: Any,
    rows: Sequence[Row],
    *,
    statement: Any = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Update rows given by attribute name, each by its primary key.

    :param rows: dictionaries with the whole primary key and the attributes to be set.
    :param statement: the ``update()`` that the rows were given to.  Rows which its criteria leave out stay as
        they are, and nobody counts them.
    :raises InvalidRequestError: a row lacks its primary key, or its version.
    :raises StaleDataError: a row was not there, or had another version.
    """
    rows = spread(mapper, rows)
    version = mapper.version_id_col
    version_key = None if version is None else mapper.prop_of_column[version].key
    if version_key is not None and any(row.get(version_key) is None for row in rows):
        raise InvalidRequestError(
            f"A row for a bulk UPDATE of {mapper.class_.__name__} by primary key has no value for its version "
            f"{version_key!r}; every row must have the version that it was read with"
        )
    where = () if statement is None else selects.where_of(statement)
    named = selects.named_parameters(statement) if where else frozenset()
    if where and version_key is not None:
        warn(
            f"Rows for a bulk UPDATE of {mapper.class_.__name__} with criteria of its own: a row that has another "
            f"version {version_key!r} by now cannot be told from one that the criteria leave out"
        )
    for table in mapper.sorted_tables:
        by_key = _columns(mapper, table)
        more = {} if statement is None else _values_for(mapper, table, statement)
        sources = dict(_inherited_keys(mapper, table))
        key_columns = {}
        own_keys = set()
        for column in mapper.pk_of_table[table]:
            key = mapper.prop_of_column[column].key
            own_keys.add(key)
            key_columns[sources.get(key, key)] = column
        versioned = version_key if version is not None and version.table is table else None
        for row in rows:
            for key, column in key_columns.items():
                if row.get(key) is None:
                    raise InvalidRequestError(
                        f"A row for a bulk UPDATE of {mapper.class_.__name__} by primary key has no value for "
                        f"{column}; every row must have its whole primary key",
                        code="bupq",
                    )
        for keys, batch in _batches(rows, frozenset(by_key) | key_columns.keys() | named, frozenset()):
            changed = [key for key in keys if key in by_key and key not in own_keys and key != versioned]
            if not changed and not more and versioned is None:
                continue
            target = _UpdateTarget(mapper, table, by_key, key_columns, versioned, more, where, named)
            _update_batch(connection, target, changed, batch, options or {})


@dataclass(frozen=True)
class _UpdateTarget:
    """One table that rows are written to by primary key, and how.

    :param by_key: the columns of the table by attribute name.
    :param key_columns: those of the primary key by the attribute that has the value.
    :param versioned: the attribute of the version, if it is in this table.
    :param more: what the user's statement sets by itself.
    :param where: the criteria of the user's statement.
    :param named: the names of its parameters, whose values are in the rows.
    """

    mapper: Any
    table: Any
    by_key: Mapping[str, Any]
    key_columns: Mapping[str, Any]
    versioned: str | None
    more: Mapping[Any, Any]
    where: Sequence[Any]
    named: frozenset[str]


def _update_batch(
    connection: Any, target: _UpdateTarget, changed: list[str], batch: list[Row], options: Mapping[str, Any]
) -> None:
    """Update rows of one table that have the same keys."""
    by_key, table = target.by_key, target.table
    if _has_expressions(list(map(_picker(changed), batch))):
        for row in batch:
            made = _update_statement(target, []).values({by_key[key]: row[key] for key in changed})
            result = connection.execute(made, _update_values(target, row, []), execution_options=options)
            if not target.where:
                _check_rowcount(connection, table, result.rowcount, 1)
        return
    key = (target.mapper, table, "update", tuple(changed), target.versioned)
    own = bool(target.more or target.where)
    plan, cache = (None, None) if own else _cached(connection, key)
    if plan is None:
        plan = plan_for(_update_statement(target, changed), connection.dialect, many=True)
        if cache is not None:
            cache[key] = plan
    attributes = {_name_of_value(by_key, each): each for each in changed}
    attributes.update((_name_of_key(by_key, column), each) for each, column in target.key_columns.items())
    if plan.simple and attributes.keys() >= set(plan.names) and not _schema_names(connection):
        pick = _picker([attributes[name] for name in plan.names])
        rowcount = driver_for(connection).executemany(plan, list(map(pick, batch)))
    else:
        values = [_update_values(target, row, changed) for row in batch]
        rowcount = connection.execute(plan.statement, values, execution_options=options).rowcount
    if not target.where:
        _check_rowcount(connection, table, rowcount, len(batch))


def _name_of_value(by_key: Mapping[str, Any], key: str) -> str:
    """Give the name of the parameter that a column is set to."""
    return str(by_key[key].key)


def _name_of_key(by_key: Mapping[str, Any], column: Any) -> str:
    """Give the name of the parameter that a column is compared with; no column is named so."""
    name = f"{column.table.name}_{column.name}"
    taken = {each.key for each in by_key.values()}
    while name in taken:
        name = f"_{name}"
    return name


def _update_statement(target: _UpdateTarget, changed: Sequence[str]) -> Any:
    by_key, table, versioned = target.by_key, target.table, target.versioned
    made = selects.plain_dml(update(table).where(*target.where), ())
    for column in target.key_columns.values():
        made = made.where(column == bindparam(_name_of_key(by_key, column), type_=column.type))
    settings: dict[Any, Any] = {
        by_key[key]: bindparam(_name_of_value(by_key, key), type_=by_key[key].type) for key in changed
    }
    settings.update(target.more)
    if versioned is not None:
        column = by_key[versioned]
        made = made.where(column == bindparam(_name_of_key(by_key, column), type_=column.type))
        if target.mapper.version_id_generator:
            settings[column] = bindparam(_name_of_value(by_key, versioned), type_=column.type)
        elif not settings:  # what the server makes of an UPDATE is its own affair; the row has to be found all the same
            settings = {column: column for column in target.key_columns.values()}
    return made.values(settings) if settings else made


def _update_values(target: _UpdateTarget, row: Row, changed: Sequence[str]) -> dict[str, Any]:
    by_key, versioned = target.by_key, target.versioned
    values = {name: row[name] for name in target.named if name in row}
    values.update((_name_of_value(by_key, key), row[key]) for key in changed)
    for key, column in target.key_columns.items():
        values[_name_of_key(by_key, column)] = row[key]
    if versioned is not None:
        values[_name_of_key(by_key, by_key[versioned])] = row[versioned]
        if target.mapper.version_id_generator:
            values[_name_of_value(by_key, versioned)] = target.mapper.version_id_generator(row[versioned])
    return values


def _check_rowcount(connection: Any, table: Any, matched: int, expected: int) -> None:
    """Refuse to have updated fewer rows than were given."""
    able = capabilities.of(connection.dialect)
    if not (able.sane_rowcount if expected == 1 else able.sane_multi_rowcount) or matched < 0:
        return
    if matched != expected:
        raise StaleDataError(
            f"An UPDATE of table {table.name!r} by primary key was given {expected} rows and matched {matched}; "
            "the others are not in the database",
            table=table,
            expected=expected,
            matched=matched,
        )
