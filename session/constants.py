"""Markers and flags that every layer shares: what a missing value means, and what a look-up may do.

Nothing is imported from the package here.  The passive flags are plain integers because they
are tested on every attribute access; their names are those of the documented API.
"""

from __future__ import annotations

import enum
from typing import Final


class LoaderCallableStatus(enum.Enum):
    """What an attribute's loader, or a look-up, says when it has no plain value to give."""

    PASSIVE_NO_RESULT = 0
    """The flags forbade the step that would have found the value."""

    PASSIVE_CLASS_MISMATCH = 1
    """The identity map holds an object of another class under that key."""

    ATTR_WAS_SET = 2
    """The loader has put the value into the object's dictionary itself."""

    ATTR_EMPTY = 3
    """The loader was not in a position to load; the attribute takes its empty value."""

    NO_VALUE = 4
    """There is no value, and none was looked for."""

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        return True


PASSIVE_NO_RESULT: Final = LoaderCallableStatus.PASSIVE_NO_RESULT
PASSIVE_CLASS_MISMATCH: Final = LoaderCallableStatus.PASSIVE_CLASS_MISMATCH
ATTR_WAS_SET: Final = LoaderCallableStatus.ATTR_WAS_SET
ATTR_EMPTY: Final = LoaderCallableStatus.ATTR_EMPTY
NO_VALUE: Final = LoaderCallableStatus.NO_VALUE
NEVER_SET: Final = NO_VALUE


class _Unset(enum.Enum):
    """The marker for "argument not given" where ``None`` is a value."""

    UNSET = 0

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset.UNSET

# What a look-up may do, one bit each.
CALLABLES_OK: Final = 1  # run the attribute's loader
SQL_OK: Final = 2  # emit SQL for the object's own columns
RELATED_OBJECT_OK: Final = 4  # emit SQL for related objects
INIT_OK: Final = 8  # give the empty value when there is none
NON_PERSISTENT_OK: Final = 16  # run loaders for an object that has no row yet
LOAD_AGAINST_COMMITTED: Final = 32  # use committed foreign keys instead of pending ones
NO_AUTOFLUSH: Final = 64  # do not flush before the SELECT
NO_RAISE: Final = 128  # ignore a "raise" strategy
DEFERRED_HISTORY_LOAD: Final = 256  # history may load what a pending change left unread
INCLUDE_PENDING_MUTATIONS: Final = 512  # add queued collection changes to a collection not loaded

PASSIVE_OFF: Final = CALLABLES_OK | SQL_OK | RELATED_OBJECT_OK | INIT_OK | NON_PERSISTENT_OK
PASSIVE_RETURN_NO_VALUE: Final = PASSIVE_OFF & ~INIT_OK
PASSIVE_NO_INITIALIZE: Final = PASSIVE_RETURN_NO_VALUE & ~CALLABLES_OK
PASSIVE_NO_FETCH: Final = PASSIVE_OFF & ~SQL_OK
PASSIVE_NO_FETCH_RELATED: Final = PASSIVE_OFF & ~RELATED_OBJECT_OK
PASSIVE_ONLY_PERSISTENT: Final = PASSIVE_OFF & ~NON_PERSISTENT_OK
PASSIVE_MERGE: Final = PASSIVE_OFF | NO_RAISE


class RelationshipDirection(enum.Enum):
    """Which side of a relationship holds the foreign key."""

    ONETOMANY = 1
    MANYTOONE = 2
    MANYTOMANY = 3


ONETOMANY: Final = RelationshipDirection.ONETOMANY
MANYTOONE: Final = RelationshipDirection.MANYTOONE
MANYTOMANY: Final = RelationshipDirection.MANYTOMANY

INSTANCE_STATE: Final = "_sa_instance_state"
"""The key of an instance's state in its ``__dict__``."""

CLASS_MANAGER: Final = "_session_manager_"
"""The name under which a mapped class keeps its manager."""

PLUGIN: Final = "session"
"""The name under which this package plugs into Core's statements."""
