"""Instance state: what the ORM knows about one mapped object.  Pure Python reference version.

An ``InstanceState`` *is* the weak reference to its object: one allocation serves as bookkeeping
and as weak reference, and the object's death reaches the identity map through the reference's
own callback.  Everything that most objects never need (queued collection changes, orphan
tracking, per-object loaders, user info) lives in one lazily made ``extras`` dictionary.

What comes in: changes reported by attributes, loads, expiry.  What goes out: the set of modified
states of a Session's identity map (``IdentityMap._modified``), from which a flush starts.
Next on the way: ``_py/identity.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from weakref import ref

from sqlalchemy.exc import InvalidRequestError

from session._py.histories import kept_copy, remember_known
from session.constants import (
    ATTR_WAS_SET,
    CALLABLES_OK,
    NO_VALUE,
    PARTLY_EXPIRED,
    PASSIVE_NO_RESULT,
    SQL_OK,
)
from session.exc import ObjectDereferencedError

__all__ = ["InstanceState"]

# The class below has a property called "dict", so its annotations go by these names.
Values: TypeAlias = dict[str, Any]
AnyValues: TypeAlias = dict[Any, Any]
Shelf: TypeAlias = "dict[Any, InstanceState]"


def _collected(state: InstanceState) -> None:
    """The object is gone: take its entry out of the identity map it was in."""
    shelf = state.shelf
    if shelf is None:
        return
    state.shelf = None
    ident = state.ident
    if shelf.get(ident) is state:
        del shelf[ident]


class InstanceState(ref[Any]):
    """The state of one mapped object, and the weak reference to it.

    ``state()`` gives the object, or ``None`` once it has been collected.

    :param obj: the mapped instance.
    :param manager: the class manager of its class.
    """

    __slots__ = (
        "_deleted",
        "_first_parent",
        "_first_token",
        "_strong_obj",
        "committed",
        "expired",
        "expired_keys",
        "extras",
        "home",
        "ident",
        "identity_token",
        "insert_order",
        "load_options",
        "load_path",
        "manager",
        "modified",
        "run_id",
        "shelf",
    )

    is_instance = True
    is_mapper = is_selectable = is_aliased_class = False
    is_attribute = is_property = is_clause_element = is_bundle = False

    def __new__(cls, obj: Any, manager: Any) -> InstanceState:
        return ref.__new__(cls, obj, _collected)

    def __init__(self, obj: Any, manager: Any) -> None:
        ref.__init__(self, obj, _collected)  # type: ignore[call-arg]
        self.manager = manager
        self.ident: Any = None
        self.identity_token: Any = None
        self.home: Any = None
        self.shelf: Shelf | None = None
        self.committed: Values | None = None
        self.expired_keys: Any = None
        self.expired = False
        self.modified = False
        self._deleted = False
        self._strong_obj: Any = None
        self.insert_order = 0
        self.load_options: Any = None
        self.load_path: Any = None
        self.run_id = 0
        self.extras: Values | None = None
        self._first_token: Any = None
        self._first_parent: Any = None

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return f"<InstanceState of {self.class_.__name__} at {id(self):#x}, key {self.key!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.manager.restore_state, self.manager.dump_state(self))

    def __copy__(self) -> InstanceState:
        return self

    # -- what it belongs to ------------------------------------------------------------------

    def obj(self) -> Any:
        """Give the object, or ``None`` once it has been collected."""
        return self()

    @property
    def object(self) -> Any:
        """The object, or ``None`` once it has been collected."""
        return self()

    @property
    def class_(self) -> type[Any]:
        """The mapped class of the object."""
        return self.manager.class_  # type: ignore[no-any-return]

    @property
    def mapper(self) -> Any:
        """The mapper of the object's class."""
        return self.manager.mapper

    @property
    def dict(self) -> Values:
        """The object's ``__dict__``; an empty dictionary once the object is gone."""
        obj = self()
        return {} if obj is None else obj.__dict__

    @property
    def session(self) -> Any:
        """The Session that the object is attached to, or ``None``."""
        home = self.home
        return None if home is None else home.session()

    @property
    def session_id(self) -> int | None:
        """The number of the Session that the object is attached to, or ``None``."""
        home = self.home
        return None if home is None else home.session_id

    @property
    def async_session(self) -> Any:
        """The ``AsyncSession`` that the object is attached to, or ``None``; see ``session.ext.asyncio``."""
        session = self.session
        return None if session is None else session._async_session()

    # -- identity ----------------------------------------------------------------------------

    @property
    def key(self) -> tuple[Any, ...] | None:
        """The identity key ``(class, primary key, token)``, or ``None`` without identity."""
        ident = self.ident
        if ident is None:
            return None
        manager = self.manager
        values = ident if manager.composite_key else (ident,)
        return (manager.identity_class, values, self.identity_token)

    @key.setter
    def key(self, value: tuple[Any, ...] | None) -> None:
        if value is None:
            self.ident = None
            self.identity_token = None
            return
        values = value[1]
        self.ident = tuple(values) if self.manager.composite_key else values[0]
        self.identity_token = value[2] if len(value) > 2 else None

    @property
    def identity_key(self) -> tuple[Any, ...] | None:
        """The identity key, by its other name."""
        return self.key

    @property
    def identity(self) -> tuple[Any, ...] | None:
        """The primary key as a tuple, or ``None`` without identity."""
        ident = self.ident
        if ident is None:
            return None
        return ident if self.manager.composite_key else (ident,)

    @property
    def has_identity(self) -> bool:
        """True if the object has an identity key: it has, or had, a row."""
        return self.ident is not None

    # -- life cycle --------------------------------------------------------------------------

    @property
    def transient(self) -> bool:
        """True for an object that has no row and is in no Session."""
        return self.ident is None and self.session is None

    @property
    def pending(self) -> bool:
        """True for an object that the next flush of its Session inserts."""
        return self.ident is None and self.session is not None

    @property
    def deleted(self) -> bool:
        """True for an object whose row a flush has deleted in a transaction that is not over."""
        return self.ident is not None and self._deleted and self.session is not None

    @property
    def was_deleted(self) -> bool:
        """True once a flush has deleted the row, also after the object was detached."""
        return self._deleted

    @property
    def persistent(self) -> bool:
        """True for an object that has a row and is in a Session."""
        return self.ident is not None and not self._deleted and self.session is not None

    @property
    def detached(self) -> bool:
        """True for an object that has a row and is in no Session."""
        return self.ident is not None and self.session is None

    # -- extras ------------------------------------------------------------------------------

    def extra(self, name: str, make: Callable[[], Any]) -> Any:
        """Give the named rarely used part, made by ``make`` at first use."""
        extras = self.extras
        if extras is None:
            extras = self.extras = {}
        try:
            return extras[name]
        except KeyError:
            value = extras[name] = make()
            return value

    def peek(self, name: str) -> Any:
        """Give the named part, or ``None`` where it was never needed."""
        extras = self.extras
        return None if extras is None else extras.get(name)

    @property
    def info(self) -> AnyValues:
        """Notes of the user on the object; a dictionary made at first use."""
        return self.extra("info", dict)  # type: ignore[no-any-return]

    @property
    def parents(self) -> AnyValues:
        """By the ``id`` of what identifies a tracked relationship: the parent's state, ``False`` after removal."""
        found = {} if self._first_token is None else {id(self._first_token): self._first_parent}
        found.update(self.peek("parents") or ())
        return found

    def parent_by(self, token: Any) -> Any:
        """Give the parent's state by a tracked relationship, ``False`` after removal, ``None`` if none was noted.

        :param token: what identifies the relationship.
        """
        if self._first_token is token:
            return self._first_parent
        others = self.peek("parents")
        return None if others is None else others.get(id(token))

    def note_parent(self, token: Any, parent: Any) -> None:
        """Note the parent's state by a tracked relationship, or ``False`` for its removal."""
        # most objects have one parent: the first costs no dictionary
        if self._first_token is None:
            self._first_token = token
        if self._first_token is token:
            self._first_parent = parent
        else:
            self.extra("parents", dict)[id(token)] = parent

    def forget_parents(self) -> None:
        """Forget which parents were gained and lost: the rows say who belongs to whom."""
        self._first_token = self._first_parent = None
        if self.extras is not None:
            self.extras.pop("parents", None)

    @property
    def callables(self) -> Values:
        """Loaders that only this object has, by attribute key."""
        return self.extra("callables", dict)  # type: ignore[no-any-return]

    @property
    def _pending_mutations(self) -> Values:
        """Changes queued for collections that are not loaded, by attribute key."""
        return self.extra("pending", dict)  # type: ignore[no-any-return]

    # -- attributes --------------------------------------------------------------------------

    @property
    def committed_state(self) -> Values:
        """Values as of the last flush or load, for the attributes that changed since."""
        committed = self.committed
        return {} if committed is None else committed

    @property
    def expired_attributes(self) -> Any:
        """Keys of the attributes that were expired and have not been loaded since."""
        if self.expired:
            return frozenset(self.manager.keys_tuple).difference(self.dict)
        keys = self.expired_keys
        return frozenset() if keys is None else keys

    @property
    def attrs(self) -> Any:
        """One ``AttributeState`` per mapped attribute, by key."""
        return self.manager.attribute_states(self)

    @property
    def unloaded(self) -> set[str]:
        """Keys of the attributes that have neither a value nor a pending change."""
        dict_ = self.dict
        committed = self.committed or ()
        return {key for key in self.manager if key not in committed and key not in dict_}

    @property
    def unloaded_expirable(self) -> set[str]:
        """The same as :attr:`unloaded`."""
        return self.unloaded

    @property
    def unmodified(self) -> set[str]:
        """Keys of the attributes that have no pending change."""
        return set(self.manager).difference(self.committed or ())

    def unmodified_intersection(self, keys: Iterable[str]) -> set[str]:
        """Give those of some keys whose attributes have no pending change."""
        return set(keys).intersection(self.manager).difference(self.committed or ())

    def get_history(self, key: str, passive: int) -> Any:
        """Give what changed in an attribute since the last flush, loading as far as ``passive`` allows."""
        return self.manager[key].impl.get_history(self, self.dict, passive)

    def get_impl(self, key: str) -> Any:
        """Give the implementation of an attribute."""
        return self.manager[key].impl

    # -- changes -----------------------------------------------------------------------------

    def modified_event(self, dict_: Values, key: str, previous: Any, copier: Any = None) -> None:
        """Note that an attribute is about to change; its old value is kept, once.

        :param dict_: the object's ``__dict__``.
        :param previous: the value before the change, ``NO_VALUE`` where there was none.
        :param copier: makes the copy of a collection that is kept; called only when needed.
        :raises ObjectDereferencedError: the object has been collected already.
        """
        committed = self.committed
        if committed is None:
            committed = self.committed = {}
        if key not in committed:
            if copier is not None:
                previous = kept_copy(dict_, key, previous, copier)
            committed[key] = previous
        if not self.modified or (self._strong_obj is None and self.home is not None):
            self.mark_modified(key)

    def _modified_event(
        self, dict_: Values, attr: Any, previous: Any, collection: bool = False, is_userland: bool = False
    ) -> None:
        """Do what ``flag_modified()`` of ``sqlalchemy.orm`` asks for: ``sqlalchemy.ext`` has no other.

        :raises InvalidRequestError: the attribute has no value in the object.
        """
        key = attr.key
        if key not in dict_:
            raise InvalidRequestError(
                f"Can't flag attribute {key!r} as modified: it is not in the object; read it first"
            )
        self.modified_event(dict_, key, NO_VALUE)
        self.own_committed()[key] = NO_VALUE

    def own_committed(self) -> Values:
        """Give the dictionary of old values to be changed; ``committed`` is to be read only."""
        committed = self.committed
        if committed is None:
            committed = self.committed = {}
        return committed

    def mark_modified(self, key: str | None = None) -> None:
        """Join the modified objects of the Session, which then holds this one strongly."""
        obj = self()
        if obj is None:
            raise ObjectDereferencedError(
                f"Attribute {key!r} of a {self.class_.__name__} object changed after the object "
                "itself was garbage collected; keep a reference to it until the Session flushes."
            )
        self.modified = True
        home = self.home
        if home is None:
            return
        session = home.session()
        if session is None:
            return
        self._strong_obj = obj
        if self.shelf is not None:
            home._modified[self] = None
        if session._transaction is None:
            session._autobegin_for_change()

    def _leave_modified(self) -> None:
        self.modified = False
        self._strong_obj = None
        home = self.home
        if home is not None:
            home._modified.pop(self, None)

    def commit(self, dict_: Values, keys: Iterable[str]) -> None:
        """Forget the history of some attributes: their present values are the committed ones."""
        committed = self.committed
        if committed:
            for key in keys:
                committed.pop(key, None)
        queued = self.peek("pending")
        if queued:
            for key in keys:
                if key in dict_:
                    queued.pop(key, None)
        self.unexpire([key for key in keys if key in dict_])

    def commit_all(self, dict_: Values) -> None:
        """Forget the history of all attributes; the object is unmodified from here on."""
        self.committed = None
        extras = self.extras
        if extras is not None:
            extras.pop("pending", None)
        if self.expired_keys is not None:
            self.unexpire(dict_)
            if self.expired and self.expired_keys is not None and self.load_options is not None:
                self.extra(PARTLY_EXPIRED, lambda: True)
        self.expired = False
        if self.modified or self._strong_obj is not None:
            self._leave_modified()

    def merge_expired(self, keys: Iterable[str]) -> None:
        """Add keys to those that the next read loads, without touching their values."""
        before = self.expired_keys
        self.expired_keys = frozenset(keys) if before is None else before.union(keys)

    def unexpire(self, keys: Iterable[str]) -> None:
        """Take keys out of the expired ones: they have their values."""
        expired = self.expired_keys
        if expired is None:
            return
        left = expired.difference(keys)
        self.expired_keys = left or None

    def expire(self, dict_: Values) -> None:
        """Forget values and changes of all mapped attributes; the next read loads the row."""
        manager = self.manager
        self.committed = None
        self.expired = True
        if self.modified or self._strong_obj is not None:
            self._leave_modified()
        if self._first_token is not None:
            self.forget_parents()
        extras = self.extras
        if extras is not None:
            extras.pop("pending", None)
            extras.pop("empty", None)
            extras.pop("callables", None)
            if "last_known" in extras:
                remember_known(extras["last_known"], dict_)
        self.expired_keys = manager.expirable
        for key in manager.collection_keys:
            if key in dict_:
                manager.invalidate_collection(dict_[key])
        if len(dict_) > 1:
            for key in manager.keys_tuple:
                if key in dict_:
                    del dict_[key]
        if manager.expire_listened:
            manager.dispatch.expire(self, None)

    def expire_attributes(self, dict_: Values, keys: Iterable[str], no_loader: bool = False) -> None:
        """Forget values and changes of some attributes.

        :param no_loader: leave attributes that have a loader of their own out of the next
            refresh of the row; they load when they are read.
        """
        manager = self.manager
        keys = list(keys)
        known = self.peek("last_known")
        if known:
            remember_known(known, dict_)
        queued = self.peek("pending")
        callables = self.peek("callables")
        empty = self.peek("empty")
        committed = self.committed
        row_keys = []
        for key in keys:
            impl = manager[key].impl
            if impl is None:
                continue
            if impl.accepts_row_loader or _is_own_column(impl):
                has_loader = impl.loader is not None or (callables is not None and key in callables)
                if not (no_loader and has_loader):
                    row_keys.append(key)
                    if callables is not None:
                        callables.pop(key, None)
            if key in dict_:
                old = dict_.pop(key)
                if impl.collection:
                    manager.invalidate_collection(old)
            if committed is not None:
                committed.pop(key, None)
            if queued:
                queued.pop(key, None)
            if empty:
                empty.pop(key, None)
        if row_keys:
            self.merge_expired(row_keys)
        if manager.expire_listened:
            manager.dispatch.expire(self, keys)

    def load_expired(self, passive: int) -> Any:
        """Load the expired row attributes in one go, as far as ``passive`` allows.

        :return: ``ATTR_WAS_SET`` after a load, ``PASSIVE_NO_RESULT`` if it was not allowed.
        """
        if not passive & SQL_OK or not passive & CALLABLES_OK:
            return PASSIVE_NO_RESULT
        keys = self.expired_keys
        wanted = set(keys) if keys is not None else set()
        if self.committed:
            wanted.difference_update(self.committed)
        found = self.manager.expired_loader(self, wanted, passive)
        if found is ATTR_WAS_SET and keys is not None:
            self.unexpire(keys)
        return found

    # -- coming and going --------------------------------------------------------------------

    def detach(self) -> None:
        """Leave the Session: neither its map nor its modified set know this state any more."""
        home = self.home
        if home is not None:
            home.discard(self)
            home._modified.pop(self, None)
        self.home = None
        self._strong_obj = None

    def reset_identity(self) -> None:
        """Become transient: no identity, not deleted."""
        self.ident = None
        self.identity_token = None
        self._deleted = False


def _is_own_column(impl: Any) -> bool:
    """Tell whether an attribute is a column that is loaded by itself, not with the row."""
    return impl.loader is not None and not impl.uses_objects and not impl.collection
