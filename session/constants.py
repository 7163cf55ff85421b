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


class EventConstants(enum.Enum):
    """What a listener is told in place of a value."""

    NO_KEY = 4
    """The object has no key or place in the collection, or none was named."""


NO_KEY: Final = EventConstants.NO_KEY


class PassiveFlag(enum.IntFlag):
    """What a look-up may do, one bit each; and what is asked for together."""

    NO_CHANGE = 0

    CALLABLES_OK = 1
    """Run the attribute's loader."""

    SQL_OK = 2
    """Emit SQL for the object's own columns."""

    RELATED_OBJECT_OK = 4
    """Emit SQL for related objects."""

    INIT_OK = 8
    """Give the empty value when there is none."""

    NON_PERSISTENT_OK = 16
    """Run loaders for an object that has no row yet."""

    LOAD_AGAINST_COMMITTED = 32
    """Use committed foreign keys instead of pending ones."""

    NO_AUTOFLUSH = 64
    """Do not flush before the SELECT."""

    NO_RAISE = 128
    """Ignore a "raise" strategy."""

    DEFERRED_HISTORY_LOAD = 256
    """History may load what a pending change left unread."""

    INCLUDE_PENDING_MUTATIONS = 512
    """Add queued collection changes to a collection that is not loaded."""

    PASSIVE_OFF = CALLABLES_OK | SQL_OK | RELATED_OBJECT_OK | INIT_OK | NON_PERSISTENT_OK
    PASSIVE_RETURN_NO_VALUE = PASSIVE_OFF & ~INIT_OK
    PASSIVE_NO_INITIALIZE = PASSIVE_RETURN_NO_VALUE & ~CALLABLES_OK
    PASSIVE_NO_FETCH = PASSIVE_OFF & ~SQL_OK
    PASSIVE_NO_FETCH_RELATED = PASSIVE_OFF & ~RELATED_OBJECT_OK
    PASSIVE_ONLY_PERSISTENT = PASSIVE_OFF & ~NON_PERSISTENT_OK
    PASSIVE_MERGE = PASSIVE_OFF | NO_RAISE


# The same as plain integers.
CALLABLES_OK: Final[int] = PassiveFlag.CALLABLES_OK.value
SQL_OK: Final[int] = PassiveFlag.SQL_OK.value
RELATED_OBJECT_OK: Final[int] = PassiveFlag.RELATED_OBJECT_OK.value
INIT_OK: Final[int] = PassiveFlag.INIT_OK.value
NON_PERSISTENT_OK: Final[int] = PassiveFlag.NON_PERSISTENT_OK.value
LOAD_AGAINST_COMMITTED: Final[int] = PassiveFlag.LOAD_AGAINST_COMMITTED.value
NO_AUTOFLUSH: Final[int] = PassiveFlag.NO_AUTOFLUSH.value
NO_RAISE: Final[int] = PassiveFlag.NO_RAISE.value
DEFERRED_HISTORY_LOAD: Final[int] = PassiveFlag.DEFERRED_HISTORY_LOAD.value
INCLUDE_PENDING_MUTATIONS: Final[int] = PassiveFlag.INCLUDE_PENDING_MUTATIONS.value

PASSIVE_OFF: Final[int] = PassiveFlag.PASSIVE_OFF.value
PASSIVE_RETURN_NO_VALUE: Final[int] = PassiveFlag.PASSIVE_RETURN_NO_VALUE.value
PASSIVE_NO_INITIALIZE: Final[int] = PassiveFlag.PASSIVE_NO_INITIALIZE.value
PASSIVE_NO_FETCH: Final[int] = PassiveFlag.PASSIVE_NO_FETCH.value
PASSIVE_NO_FETCH_RELATED: Final[int] = PassiveFlag.PASSIVE_NO_FETCH_RELATED.value
PASSIVE_ONLY_PERSISTENT: Final[int] = PassiveFlag.PASSIVE_ONLY_PERSISTENT.value
PASSIVE_MERGE: Final[int] = PassiveFlag.PASSIVE_MERGE.value


class RelationshipDirection(enum.Enum):
    """Which side of a relationship holds the foreign key."""

    ONETOMANY = 1
    MANYTOONE = 2
    MANYTOMANY = 3


class InspectionAttrExtensionType(enum.Enum):
    """What kind of extension an inspectable attribute belongs to."""


class NotExtension(InspectionAttrExtensionType):
    """The kinds that are no extension."""

    NOT_EXTENSION = "not_extension"


ONETOMANY: Final = RelationshipDirection.ONETOMANY
MANYTOONE: Final = RelationshipDirection.MANYTOONE
MANYTOMANY: Final = RelationshipDirection.MANYTOMANY

INSTANCE_STATE: Final = "_sa_instance_state"
"""The key of an instance's state in its ``__dict__``."""

REKEYED: Final = "rekeyed"
"""Noted in a state's extras: the UPDATE of this flush has set its primary key to what SQL makes of it."""

PARTLY_EXPIRED: Final = "partly_expired"
"""Name of the mark on a state that had expired as a whole, and has some of its values again or has been flushed."""

CLASS_MANAGER: Final = "_session_manager_"
"""The name under which a mapped class keeps its manager."""

KNOWN_CLASS_MANAGER: Final = "_sa_class_manager"
"""The name under which tools look for the manager of a mapped class, of this package or of ``sqlalchemy.orm``."""

KNOWN_REGISTRY: Final = "_sa_registry"
"""The name under which tools look for the registry of a declarative base, of this package or of ``sqlalchemy.orm``."""

WAITING: Final = "_session_waiting_"
"""The name under which a class that is declared and not mapped yet keeps what has been read of it."""

PLUGIN: Final = "session"
"""The name under which this package plugs into Core's statements."""
