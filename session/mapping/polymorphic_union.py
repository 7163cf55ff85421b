"""``polymorphic_union()``: the rows of concrete tables together, for ``with_polymorphic`` of a concrete hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import cast, literal_column, null, select, union_all
from sqlalchemy.exc import InvalidRequestError

from session.core.sql import coercions, roles

__all__ = ["polymorphic_union"]


def polymorphic_union(
    table_map: Mapping[Any, Any], typecolname: str | None, aliasname: str = "p_union", cast_nulls: bool = True
) -> Any:
    """Return a UNION ALL over tables, in which each row says of which table it is.

    :param table_map: tables by polymorphic identity.
    :param typecolname: the name of the column that has the identity; ``None`` for none.
    :param aliasname: the name of the union.
    :param cast_nulls: give NULL, where a table lacks a column, the type of that column.
    :return: an alias of the union: every column that any of the tables has.
    :raises sqlalchemy.exc.InvalidRequestError: a table has a column of the name ``typecolname``.
    """
    tables = {identity: coercions.expect(roles.FromClauseRole, table) for identity, table in table_map.items()}
    types: dict[str, Any] = {}
    # a join calls its columns otherwise than its tables do
    columns_of = {identity: {column.key: column for column in table.c} for identity, table in tables.items()}
    for own in columns_of.values():
        types.update((key, column.type) for key, column in own.items())
    if typecolname in types:
        raise InvalidRequestError(
            f"The discriminator of a polymorphic union cannot be called {typecolname!r}, as a column of one of its "
            f"tables is; give typecolname another name, or _concrete_discriminator_name of a ConcreteBase"
        )

    def column_of(own: Mapping[str, Any], key: str) -> Any:
        present = own.get(key)
        if present is not None:
            return present
        return (cast(null(), types[key]) if cast_nulls else null()).label(key)

    selects = []
    for identity, table in tables.items():
        columns = [column_of(columns_of[identity], key) for key in types]
        if typecolname is not None:
            text = str(identity).replace("'", "''")
            columns.append(literal_column(f"'{text}'").label(typecolname))
        selects.append(select(*columns).select_from(table))
    return union_all(*selects).alias(aliasname)
