"""What history keeps of old values.  Pure Python reference version.

A history is a dictionary from attribute key to the value before the first change (``InstanceState.committed``).  The
compiled version lets objects of a class that set the same attributes in the same order share one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from session.constants import NO_VALUE

__all__ = ["kept_copy", "remember_known"]


def kept_copy(dict_: dict[str, Any], key: str, previous: Any, copier: Callable[[Any], Any]) -> Any:
    """Give what history keeps of a value that is about to change in place: a copy.

    :param dict_: the object's ``__dict__``, which has the value where ``previous`` is ``NO_VALUE``.
    :param copier: makes the copy.
    """
    if previous is NO_VALUE and key in dict_:
        previous = dict_[key]
    if previous is not None and previous is not NO_VALUE:
        previous = copier(previous)
    return previous


def remember_known(known: dict[str, Any], dict_: dict[str, Any]) -> None:
    """Note the present values of attributes whose last value is wanted after they expire.

    :param known: by attribute key, the value that was noted last.
    :param dict_: the object's ``__dict__``.
    """
    for key in known:
        if key in dict_:
            known[key] = dict_[key]
