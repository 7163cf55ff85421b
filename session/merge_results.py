"""Results from a cache, or from anywhere else, whose objects come into a Session.

What comes in: frozen results and rows with detached objects.  What goes out: the same with the Session's own objects,
which ``merge.py`` makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect
from sqlalchemy.engine import FrozenResult, result_tuple
from sqlalchemy.util import warn_deprecated

if TYPE_CHECKING:
    from session.sessions import Session

__all__ = ["merge_frozen_result", "merge_result", "merged_result", "merged_rows"]


def merge_frozen_result(session: Session, statement: Any, frozen_result: Any, load: bool = True) -> Any:
    """Give a frozen result with this Session's own objects in place of those that it was frozen with.

    What a cache needs, in a listener of ``do_orm_execute``::

        if key not in cache:
            cache[key] = execute_state.invoke_statement().freeze()
        return merge_frozen_result(execute_state.session, execute_state.statement, cache[key], load=False)()

    :param session: the Session that the objects come into.
    :param statement: the statement of the result; says which columns are objects.
    :param frozen_result: what ``Result.freeze()`` has given.
    :param load: ``False`` takes the objects as they are, without SQL; they must have no changes.
    :return: a frozen result; calling it gives a ``Result``.
    """
    if load:
        session._autoflush()
    merged = merged_rows(session, statement.column_descriptions, frozen_result(), load)
    return frozen_result.with_new_rows([tuple(row) for row in merged])


def merge_result(query: Any, iterator: Any, load: bool = True) -> Any:
    """Give rows, or a frozen result, of a ``Query`` with its Session's own objects; deprecated.

    :param query: says which columns are objects.
    :param iterator: a frozen result, or an iterable: of objects where the query is of one entity, else of rows.
    :param load: as in :func:`merge_frozen_result`.
    :return: a frozen result, or an iterator.
    """
    warn_deprecated("merge_result() is deprecated; use merge_frozen_result()", "2.0")
    return merged_result(query, iterator, load)


def merged_result(query: Any, iterator: Any, load: bool) -> Any:
    """Give rows, or a frozen result, of a ``Query`` with its Session's own objects; as :func:`merge_result`."""
    session, descriptions = query.session, query.column_descriptions
    if isinstance(iterator, FrozenResult):
        return merge_frozen_result(session, query.statement, iterator, load)
    if load:
        session._autoflush()
    if len(descriptions) == 1 and _is_entity(descriptions[0]):
        return iter([row[0] for row in merged_rows(session, descriptions, [[each] for each in iterator], load)])
    make = result_tuple([description["name"] for description in descriptions])
    return iter([make(row) for row in merged_rows(session, descriptions, [list(row) for row in iterator], load)])


def merged_rows(
    session: Session, descriptions: Sequence[Any], rows: Iterable[Sequence[Any]], load: bool
) -> list[list[Any]]:
    """Give rows with a Session's own objects in place of others.

    :param descriptions: of the columns, as in ``column_descriptions``.
    :param load: as in ``Session.merge()``.
    """
    merged = [list(row) for row in rows]
    with session.no_autoflush:
        for place, description in enumerate(descriptions):
            if _is_entity(description):
                present = [row for row in merged if row[place] is not None]
                objects = session.merge_all([row[place] for row in present], load=load)
                for row, obj in zip(present, objects, strict=True):
                    row[place] = obj
    return merged


def _is_entity(description: Any) -> bool:
    """Tell whether the values of a column are objects of a mapped class."""
    found = inspect(description["expr"], raiseerr=False)
    return bool(getattr(found, "is_mapper", False) or getattr(found, "is_aliased_class", False))
