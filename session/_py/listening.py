"""The listeners of attribute events, as attribute implementations tell them.  Pure reference version.

Next on the way: ``followers.py``, the listeners of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Listeners"]


class Listeners:
    """The listeners of one event of one attribute, in their order.

    A tuple of them is kept, and made anew once their number changes; who adds a listener makes a new object
    of this class.

    :param collection: the event's collection of listeners in the attribute's dispatch, or any sequence.
    """

    __slots__ = ("inherited", "known", "own")

    def __init__(self, collection: Any) -> None:
        self.own = getattr(collection, "listeners", collection)
        self.inherited = getattr(collection, "parent_listeners", ())
        self.known: tuple[Callable[..., Any], ...] = tuple(self.own)

    def __bool__(self) -> bool:
        return bool(self.own or self.inherited)

    def now(self) -> tuple[Callable[..., Any], ...]:
        """Give the listeners as they are now."""
        if self.inherited:
            return (*self.inherited, *self.own)
        if len(self.own) != len(self.known):
            self.known = tuple(self.own)
        return self.known
