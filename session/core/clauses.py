"""Which clauses a ``Select`` has, for the checks that ``Query`` makes."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select

__all__ = ["Clauses", "clauses_of"]


class Clauses(NamedTuple):
    """The clauses of one SELECT; those that it does not have are empty, ``None`` or false."""

    columns: Any
    froms: tuple[Any, ...]
    where: tuple[Any, ...]
    joined: bool
    limit: Any
    offset: Any
    order_by: tuple[Any, ...]
    group_by: tuple[Any, ...]
    distinct: bool
    for_update: Any
    options: tuple[Any, ...]


def clauses_of(statement: Select[Any]) -> Clauses:
    """Take the clauses out of a SELECT."""
    return Clauses(
        columns=statement._raw_columns,
        froms=statement._from_obj,
        where=statement._where_criteria,
        joined=bool(statement._setup_joins),
        limit=statement._limit_clause,
        offset=statement._offset_clause,
        order_by=statement._order_by_clauses,
        group_by=statement._group_by_clauses,
        distinct=bool(statement._distinct),
        for_update=statement._for_update_arg,
        options=statement._with_options,
    )
