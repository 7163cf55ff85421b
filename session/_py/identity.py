"""The weak identity map of one Session.  Pure Python reference version.

Objects are filed on *shelves*: one dictionary per (identity class, identity token), keyed by the
raw primary key value (a tuple only where the key has several columns).  A loading loop fetches
its shelf once and then pays one dictionary look-up per row, and no key tuple is ever made until
somebody asks for one.  Values are states, which are weak references to the objects.

Next on the way: ``transaction.py``, which restores this map after a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any
from weakref import ref

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import immutabledict

from session.constants import INSTANCE_STATE

__all__ = ["NO_OPTIONS", "IdentityMap", "get"]

NO_OPTIONS: Mapping[str, Any] = immutabledict()

_session_ids = count(1)
_PLAIN_KEYS = frozenset((int, str))


def _no_session() -> None:
    return None


class IdentityMap:
    """Mapping of identity key to object, for the objects that one Session has in the database.

    A key whose object has been garbage collected is as if absent.

    :param session: the owner, held weakly; ``None`` for a map without one.
    """

    __slots__ = ("__weakref__", "_modified", "by_class", "session", "session_id", "shelves")

    def __init__(self, session: Any = None) -> None:
        self.session: Callable[[], Any] = _no_session if session is None else ref(session)
        self.session_id: int = next(_session_ids)
        self.shelves: dict[tuple[Any, Any], dict[Any, Any]] = {}
        self._modified: dict[Any, None] = {}
        #: shelves of the classes with one key column that were asked for by :meth:`remember`
        self.by_class: dict[Any, dict[Any, Any]] = {}

    # -- by class and raw identity -----------------------------------------------------------

    def shelf(self, identity_class: type[Any], token: Any = None) -> dict[Any, Any]:
        """Give the dictionary of states of one class hierarchy, by raw primary key value."""
        key = (identity_class, token)
        try:
            return self.shelves[key]
        except KeyError:
            shelf = self.shelves[key] = {}
            return shelf

    def lookup(self, identity_class: type[Any], ident: Any, token: Any = None) -> Any:
        """Give the live object with that identity, or ``None``."""
        shelf = self.shelves.get((identity_class, token))
        if shelf is None:
            return None
        state = shelf.get(ident)
        return None if state is None else state()

    def remember(self, class_: type[Any], identity_class: type[Any]) -> None:
        """Let :meth:`present` answer for a class that has one key column."""
        self.by_class[class_] = self.shelf(identity_class)

    def present(self, class_: Any, ident: Any) -> Any:
        """Give the object with that key if it can be had without any further question.

        :return: the object; ``None`` if it is not here, is expired, is of a subclass, or the key
            is of a type that has to be looked at more closely.
        """
        if type(ident) not in _PLAIN_KEYS:
            return None
        shelf = self.by_class.get(class_)
        if shelf is None:
            return None
        state = shelf.get(ident)
        if state is None or state.expired:
            return None
        obj = state()
        return obj if type(obj) is class_ else None

    def shelf_of(self, state: Any) -> dict[Any, Any]:
        return self.shelf(state.manager.identity_class, state.identity_token)

    def add(self, state: Any) -> bool:
        """File a state under its key.

        :return: False if it was there already.
        :raises InvalidRequestError: another live object of this map has the same key.
        """
        shelf = self.shelf_of(state)
        ident = state.ident
        present = shelf.get(ident)
        if present is state:
            return False
        if present is not None:
            if present() is not None:
                raise InvalidRequestError(
                    f"Can't attach {state.class_.__name__} object with identity key {state.key!r}: "
                    "another object with this key is already in this Session; use merge() to "
                    "copy on to it, or expunge the other one first."
                )
            present.shelf = None
        shelf[ident] = state
        state.shelf = shelf
        state.home = self
        self._note_modified(state)
        return True

    def replace(self, state: Any) -> Any:
        """File a state under its key in place of whatever is there.

        :return: the state that was there, or ``None``.
        """
        shelf = self.shelf_of(state)
        ident = state.ident
        before = shelf.get(ident)
        shelf[ident] = state
        if before is state:
            before = None
        elif before is not None:
            before.shelf = None
            self._modified.pop(before, None)
            before._strong_obj = None
        state.shelf = shelf
        state.home = self
        self._note_modified(state)
        return before

    def _note_modified(self, state: Any) -> None:
        if state.modified:
            state._strong_obj = state()
            self._modified[state] = None

    def discard(self, state: Any) -> bool:
        """Take a state out; the object stays attached to the Session.

        :return: False if it was not there.
        """
        shelf = state.shelf
        if shelf is None or state.home is not self:
            return False
        ident = state.ident
        if shelf.get(ident) is state:  # filed until the key is out: its __hash__ and __eq__ may fail, or call back
            shelf.pop(ident, None)
        state.shelf = None
        self._modified.pop(state, None)
        return True

    safe_discard = discard

    def file_written(self, states: Iterable[Any]) -> list[Any]:
        """File states under the primary keys that their objects have, now that their rows are written.

        Only where that is plain: one key column that has a value, and the place is free or the state's own.

        :return: the states that were left alone.
        """
        left = []
        manager: Any = None
        key = ""
        shelf: dict[Any, Any] = {}
        for state in states:
            obj = state()
            if obj is None:
                continue
            if state.manager is not manager:
                manager = state.manager
                key = "" if manager.composite_key else manager.mapper.pk_keys[0]
                shelf = self.shelf(manager.identity_class)
            ident = obj.__dict__.get(key) if key else None
            before = state.ident
            if ident is None or state.identity_token is not None:
                left.append(state)
            elif before is None and ident not in shelf:
                shelf[ident] = state
                state.ident = ident
                state.home = self
                state.shelf = shelf
            elif before is not ident or state.shelf is None:
                left.append(state)
        return left

    def discard_deleted(self, states: Iterable[Any], marked: dict[Any, Any], deleted: dict[Any, Any] | None) -> None:
        """Take states out whose rows were deleted.

        :param marked: what the Session has marked for deletion, by state; they leave it.
        :param deleted: where the objects are kept until the transaction ends; ``None`` if there is none.
        """
        for state in states:
            obj = state()
            if deleted is not None and obj is not None:
                deleted[state] = obj
            self.discard(state)
            marked.pop(state, None)
            state._deleted = True

    def contains_state(self, state: Any) -> bool:
        return state.shelf is not None and state.home is self

    def fast_get_state(self, key: tuple[Any, ...]) -> Any:
        """Give the state filed under a full identity key, its object alive or not."""
        token = key[2] if len(key) > 2 else None
        shelf = self.shelves.get((key[0], token))
        if shelf is None:
            return None
        values = key[1]
        found = shelf.get(values[0]) if len(values) == 1 else shelf.get(tuple(values))
        return found

    # -- as a mapping of full keys -----------------------------------------------------------

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        state = self.fast_get_state(key)
        obj = None if state is None else state()
        return default if obj is None else obj

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        obj = self.get(key)
        if obj is None:
            raise KeyError(key)
        return obj

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and len(key) > 1 and self.get(key) is not None

    def has_key(self, key: tuple[Any, ...]) -> bool:
        return key in self

    def __len__(self) -> int:
        return sum(len(shelf) for shelf in self.shelves.values())

    def __bool__(self) -> bool:
        return any(self.shelves.values())

    def all_states(self) -> list[Any]:
        """Give the states of all live objects."""
        return [state for shelf in list(self.shelves.values()) for state in list(shelf.values()) if state() is not None]

    def states_of(self, identity_class: type[Any]) -> list[Any]:
        """Give the states of all live objects of one class hierarchy."""
        return [
            state
            for (class_, _), shelf in list(self.shelves.items())
            if class_ is identity_class
            for state in list(shelf.values())
            if state() is not None
        ]

    def keys(self) -> list[tuple[Any, ...]]:
        return [state.key for state in self.all_states()]

    def values(self) -> list[Any]:
        return [obj for obj in [state() for state in self.all_states()] if obj is not None]

    def items(self) -> list[tuple[tuple[Any, ...], Any]]:
        pairs = [(state.key, state()) for state in self.all_states()]
        return [pair for pair in pairs if pair[1] is not None]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.keys())

    def check_modified(self) -> bool:
        """True if any object of this map has changes that were not flushed."""
        return bool(self._modified)

    # -- all at once -------------------------------------------------------------------------

    def clear(self) -> list[Any]:
        """Detach every state and forget all; give the states that were held."""
        states = [state for shelf in list(self.shelves.values()) for state in list(shelf.values())]
        for state in states:
            state.shelf = None
            state.home = None
            state._strong_obj = None
        self.shelves.clear()
        self.by_class.clear()
        self._modified.clear()
        return states

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        raise NotImplementedError("The identity map is written by its Session; use add() or merge().")

    def __delitem__(self, key: tuple[Any, ...]) -> None:
        raise NotImplementedError("The identity map is written by its Session; use expunge().")

    def add_object(self, obj: Any) -> bool:
        """File an object by the state it carries."""
        return self.add(obj.__dict__[INSTANCE_STATE])


# -- the way in --------------------------------------------------------------------------------


def get(
    self: Any,
    entity: Any,
    ident: Any,
    *,
    options: Sequence[Any] | None = None,
    populate_existing: bool | None = None,
    with_for_update: Any = None,
    identity_token: Any = None,
    execution_options: Mapping[str, Any] = NO_OPTIONS,
    bind_arguments: Mapping[str, Any] | None = None,
) -> Any:
    """Give the object with a primary key, or ``None`` if there is no such row.

    An object that the Session has already is given without any SQL, unless it is expired: then its row is
    loaded, and ``None`` given if that is gone.  Otherwise one SELECT is emitted.

    :param entity: a mapped class or mapper.
    :param ident: the value of the primary key; for a key of several columns a tuple in their order, or a
        dictionary by attribute name.
    :param options: loader options for the SELECT.
    :param populate_existing: load the row in any case, and overwrite what the object has; wins over the
        execution option of that name.
    :param with_for_update: lock the row: ``True``, or keywords for ``Select.with_for_update()``.
    :param identity_token: the token of the identity key, where sharding uses one.
    :param execution_options: options for the SELECT.
    :param bind_arguments: arguments for :meth:`get_bind`.
    :raises InvalidRequestError: ``ident`` has not as many values as the key has columns.
    :raises ArgumentError: ``entity`` is not mapped.
    """
    if execution_options is NO_OPTIONS and not populate_existing and with_for_update is None and identity_token is None:
        found = self.identity_map.present(entity, ident)
        if found is not None:
            return found
    return self._get(
        entity,
        ident,
        options,
        populate_existing,
        with_for_update,
        identity_token,
        execution_options,
        bind_arguments,
    )
