"""Some columns of one object's row, by a SELECT of these columns and nothing else.

For expired and deferred attributes: which object it is is known, so neither primary key nor discriminator is
selected, and no row loader is needed.  Where all columns stand in the table that a subclass adds, that table
is the only one that is read.  Next on the way: ``core/driver.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, bindparam, select
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE, LABEL_STYLE_TABLENAME_PLUS_COL

from session.core.driver import read
from session.core.plan import keep, plan_for
from session.core.sql import deep_deannotate
from session.load.context import LoadContext
from session.load.prepared import translation_of

__all__ = ["RowColumns", "row_columns"]


class RowColumns:
    """The SELECT of some columns of one row, compiled once per dialect.

    :param mapper: the mapper of the object's class.
    :param keys: the column attributes.
    """

    __slots__ = ("_plans", "identity", "keys", "mapper", "statement")

    def __init__(self, mapper: Any, keys: Iterable[str]) -> None:
        self.mapper = mapper
        wanted = frozenset(keys)
        props = [prop for prop in mapper.column_props if prop.key in wanted]
        self.keys: tuple[str, ...] = tuple(prop.key for prop in props)
        self.statement, self.identity = statement_of(mapper, [prop.columns[0] for prop in props])
        self._plans: dict[Any, dict[Any, Any]] = {}

    def load(self, session: Any, state: Any, dict_: dict[str, Any], ident: Any = None) -> bool:
        """Load the columns into an object; what it has or has changed stays.

        :param ident: the primary key, if the object is not persistent yet.
        :return: False if there is no such row.
        """
        connection = session._connection_for(self.mapper, self.statement, state)
        translation = translation_of(session, connection)
        plans = self._plans.get(connection.dialect)
        if plans is None:
            plans = keep(self._plans, connection.dialect, {})
        key = None if translation is None else frozenset(translation.items())
        plan = plans.get(key)
        if plan is None:
            plan = plans[key] = plan_for(self.statement, connection.dialect, schema_translate_map=translation)
        if ident is None:
            ident = state.ident
        values = {self.identity[0]: ident} if len(self.identity) == 1 else dict(zip(self.identity, ident, strict=True))
        rows = read(connection, plan, values)
        if not rows:
            return False
        committed = state.committed
        filled = []
        processors: Any = plan.processors
        for attribute, value, processor in zip(self.keys, rows[0], processors, strict=True):
            if attribute in dict_ or (committed is not None and attribute in committed):
                continue
            dict_[attribute] = value if processor is None else processor(value)
            filled.append(attribute)
        state.unexpire(self.keys)
        refresh_event = state.manager.dispatch.refresh
        if refresh_event and filled:
            changed = set(filled)
            context = LoadContext(session, statement=self.statement, params=values, only_keys=changed)
            refresh_event(state, context, changed)
            state.commit(dict_, filled)
        return True


def statement_of(mapper: Any, columns: list[Any]) -> tuple[Any, tuple[str, ...]]:
    """Build the SELECT, and name the parameters of the primary key."""
    names = key_names(mapper)
    table = own_table(mapper, columns)
    if table is not None:
        own = [column_in(mapper, table, column) for column in mapper.primary_key]
        criteria = [bindparam(name, type_=column.type) == column for name, column in zip(names, own, strict=True)]
        style = LABEL_STYLE_TABLENAME_PLUS_COL
        return select(*columns).where(*criteria).set_label_style(style), names
    criteria = [
        column == bindparam(name, type_=column.type) for name, column in zip(names, mapper.primary_key, strict=True)
    ]
    single = mapper.single_criterion()
    if single is not None:
        criteria.append(deep_deannotate(single))
    statement = select(*columns).select_from(mapper.persist_selectable).where(*criteria)
    return statement.set_label_style(LABEL_STYLE_NONE), names


def own_table(mapper: Any, columns: list[Any]) -> Any:
    """Give the table that a subclass adds, if all of the columns are in it."""
    if mapper.inherits is None or not all(isinstance(column, Column) for column in columns):
        return None
    tables = {column.table for column in columns}
    if len(tables) != 1:
        return None
    table = tables.pop()
    if table is mapper.base_mapper.local_table or table not in mapper.tables or mapper.single:
        return None
    if any(column_in(mapper, table, key) is None for key in mapper.primary_key):
        return None
    return table


def column_in(mapper: Any, table: Any, column: Any) -> Any:
    """Give the column of a table that always equals a primary key column, ``None`` if it has none."""
    if column.table is table:
        return column
    return next((other for other in mapper.equivalent_columns.get(column, ()) if other.table is table), None)


def row_columns(mapper: Any, keys: frozenset[str]) -> RowColumns:
    """Give the prepared SELECT of some columns of a mapper, made when it is first asked for."""
    memo = memo_of(mapper)
    found: RowColumns | None = memo.get(("columns", keys))
    if found is None:
        found = memo.setdefault(("columns", keys), RowColumns(mapper, keys))
    return found


def name_ending(mapper: Any) -> str:
    """What the names of our parameters end in, so that they meet none of a mapped expression; mostly nothing."""
    memo = memo_of(mapper)
    found: str | None = memo.get("ending")
    if found is None:
        props = [prop for each in mapper.registry.mappers for prop in each.column_props]
        plain = all(isinstance(column, Column) for prop in props for column in prop.columns)
        found = memo.setdefault("ending", "" if plain else "_value")
    return found


def key_names(mapper: Any) -> tuple[str, ...]:
    """Give the names of the parameters that the primary key's values are given by."""
    try:
        return mapper.load_memo["key names"]  # type: ignore[no-any-return]
    except (AttributeError, KeyError):
        ending = name_ending(mapper)
        names = tuple([f"pk_{number}{ending}" for number, _ in enumerate(mapper.primary_key, 1)])
        return memo_of(mapper).setdefault("key names", names)  # type: ignore[no-any-return]


def memo_of(mapper: Any) -> dict[Any, Any]:
    """Give the place where a mapper keeps its prepared statements."""
    try:
        return mapper.load_memo  # type: ignore[no-any-return]
    except AttributeError:
        memo = mapper.load_memo = {}
        return memo
