"""Criteria that hold for all of a statement: how they reach the SELECTs that are nested in it.

``with_loader_criteria()`` limits an entity wherever it stands.  A SELECT of ours that is part of another one takes the
options itself, when it is translated; the EXISTS of a relationship is no such SELECT, and carries a note of what it
looks for.  Next on the way: ``load/compile.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.sql import visitors

from session.core.selects import is_ours, notes_of, options_of
from session.core.sql import ExecutableOption, HasCacheKey

__all__ = ["Spared", "criterion_of", "enclosing_options", "mark_related", "spared", "with_more_options"]

RELATED_ENTITY = "related_entity"
LIMITED_BY = "limited_by"


class Spared(ExecutableOption, HasCacheKey):
    """Says that a SELECT stands in the criterion of an option, which does not limit it again.

    :param option: a ``with_loader_criteria()`` option.
    """

    inherit_cache = False
    propagate_to_loaders = False
    _is_has_cache_key = True

    def __init__(self, option: Any) -> None:
        self.option = option

    def _gen_cache_key(self, anon_map: Any, bindparams: Any) -> Any:
        return (Spared, self.option._gen_cache_key(anon_map, bindparams))


def spared(options: Iterable[Any]) -> tuple[Any, ...]:
    """Pick the notes of what does not limit a SELECT."""
    return tuple(option for option in options if isinstance(option, Spared))


def criterion_of(option: Any, entity: Any, options: tuple[Any, ...]) -> Any:
    """Give the criterion that an option puts on an entity, itself limited where other SELECTs are nested in it.

    :param option: the option.
    :param entity: a mapper or aliased entity.
    :param options: all options of the statement; in its own criterion an option does not apply.
    """
    clause = option.criterion(entity)
    if not any(each.__visit_name__ == "select" for each in visitors.iterate(clause)):
        return clause
    return with_more_options(clause, tuple(each for each in options if each is not option), Spared(option))


def mark_related(table: Any, entity: Any) -> Any:
    """Note on the FROM element of an EXISTS what stands there, so that criteria on that entity find it.

    :param table: a FROM element.
    :param entity: the mapper or aliased entity whose rows are looked for.
    """
    return table._annotate({RELATED_ENTITY: entity})


def with_more_options(statement: Any, options: tuple[Any, ...], *notes: Spared) -> Any:
    """Copy a statement with further loader criteria, which hold in its nested statements too, wherever they stand.

    :param options: ``with_loader_criteria()`` options.
    :param notes: what does not hold in it, and would by the statements around it.
    """

    def extend(each: Any) -> None:
        if is_ours(each):
            each._with_options = each._with_options + tuple(
                option for option in (*options, *notes) if option not in each._with_options
            )
        if any(RELATED_ENTITY in notes_of(clause) for clause in each._from_obj):
            each._from_obj = tuple(limited(each, clause) for clause in each._from_obj)

    def limited(select_: Any, clause: Any) -> Any:
        notes = notes_of(clause)
        entity, done = notes.get(RELATED_ENTITY), notes.get(LIMITED_BY, ())
        fresh = tuple(option for option in options if option not in done)
        if entity is None or not fresh:
            return clause
        select_._where_criteria += tuple(
            criterion_of(option, entity, options) for option in fresh if option.applies_to(entity)
        )
        return clause._annotate({LIMITED_BY: done + fresh})

    return visitors.cloned_traverse(statement, {}, {"select": extend})


def enclosing_options(compiler: Any, statement: Any) -> tuple[Any, ...]:
    """Give the options of the statements around the one that is being compiled, without those that spare it.

    :param statement: the one that is being compiled.
    """
    if not compiler.stack:
        return ()
    around = [compiler.statement, *(entry["selectable"] for entry in compiler.stack)]
    found = dict.fromkeys(option for each in around for option in options_of(each))
    exempt = {note.option for note in spared((*found, *options_of(statement)))}
    return tuple(option for option in found if option not in exempt)
