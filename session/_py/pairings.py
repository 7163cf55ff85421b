"""Children beside their parents, out of the same rows: joined eager loading.  Pure Python reference version.

In: the parents that a row loader has made of a chunk of rows, and these rows.  A *pairing* has the nested loader that
makes the related objects of the same rows, and puts these into the attribute of each parent that has no value for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.util import warn

from session.constants import INSTANCE_STATE

__all__ = ["CollectionPairing", "ScalarPairing", "set_collection"]

Processor = Callable[[Any], Any]
Rows = Sequence[Sequence[Any]]


class _Pairing:
    """A relationship that is loaded from the same rows as its parent.

    :param key: the relationship's name.
    :param loader: the loader of the related objects in those rows.
    """

    __slots__ = ("key", "loader", "needs_unique")
    unique = False

    def __init__(self, key: str, loader: Any) -> None:
        self.key = key
        self.loader = loader
        self.needs_unique = self.unique

    def bind(self, processors: Sequence[Processor | None]) -> None:
        """Take the result processors of the compiled statement."""
        self.loader.bind(processors)
        self.needs_unique = self.unique or self.loader.needs_unique


class ScalarPairing(_Pairing):
    """Puts one related object beside each parent."""

    __slots__ = ()

    def pair(self, context: Any, parents: Sequence[Any], rows: Rows) -> None:
        """Set the attribute of each parent that has no value for it yet."""
        key = self.key
        children = self.loader.load(context, rows)
        seen = context.gathered(self)
        for parent, child in zip(parents, children, strict=False):
            if parent is None:
                continue
            dict_ = parent.__dict__
            number = id(parent)
            if number in seen:
                if seen[number] and dict_.get(key) is not child and child is not None:
                    seen[number] = None
                    warn(
                        f"{type(parent).__name__}.{key} holds one object (uselist=False), but its eager load returned "
                        "several rows; the first was kept. Make the relationship a collection, or its join unique."
                    )
                continue
            if key in dict_ or changed(dict_, key):
                seen[number] = None
                continue
            seen[number] = parent
            dict_[key] = child
            state = dict_[INSTANCE_STATE]
            if state.expired_keys is not None:
                state.unexpire((key,))
            context.keep(parent)


class CollectionPairing(_Pairing):
    """Puts the list of related objects, without repetition, beside each parent."""

    __slots__ = ()
    unique = True

    def pair(self, context: Any, parents: Sequence[Any], rows: Rows) -> None:
        """Gather the children of each parent whose collection is not loaded yet, and set the collections."""
        key = self.key
        children = self.loader.load(context, rows)
        seen = context.gathered(self)
        fresh: list[Any] = []
        previous: Any = None
        items: dict[int, Any] | None = None
        for parent, child in zip(parents, children, strict=False):
            if parent is not previous:
                previous = parent
                if parent is None:
                    items = None
                    continue
                number = id(parent)
                if number in seen:
                    items = seen[number]
                else:
                    dict_ = parent.__dict__
                    items = None if key in dict_ or changed(dict_, key) else {}
                    seen[number] = items
                    context.keep(parent)
                    if items is not None:
                        fresh.append((parent, items))
            if items is not None and child is not None:
                items[id(child)] = child
        for parent, found in fresh:
            set_collection(parent, key, list(found.values()))


def changed(dict_: dict[str, Any], key: str) -> bool:
    """Tell whether a missing attribute is missing because of a change that was not flushed yet."""
    committed = dict_[INSTANCE_STATE].committed
    return committed is not None and key in committed


def set_collection(parent: Any, key: str, items: list[Any]) -> None:
    """Make a list of objects the loaded value of a collection attribute."""
    dict_ = parent.__dict__
    state = dict_[INSTANCE_STATE]
    state.manager[key].impl.set_committed_value(state, dict_, items)
