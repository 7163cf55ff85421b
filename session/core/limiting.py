"""Criteria that hold for all of a statement: how they reach the SELECTs that are nested in it.

``with_loader_criteria()`` limits an entity wherever it stands.  A SELECT of ours that is part of another one takes the
options itself, when it is translated; the EXISTS of a relationship is no such SELECT, and carries a note of what it
looks for.  Next on the way: ``load/compile.py``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql import visitors

from session.core.selects import is_ours, notes_of, options_of

__all__ = ["enclosing_options", "mark_related", "with_more_options"]

RELATED_ENTITY = "related_entity"
LIMITED_BY = "limited_by"


def mark_related(table: Any, entity: Any) -> Any:
    """Note on the FROM element of an EXISTS what stands there, so that criteria on that entity find it.

    :param table: a FROM element.
    :param entity: the mapper or aliased entity whose rows are looked for.
    """
    return table._annotate({RELATED_ENTITY: entity})


def with_more_options(statement: Any, options: tuple[Any, ...]) -> Any:
    """Copy a statement with further loader criteria, which hold in its nested statements too, wherever they stand.

    :param options: ``with_loader_criteria()`` options.
    """

    def extend(each: Any) -> None:
        if is_ours(each):
            each._with_options = each._with_options + tuple(
                option for option in options if option not in each._with_options
            )
        if any(RELATED_ENTITY in notes_of(clause) for clause in each._from_obj):
            each._from_obj = tuple(limited(each, clause) for clause in each._from_obj)

    def limited(select_: Any, clause: Any) -> Any:
        notes = notes_of(clause)
        entity, done = notes.get(RELATED_ENTITY), notes.get(LIMITED_BY, ())
        fresh = tuple(option for option in options if option not in done)
        if entity is None or not fresh:
            return clause
        select_._where_criteria += tuple(option.criterion(entity) for option in fresh if option.applies_to(entity))
        return clause._annotate({LIMITED_BY: done + fresh})

    return visitors.cloned_traverse(statement, {}, {"select": extend})


def enclosing_options(compiler: Any) -> tuple[Any, ...]:
    """Give the options of the statements around the one that is being compiled."""
    if not compiler.stack:
        return ()
    around = [compiler.statement, *(entry["selectable"] for entry in compiler.stack)]
    return tuple(dict.fromkeys(option for each in around for option in options_of(each)))
