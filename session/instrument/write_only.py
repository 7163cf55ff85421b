"""Attributes whose collection is never held in the object: only what is added and removed is known, until the flush.

The implementation behind ``lazy="write_only"`` and ``lazy="dynamic"``.  Reading the attribute gives a collection
object that puts questions to the database (``mapping/write_only.py``, ``dynamic.py``); changes are queued here and
stand in the state as the attribute's history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy.exc import InvalidRequestError

from session._accel import attributes as hot
from session.constants import INIT_OK, NO_VALUE, PASSIVE_NO_INITIALIZE, PASSIVE_OFF, SQL_OK
from session.history import History
from session.instrument.base import instance_state

__all__ = ["Changes", "WriteOnlyAttribute"]


class Changes:
    """Objects that were added to and removed from a collection since the last flush, each once, in order."""

    __slots__ = ("added", "deleted")

    def __init__(self) -> None:
        self.added: list[Any] = []
        self.deleted: list[Any] = []

    def add(self, obj: Any) -> None:
        """Note that an object came; if it had left before, nothing has happened."""
        if _index(self.deleted, obj) is not None:
            self.deleted.pop(_index(self.deleted, obj))  # type: ignore[arg-type]
        else:
            self.added.append(obj)

    def remove(self, obj: Any) -> None:
        """Note that an object left; if it had come before, nothing has happened."""
        at = _index(self.added, obj)
        if at is None:
            self.deleted.append(obj)
        else:
            self.added.pop(at)


def _index(objects: list[Any], obj: Any) -> int | None:
    return next((at for at, one in enumerate(objects) if one is obj), None)


class WriteOnlyAttribute(hot.AttributeImpl):
    """The implementation of an attribute whose collection stays in the database.

    :param collection_of: makes, of this implementation and a state, what reading the attribute gives.
    :param iterated: finds the objects that are in the database, for operations that go over all; ``None`` where
        that is not permitted.
    """

    collection = True
    uses_objects = True
    dynamic = True
    supports_population = False
    duplicates = False

    def __init__(
        self,
        class_: type[Any],
        key: str,
        manager: Any,
        dispatch: Any,
        *,
        collection_of: Callable[[Any, Any], Any],
        iterated: Callable[[Any, Any], Iterable[Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(class_, key, manager, dispatch, **options)
        self.collection_of = collection_of
        self.iterated = iterated

    # -- reading -----------------------------------------------------------------------------

    def get(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        """Give the collection object; where no SQL is allowed, the list of the objects added."""
        if not passive & SQL_OK:
            return self.changes(state).added
        return self.collection_of(self, state)

    def get_collection(
        self, state: Any, dict_: dict[str, Any], collection: Any = None, passive: int = PASSIVE_NO_INITIALIZE
    ) -> list[Any]:
        """Give the objects that are known, with those of the database where ``passive`` allows that."""
        history = self.get_history(state, dict_, passive)
        return [*history.added, *history.unchanged]

    def changes(self, state: Any) -> Changes:
        """Give what was added and removed; not kept if that is nothing."""
        committed = state.committed
        found = None if committed is None else committed.get(self.key)
        return found if isinstance(found, Changes) else Changes()

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_NO_INITIALIZE) -> History:
        changes = self.changes(state)
        added, deleted = list(changes.added), list(changes.deleted)
        if not (state.has_identity and passive & INIT_OK and passive & SQL_OK):
            return History(added, [], deleted)
        if self.iterated is None:
            raise InvalidRequestError(
                f"{self.class_.__name__}.{self.key} is write-only, so the objects that it has in the database are not "
                f"loaded for this operation; where a parent is deleted, leave them to the database with "
                f"passive_deletes=True"
            )
        present = list(self.iterated(self, state))
        gone = {id(obj) for obj in deleted}
        new = {id(obj) for obj in added}
        unchanged = [obj for obj in present if id(obj) not in gone and id(obj) not in new]
        return History(added, unchanged, deleted)

    def get_all_pending(
        self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_NO_INITIALIZE
    ) -> list[tuple[Any, Any]]:
        changes = self.changes(state)
        return [(instance_state(obj), obj) for obj in (*changes.added, *changes.deleted)]

    def initialize(self, state: Any, dict_: dict[str, Any]) -> Any:
        return self.collection_of(self, state)

    empty_value = initialize

    # -- changes -----------------------------------------------------------------------------

    def _changing(self, state: Any, dict_: dict[str, Any]) -> Changes:
        changes = self.changes(state)
        state.extra("pending", dict)  # says that a cascade may find something, though the object holds nothing
        state.modified_event(dict_, self.key, changes)
        if state.committed[self.key] is not changes:
            state.own_committed()[self.key] = changes
        return changes

    def fire_append_event(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None) -> Any:
        token = self.append_token if initiator is None else initiator
        for fn in self.dispatch.append:
            value = fn(state, value, token, key=key)
        self._changing(state, dict_).add(value)
        if self.trackparent and value is not None:
            self.sethasparent(instance_state(value), state, True)
        return value

    def fire_remove_event(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None) -> None:
        if self.trackparent and value is not None:
            self.sethasparent(instance_state(value), state, False)
        token = self.remove_token if initiator is None else initiator
        for fn in self.dispatch.remove:
            fn(state, value, token, key=key)
        self._changing(state, dict_).remove(value)

    def append(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        if initiator is None or initiator.parent_token is not self.parent_token:
            self.fire_append_event(state, dict_, value, initiator)

    def remove(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        if initiator is None or initiator.parent_token is not self.parent_token:
            self.fire_remove_event(state, dict_, value, initiator)

    pop = remove

    def set(
        self,
        state: Any,
        dict_: dict[str, Any],
        value: Any,
        initiator: Any = None,
        passive: int = PASSIVE_OFF,
        check_old: Any = None,
        pop: bool = False,
        adapt_value: bool = True,
    ) -> None:
        """Put other objects in place of those that are in the collection.

        :raises InvalidRequestError: the object has a row, and what it has in the database may not be loaded.
        """
        if initiator is not None and initiator.parent_token is self.parent_token:
            return
        if state.has_identity and self.iterated is None:
            raise InvalidRequestError(
                f"{self.class_.__name__}.{self.key} is write-only and cannot be replaced as a whole once the object "
                f"has a row, as that needs the collection to be loaded; use add(), add_all() and remove()"
            )
        items = list(value.values() if hasattr(value, "values") else value)
        present = self.get_collection(state, dict_, None, PASSIVE_OFF)
        before, after = {id(obj) for obj in present}, {id(obj) for obj in items}
        token = self.bulk_replace_token
        for fn in self.dispatch.bulk_replace:
            fn(state, items, token, keys=None)
        for obj in items:
            if id(obj) not in before:
                self.fire_append_event(state, dict_, obj, token)
        for obj in present:
            if id(obj) not in after:
                self.fire_remove_event(state, dict_, obj, token)

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        raise NotImplementedError(f"{self.class_.__name__}.{self.key} cannot be deleted; remove its objects")

    def set_committed_value(self, state: Any, dict_: dict[str, Any], value: Any) -> Any:
        raise InvalidRequestError(
            f"{self.class_.__name__}.{self.key} holds no loaded objects, so none can be loaded along with their parents"
        )

    def get_committed_value(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        return NO_VALUE
