"""Attributes that a class gets after it has been mapped."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.exc import InvalidRequestError

from session.core.selectables import note_new_column
from session.mapping.base import MapperProperty, ScanContext
from session.mapping.columns import ColumnProperty
from session.mapping.mapped_column import MappedColumn
from session.mapping.scan import complete_column, name_column
from session.mapping.synonym import SynonymProperty
from session.mapping.unmapped import UnmappedColumn

__all__ = ["add_attribute"]


def add_attribute(cls: type[Any], key: str, value: Any) -> None:
    """Set an attribute on a class that is mapped already; what can be mapped becomes mapped.

    :param value: a column, ``mapped_column()``, a property; anything else is set as it is.
    """
    mapper = cls.__mapper__
    if isinstance(value, MappedColumn) or (isinstance(value, ColumnProperty) and value.columns_to_assign):
        context = ScanContext(
            mapper.registry, cls, cls, cls.__module__, complete_column=complete_column, own_table=True
        )
        value.declarative_scan(context, key, None)
        for column, _ in value.columns_to_assign:
            _append_column(mapper, column)
        if isinstance(value, UnmappedColumn):
            mapper.exclude_properties.add(value.column)
            return
        mapper.add_property(key, value.mapper_property_to_assign or value.columns_to_assign[0][0])
    elif isinstance(value, Column):
        name_column(value, key)
        _append_column(mapper, value)
        mapper.add_property(key, value)
    elif isinstance(value, MapperProperty):
        mapper.add_property(key, value)
    elif isinstance(getattr(value, "prop", None), MapperProperty) and value.key != key:
        mapper.add_property(key, SynonymProperty(value.key))
    else:
        type.__setattr__(cls, key, value)


def _append_column(mapper: Any, column: Any) -> None:
    if column.table is None:
        if not isinstance(mapper.local_table, Table):
            raise InvalidRequestError(
                f"Cannot add the column {column.name!r} to {mapper.class_.__name__}, which is mapped to no Table"
            )
        mapper.local_table.append_column(column, replace_existing=True)
        for one in mapper.self_and_descendants:
            if one.persist_selectable is not mapper.local_table:
                note_new_column(one.persist_selectable, column)
