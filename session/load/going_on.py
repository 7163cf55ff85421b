"""Eager loads go on behind relationships that have their value already.

In: objects that are there, and what the options say behind the relationship that led to them.  Out: whether any of
these objects lacks what is to be loaded there, so that the SELECT of the relationship has to be sent after all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from session.constants import INSTANCE_STATE

__all__ = ["lack_more", "related", "was_taken_out"]

EAGER = ("selectin", "subquery", "joined", "immediate")
"""What an option says of a relationship that is loaded with its parents."""


def related(obj: Any, key: str) -> list[Any]:
    """Give the objects that a loaded relationship of an object refers to."""
    dict_ = obj.__dict__
    value = dict_[key]
    if dict_[INSTANCE_STATE].manager[key].impl.collection:
        return list(value._sa_adapter)
    return [] if value is None else [value]


def lack_more(objects: Iterable[Any], scope: Any) -> bool:
    """Tell whether persistent objects lack a value that options want loaded.

    :param scope: what the options say about their attributes.
    """
    objects = [obj for obj in objects if obj.__dict__[INSTANCE_STATE].ident is not None]
    for key, directives in scope.attributes.items():
        wanted = [directive for directive in directives if directive.name in EAGER]
        if not wanted:
            continue
        for obj in objects:
            dict_ = obj.__dict__
            if key in dict_:
                if any(each.scope.attributes and lack_more(related(obj, key), each.scope) for each in wanted):
                    return True
            elif key in dict_[INSTANCE_STATE].manager and not was_taken_out(dict_[INSTANCE_STATE], key):
                return True
    return False


def was_taken_out(state: Any, key: str) -> bool:
    """Tell whether a missing value is missing because of a change that was not flushed yet.

    What is queued for a collection that is not loaded does not count: it goes on top of what is loaded.
    """
    committed = state.committed
    if committed is None or key not in committed:
        return False
    extras = state.extras
    return extras is None or key not in extras.get("pending", ())
