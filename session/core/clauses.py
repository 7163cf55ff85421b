"""Which clauses a ``Select`` has, for the checks that ``Query`` makes, and what it changes in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnClause, Label, Select
from sqlalchemy.util import immutabledict

from session.constants import PLUGIN
from session.core.selects import is_ours

__all__ = ["Clauses", "as_ours", "clauses_of", "known_as", "with_columns", "with_label"]

OF_NO_CLASS = immutabledict({"compile_state_plugin": PLUGIN, "plugin_subject": None})


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


def as_ours(statement: Any) -> Any:
    """Let this package translate a SELECT, whether or not it is about mapped classes."""
    if is_ours(statement):
        return statement
    made = statement._generate()
    made._propagate_attrs = OF_NO_CLASS
    return made


def with_label(element: Any) -> Any:
    """Label an expression that has no name, so that it can be found again in a subquery."""
    return element if isinstance(element, (Label, ColumnClause)) else element.label(None)


def with_columns(statement: Select[Any], columns: Sequence[Any]) -> Select[Any]:
    """Copy a SELECT with other elements in its columns clause, which stand for the same columns."""
    made = statement._generate()
    made._raw_columns = list(columns)
    return made


def known_as(element: Any, name: str | None) -> Any:
    """Give an expression a name in the rows, other than the one it has in SQL."""
    return element if name is None else element._annotate({"proxy_key": name})


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
