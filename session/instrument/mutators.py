"""Which methods of a collection class change it, and how they come to report it.

The wrappers themselves are hot (``_accel.mutators``).
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from session._accel import mutators

__all__ = ["DICT", "LIST", "SET", "roles_of_builtin", "wrap_builtin"]

LIST, SET, DICT = list, set, dict


def roles_of_builtin(cls: type[Any]) -> tuple[Any, dict[str, str]]:
    """Tell which built-in a class is like, and which methods append, remove and iterate there."""
    like = getattr(cls, "__emulates__", None)
    if like is None:
        like = next((kind for kind in (LIST, SET, DICT) if issubclass(cls, kind)), None)
        if like is None:
            like = _by_duck(cls)
    if like is LIST:
        return LIST, {"appender": "append", "remover": "remove", "iterator": "__iter__"}
    if like is SET:
        return SET, {"appender": "add", "remover": "remove", "iterator": "__iter__"}
    if like is DICT:
        return DICT, {"iterator": "values"}
    return None, {}


def _by_duck(cls: type[Any]) -> Any:
    if "__emulates__" in vars(cls):
        return None
    if hasattr(cls, "append"):
        return LIST
    if hasattr(cls, "add"):
        return SET
    if hasattr(cls, "set"):
        return DICT
    return None


def wrap_builtin(cls: type[Any], kind: Any, skip: set[str]) -> None:
    """Replace the mutators of a collection class by reporting ones, where it has them."""
    for name, wrapper in mutators.WRAPPERS.get(kind, {}).items():
        method = getattr(cls, name, None)
        if method is None or name in skip or getattr(method, "_collection_instrumented", False):
            continue
        made = wraps(method)(wrapper(method))
        made._collection_instrumented = True  # type: ignore[attr-defined]
        for mark in ("role", "before", "after"):
            if hasattr(method, "_collection_" + mark):
                setattr(made, "_collection_" + mark, getattr(method, "_collection_" + mark))
        setattr(cls, name, made)
