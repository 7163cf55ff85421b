"""What happened to one attribute since the last flush: the ``History`` triple.

Built by the attribute implementations, read by the unit of work and by users through
``inspect(obj).attrs.name.history``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["HISTORY_BLANK", "History"]


class History(NamedTuple):
    """Values added, unchanged and deleted, each a sequence; all empty when nothing is loaded."""

    added: Sequence[Any]
    unchanged: Sequence[Any]
    deleted: Sequence[Any]

    def __bool__(self) -> bool:
        return self != HISTORY_BLANK

    def empty(self) -> bool:
        """True if there is neither a change nor an unchanged value."""
        return not (self.added or self.deleted or self.unchanged)

    def sum(self) -> Sequence[Any]:
        """All values: added, unchanged, deleted."""
        return [*self.added, *self.unchanged, *self.deleted]

    def non_deleted(self) -> Sequence[Any]:
        """The values that are there now: added, unchanged."""
        return [*self.added, *self.unchanged]

    def non_added(self) -> Sequence[Any]:
        """The values as of the last flush: unchanged, deleted."""
        return [*self.unchanged, *self.deleted]

    def has_changes(self) -> bool:
        """True if anything was added or deleted."""
        return bool(self.added or self.deleted)

    def as_state(self) -> History:
        """The same triple with the states of the objects in place of the objects."""
        return History(
            *(
                [
                    None if o is None else o.__dict__.get("_sa_instance_state", o) if hasattr(o, "__dict__") else o
                    for o in part
                ]
                for part in self
            )
        )


HISTORY_BLANK = History((), (), ())
