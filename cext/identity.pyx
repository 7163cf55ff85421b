# cython: nonecheck=True
"""The weak identity map of one Session, compiled; ``session/_py/identity.py`` explains it.

Objects are filed on *shelves*: one dictionary per (identity class, identity token), keyed by the
raw primary key value (a tuple only where the key has several columns).  A loading loop fetches
its shelf once and then pays one dictionary look-up per row, and no key tuple is ever made until
somebody asks for one.  Values are states, which are weak references to the objects.

Next on the way: ``transaction.py``, which restores this map after a rollback.
"""

cimport cython

from itertools import count
from weakref import ref

from cpython.dict cimport PyDict_Contains, PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject

from session._cy.state cimport InstanceState, instance_dict, live_object

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import immutabledict

from session.constants import INSTANCE_STATE

__all__ = ["NO_OPTIONS", "IdentityMap", "get"]

NO_OPTIONS = immutabledict()

_session_ids = count(1)


def _no_session():
    return None


cdef class IdentityMap:
    """Mapping of identity key to object, for the objects that one Session has in the database.

    A key whose object has been garbage collected is as if absent.

    :param session: the owner, held weakly; ``None`` for a map without one.
    """

    def __init__(self, session=None):
        self.session = _no_session if session is None else ref(session)
        self.session_id = next(_session_ids)
        self.shelves = {}
        self._modified = {}
        self.by_class = {}

    # -- by class and raw identity -----------------------------------------------------------

    cpdef dict shelf(self, identity_class, token=None):
        """Give the dictionary of states of one class hierarchy, by raw primary key value."""
        key = (identity_class, token)
        cdef dict shelves = self.shelves
        try:
            return shelves[key]
        except KeyError:
            shelf = shelves[key] = {}
            return shelf

    def lookup(self, identity_class, ident, token=None):
        """Give the live object with that identity, or ``None``."""
        cdef dict shelves = self.shelves
        shelf = shelves.get((identity_class, token))
        if shelf is None:
            return None
        state = shelf.get(ident)
        return None if state is None else live_object(state)

    def remember(self, class_, identity_class):
        """Let ``present`` answer for a class that has one key column."""
        self.by_class[class_] = self.shelf(identity_class)

    cpdef present(self, class_, ident):
        """Give the object with that key if it can be had without any further question.

        :return: the object; ``None`` if it is not here, is expired, is of a subclass, or the key
            is of a type that has to be looked at more closely.
        """
        cdef PyObject *found
        cdef InstanceState state
        cdef dict by_class = self.by_class, shelf
        if type(ident) is not int and type(ident) is not str:
            return None
        if by_class is None:
            raise TypeError("this identity map was not initialised")
        found = PyDict_GetItemWithError(by_class, class_)
        if found is NULL:
            return None
        shelf = <dict?><object>found  # a reference of our own: the keys on a shelf may be the user's
        found = PyDict_GetItemWithError(shelf, ident)
        if found is NULL:
            return None
        state = <InstanceState?><object>found
        if state.expired:
            return None
        obj = live_object(state)
        return obj if type(obj) is class_ else None

    def shelf_of(self, state):
        return self.shelf(state.manager.identity_class, state.identity_token)

    def add(self, state):
        """File a state under its key.

        :return: False if it was there already.
        :raises InvalidRequestError: another live object of this map has the same key.
        """
        shelf = self.shelf_of(state)
        ident = state.ident
        cdef InstanceState present = shelf.get(ident)
        if present is state:
            return False
        if present is not None:
            if live_object(present) is not None:
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

    def replace(self, state):
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

    def _note_modified(self, state):
        if state.modified:
            state._strong_obj = live_object(state)
            self._modified[state] = None

    cpdef bint discard(self, state):
        """Take a state out; the object stays attached to the Session.

        :return: False if it was not there.
        """
        return self.take_out(<InstanceState?>state)

    cdef bint take_out(self, InstanceState state) except -1:
        cdef dict shelf = state.shelf
        cdef dict modified = self._modified
        cdef PyObject *found
        if shelf is None or state.home is not self:
            return False
        ident = state.ident
        found = PyDict_GetItemWithError(shelf, ident)
        if found == <PyObject*>state:  # filed until the key is out: its __hash__ and __eq__ may fail, or call back
            shelf.pop(ident, None)
        state.shelf = None
        if state in modified:
            del modified[state]
        return True

    def file_written(self, states):
        """File states under the primary keys that their objects have, now that their rows are written."""
        cdef list left = []
        cdef object manager = None
        cdef object key = None
        cdef dict shelf = None
        cdef PyObject *found
        cdef InstanceState state
        for state in states:
            obj = live_object(state)
            if obj is None:
                continue
            if state.manager is not manager:
                manager = state.manager
                key = None if manager.composite_key else manager.mapper.pk_keys[0]
                shelf = self.shelf(manager.identity_class)
            found = NULL if key is None else PyDict_GetItemWithError(instance_dict(obj), key)
            ident = None if found is NULL else <object>found
            if ident is None or state.identity_token is not None:
                left.append(state)
            elif state.ident is None and not PyDict_Contains(shelf, ident):
                PyDict_SetItem(shelf, ident, state)
                state.ident = ident
                state.home = self
                state.shelf = shelf
            elif state.ident is not ident or state.shelf is None:
                left.append(state)
        return left

    def discard_deleted(self, states, dict marked, dict deleted):
        """Take states out whose rows were deleted."""
        cdef InstanceState state
        for state in states:
            obj = live_object(state)
            if deleted is not None and obj is not None:
                deleted[state] = obj
            self.take_out(state)
            if state in marked:
                del marked[state]
            state._deleted = True

    def safe_discard(self, state):
        return self.discard(state)

    def contains_state(self, state):
        return state.shelf is not None and state.home is self

    def fast_get_state(self, key):
        """Give the state filed under a full identity key, its object alive or not."""
        token = key[2] if len(key) > 2 else None
        cdef dict shelves = self.shelves
        shelf = shelves.get((key[0], token))
        if shelf is None:
            return None
        values = key[1]
        found = shelf.get(values[0]) if len(values) == 1 else shelf.get(tuple(values))
        return found

    # -- as a mapping of full keys -----------------------------------------------------------

    def get(self, key, default=None):
        state = self.fast_get_state(key)
        obj = None if state is None else live_object(state)
        return default if obj is None else obj

    def __getitem__(self, key):
        obj = self.get(key)
        if obj is None:
            raise KeyError(key)
        return obj

    def __contains__(self, key):
        return isinstance(key, tuple) and len(key) > 1 and self.get(key) is not None

    def has_key(self, key):
        return key in self

    def __len__(self):
        return sum(len(shelf) for shelf in self.shelves.values())

    def __bool__(self):
        return any(self.shelves.values())

    def all_states(self):
        """Give the states of all live objects."""
        return [
            state
            for shelf in list(self.shelves.values())
            for state in list(shelf.values())
            if live_object(state) is not None
        ]

    def states_of(self, identity_class):
        """Give the states of all live objects of one class hierarchy."""
        return [
            state
            for (class_, _), shelf in list(self.shelves.items())
            if class_ is identity_class
            for state in list(shelf.values())
            if live_object(state) is not None
        ]

    def keys(self):
        return [state.key for state in self.all_states()]

    def values(self):
        return [obj for obj in [live_object(state) for state in self.all_states()] if obj is not None]

    def items(self):
        pairs = [(state.key, live_object(state)) for state in self.all_states()]
        return [pair for pair in pairs if pair[1] is not None]

    def __iter__(self):
        return iter(self.keys())

    def check_modified(self):
        """True if any object of this map has changes that were not flushed."""
        return bool(self._modified)

    # -- all at once -------------------------------------------------------------------------

    def clear(self):
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

    def __setitem__(self, key, value):
        raise NotImplementedError("The identity map is written by its Session; use add() or merge().")

    def __delitem__(self, key):
        raise NotImplementedError("The identity map is written by its Session; use expunge().")

    def add_object(self, obj):
        """File an object by the state it carries."""
        return self.add(obj.__dict__[INSTANCE_STATE])


# -- the way in --------------------------------------------------------------------------------


@cython.binding(True)  # it becomes a method of the Session
def get(
    self,
    entity,
    ident,
    *,
    options=None,
    populate_existing=None,
    with_for_update=None,
    identity_token=None,
    execution_options=NO_OPTIONS,
    bind_arguments=None,
):
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
    cdef IdentityMap home
    if execution_options is NO_OPTIONS and not populate_existing and with_for_update is None and identity_token is None:
        home = self.identity_map
        found = home.present(entity, ident)
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
