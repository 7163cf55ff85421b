"""What Core asks about INSERT, UPDATE and DELETE of mapped classes.

Attribute names in ``values()`` become columns as soon as the statement is built; RETURNING of a class becomes
RETURNING of its columns when the statement is compiled; a class in single-table inheritance limits
UPDATE and DELETE to its own rows.  Next on the way: ``load/dml.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from session.constants import PLUGIN
from session.core import selects
from session.load.compile import criteria_options
from session.load.entities import describe_columns, parts_of

__all__ = ["column_for", "plain_statement", "row_values"]


def column_for(mapper: Any, table: Any, key: str) -> Any:
    """Give the column that an attribute writes in a table, ``None`` if there is none.

    :param mapper: the mapper of the class.
    :param table: the table that the statement is about; ``None`` for any.
    :param key: the attribute's name.
    """
    prop = mapper.props.get(key)
    while prop is not None and getattr(prop, "is_synonym", False):
        prop = mapper.props.get(prop.name)
    if prop is None or not prop.is_column:
        return None
    for column in prop.columns:
        if table is None or getattr(column, "table", None) is table:
            return column
    return prop.columns[0]


def written_pairs(statement: Any, pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Translate the keys of ``values()``: attributes and their names become columns."""
    mapper = selects.subject_of(statement).mapper
    table = selects.plain(statement.table)
    for key, value in pairs:
        if isinstance(key, str):
            column = column_for(mapper, table, key)
            if column is not None:
                yield (column if column.table is table else key), value
                continue
            attribute = getattr(mapper.class_, key, None)
            spread = getattr(attribute, "_bulk_update_tuples", None)
            if spread is not None:
                yield from written_pairs(statement, spread(value))
            else:
                yield key, value
            continue
        notes = selects.notes_of(key)
        name = notes.get("proxy_key", "")
        column = column_for(mapper, table, name) if "bundle" not in notes and name in mapper.props else None
        spread = getattr(key, "_bulk_update_tuples", None) if column is None else None
        if spread is not None:
            yield from written_pairs(statement, spread(value))
        else:
            yield (key if column is None or column.table is not table else column), value


class _EntityDML:
    """What the three kinds of statement share."""

    base: Any

    @classmethod
    def create_for_statement(cls, statement: Any, compiler: Any, **keywords: Any) -> Any:
        """Translate a statement that Core has come upon, and hand on the plain one."""
        return cls.base(plain_statement(statement), compiler, **keywords)

    @classmethod
    def get_entity_description(cls, statement: Any) -> dict[str, Any]:
        """Give what ``statement.entity_description`` shows."""
        entity = selects.subject_of(statement)
        return {
            "name": entity.mapper.class_.__name__,
            "type": entity.mapper.class_,
            "expr": entity.entity,
            "entity": entity.entity,
            "table": selects.plain(statement.table),
        }

    @classmethod
    def get_returning_column_descriptions(cls, statement: Any) -> list[dict[str, Any]]:
        """Give what ``statement.returning_column_descriptions`` shows."""
        return describe_columns(selects.returning_of(statement), selects.label_style(statement))

    @classmethod
    def _get_crud_kv_pairs(cls, statement: Any, kv_iterator: Any, needs_to_be_cacheable: bool) -> Any:
        return cls.base._get_crud_kv_pairs(statement, written_pairs(statement, kv_iterator), needs_to_be_cacheable)

    @classmethod
    def _get_multi_crud_kv_pairs(cls, statement: Any, multi_kv_iterator: Any) -> Any:
        translated = [
            {getattr(key, "key", key): value for key, value in written_pairs(statement, each.items())}
            for each in multi_kv_iterator
        ]
        return cls.base._get_multi_crud_kv_pairs(statement, translated)


@selects.plugin_for(PLUGIN, "insert")
class EntityInsertState(_EntityDML, selects.InsertState):  # type: ignore[misc]
    """The compile state of an INSERT of a mapped class."""

    base = selects.InsertState


@selects.plugin_for(PLUGIN, "update")
class EntityUpdateState(_EntityDML, selects.UpdateState):  # type: ignore[misc]
    """The compile state of an UPDATE of a mapped class."""

    base = selects.UpdateState


@selects.plugin_for(PLUGIN, "delete")
class EntityDeleteState(_EntityDML, selects.DeleteState):  # type: ignore[misc]
    """The compile state of a DELETE of a mapped class."""

    base = selects.DeleteState


def row_criteria(statement: Any) -> list[Any]:
    """List what limits an UPDATE or DELETE beside its own WHERE."""
    entity = selects.subject_of(statement)
    found = []
    single = entity.mapper.single_criterion()
    if single is not None:
        found.append(entity.adapt(single) if entity.is_aliased_class else single)
    found.extend(
        option.criterion(entity)
        for option in criteria_options(selects.options_of(statement))
        if option.applies_to(entity)
    )
    return found


def plain_statement(statement: Any, returning: Any = None) -> Any:
    """Translate a statement of a mapped class.

    :param returning: columns of the RETURNING clause; by default those that the statement's own one stands for.
    """
    if returning is None:
        returning = [column for part in parts_of(selects.returning_of(statement)) for column in part.expand()]
    where = () if statement.is_insert else tuple(row_criteria(statement))
    return selects.plain_dml(statement, returning, where)


def row_values(mapper: Any, table: Any, row: Any) -> dict[str, Any]:
    """Translate a dictionary of attribute names into one of column keys, of one table.

    :param mapper: the mapper of the class.
    :param table: the table whose columns are wanted.
    :param row: values by attribute name.
    """
    values: dict[str, Any] = {}
    for key, value in row.items():
        column = column_for(mapper, table, key)
        if column is not None and getattr(column, "table", None) is table:
            values[column.key] = value
    return values
