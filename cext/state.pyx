# cython: nonecheck=True
"""Instance state, compiled; the reference version and its explanation are ``session/_py/state.py``.

The state is a C-level subclass of ``weakref.ReferenceType``.  Its callback, shared by all states,
is put in place after the base class has made the reference: the base would take the second
argument, the manager, for a callback.
"""

from cpython.dict cimport PyDict_Contains, PyDict_DelItem, PyDict_GetItemWithError
from cpython.object cimport Py_EQ, Py_NE, PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from sqlalchemy.exc import InvalidRequestError

from session._cy.histories cimport FreshHistory, kept_copy, remember_known

from session.constants import (
    ATTR_WAS_SET as _ATTR_WAS_SET,
    CALLABLES_OK,
    NO_VALUE as _NO_VALUE,
    PARTLY_EXPIRED as _PARTLY_EXPIRED,
    PASSIVE_NO_RESULT as _PASSIVE_NO_RESULT,
    SQL_OK,
)
from session.exc import ObjectDereferencedError

__all__ = ["InstanceState"]

cdef object ATTR_WAS_SET = _ATTR_WAS_SET
cdef object NO_VALUE = _NO_VALUE
cdef object PARTLY_EXPIRED = _PARTLY_EXPIRED
cdef object PASSIVE_NO_RESULT = _PASSIVE_NO_RESULT
cdef long MAY_SQL = SQL_OK
cdef long MAY_CALL = CALLABLES_OK


def _collected(InstanceState state not None):
    """The object is gone: take its entry out of the identity map it was in."""
    cdef dict shelf = state.shelf
    if shelf is None:
        return
    state.shelf = None
    ident = state.ident
    if shelf.get(ident) is state:
        del shelf[ident]


cdef object collected_callback = _collected


cdef class InstanceState(ReferenceType):
    """The state of one mapped object, and the weak reference to it.

    ``state()`` gives the object, or ``None`` once it has been collected.

    :param obj: the mapped instance.
    :param manager: the class manager of its class.
    """

    is_instance = True
    is_mapper = is_selectable = is_aliased_class = False
    is_attribute = is_property = is_clause_element = is_bundle = False

    def __cinit__(self, obj, manager):
        cdef PyWeakReference *reference = <PyWeakReference*><PyObject*>self
        cdef PyObject *before = reference.wr_callback
        Py_INCREF(collected_callback)
        reference.wr_callback = <PyObject*>collected_callback
        if before is not NULL:
            Py_DECREF(<object>before)
        self.manager = manager

    def __init__(self, obj, manager):
        pass

    def __hash__(self):
        return <Py_hash_t>((<size_t><PyObject*>self) >> 4)

    def __richcmp__(self, other, int op):
        if op == Py_EQ:
            return self is other
        if op == Py_NE:
            return self is not other
        return NotImplemented

    def __repr__(self):
        return f"<InstanceState of {self.class_.__name__} at {id(self):#x}, key {self.key!r}>"

    def __reduce__(self):
        return (self.manager.restore_state, self.manager.dump_state(self))

    def __copy__(self):
        return self

    # -- what it belongs to ------------------------------------------------------------------

    def obj(self):
        """Give the object, or ``None`` once it has been collected."""
        return live_object(self)

    @property
    def object(self):
        """The object, or ``None`` once it has been collected."""
        return live_object(self)

    @property
    def class_(self):
        """The mapped class of the object."""
        return self.manager.class_

    @property
    def mapper(self):
        """The mapper of the object's class."""
        return self.manager.mapper

    @property
    def dict(self):
        """The object's ``__dict__``; an empty dictionary once the object is gone."""
        obj = live_object(self)
        return {} if obj is None else instance_dict(obj)

    @property
    def session(self):
        """The Session that the object is attached to, or ``None``."""
        home = self.home
        return None if home is None else home.session()

    @property
    def session_id(self):
        """The number of the Session that the object is attached to, or ``None``."""
        home = self.home
        return None if home is None else home.session_id

    @property
    def async_session(self):
        """The ``AsyncSession`` that the object is attached to, or ``None``; see ``session.ext.asyncio``."""
        session = self.session
        return None if session is None else session._async_session()

    # -- identity ----------------------------------------------------------------------------

    @property
    def key(self):
        """The identity key ``(class, primary key, token)``, or ``None`` without identity."""
        ident = self.ident
        if ident is None:
            return None
        manager = self.manager
        values = ident if manager.composite_key else (ident,)
        return (manager.identity_class, values, self.identity_token)

    @key.setter
    def key(self, value):
        if value is None:
            self.ident = None
            self.identity_token = None
            return
        values = value[1]
        self.ident = tuple(values) if self.manager.composite_key else values[0]
        self.identity_token = value[2] if len(value) > 2 else None

    @property
    def identity_key(self):
        """The identity key, by its other name."""
        return self.key

    @property
    def identity(self):
        """The primary key as a tuple, or ``None`` without identity."""
        ident = self.ident
        if ident is None:
            return None
        return ident if self.manager.composite_key else (ident,)

    @property
    def has_identity(self):
        """True if the object has an identity key: it has, or had, a row."""
        return self.ident is not None

    # -- life cycle --------------------------------------------------------------------------

    @property
    def transient(self):
        """True for an object that has no row and is in no Session."""
        return self.ident is None and self.session is None

    @property
    def pending(self):
        """True for an object that the next flush of its Session inserts."""
        return self.ident is None and self.session is not None

    @property
    def deleted(self):
        """True for an object whose row a flush has deleted in a transaction that is not over."""
        return self.ident is not None and self._deleted and self.session is not None

    @property
    def was_deleted(self):
        """True once a flush has deleted the row, also after the object was detached."""
        return self._deleted

    @property
    def persistent(self):
        """True for an object that has a row and is in a Session."""
        return self.ident is not None and not self._deleted and self.session is not None

    @property
    def detached(self):
        """True for an object that has a row and is in no Session."""
        return self.ident is not None and self.session is None

    # -- extras ------------------------------------------------------------------------------

    def extra(self, name, make):
        """Give the named rarely used part, made by ``make`` at first use."""
        if self.extras is None:
            self.extras = {}
        extras = self.extras
        try:
            return extras[name]
        except KeyError:
            value = extras[name] = make()
            return value

    def peek(self, name):
        """Give the named part, or ``None`` where it was never needed."""
        return None if self.extras is None else self.extras.get(name)

    @property
    def info(self):
        """Notes of the user on the object; a dictionary made at first use."""
        return self.extra("info", dict)

    @property
    def parents(self):
        """By the ``id`` of what identifies a tracked relationship: the parent's state, ``False`` after removal."""
        found = {} if self.first_token is None else {id(self.first_token): self.first_parent}
        found.update(self.peek("parents") or ())
        return found

    cpdef parent_by(self, token):
        """Give the parent's state by a tracked relationship, ``False`` after removal, ``None`` if none was noted.

        :param token: what identifies the relationship.
        """
        if self.first_token is token:
            return self.first_parent
        extras = self.extras
        if extras is None:
            return None
        others = extras.get("parents")
        return None if others is None else others.get(id(token))

    cpdef note_parent(self, token, parent):
        """Note the parent's state by a tracked relationship, or ``False`` for its removal."""
        # most objects have one parent: the first costs no dictionary
        if self.first_token is None:
            self.first_token = token
        if self.first_token is token:
            self.first_parent = parent
        else:
            self.extra("parents", dict)[id(token)] = parent

    cpdef forget_parents(self):
        """Forget which parents were gained and lost: the rows say who belongs to whom."""
        self.first_token = self.first_parent = None
        if self.extras is not None:
            self.extras.pop("parents", None)

    @property
    def callables(self):
        """Loaders that only this object has, by attribute key."""
        return self.extra("callables", dict)

    @property
    def _pending_mutations(self):
        """Changes queued for collections that are not loaded, by attribute key."""
        return self.extra("pending", dict)

    # -- attributes --------------------------------------------------------------------------

    @property
    def committed_state(self):
        """Values as of the last flush or load, for the attributes that changed since."""
        return {} if self.committed is None else self.own_committed()

    @property
    def expired_attributes(self):
        """Keys of the attributes that were expired and have not been loaded since."""
        if self.expired:
            return frozenset(self.manager.keys_tuple).difference(self.dict)
        keys = self.expired_keys
        return frozenset() if keys is None else keys

    @property
    def attrs(self):
        """One ``AttributeState`` per mapped attribute, by key."""
        return self.manager.attribute_states(self)

    @property
    def unloaded(self):
        """Keys of the attributes that have neither a value nor a pending change."""
        dict_ = self.dict
        committed = self.committed or ()
        return {key for key in self.manager if key not in committed and key not in dict_}

    @property
    def unloaded_expirable(self):
        """The same as :attr:`unloaded`."""
        return self.unloaded

    @property
    def unmodified(self):
        """Keys of the attributes that have no pending change."""
        return set(self.manager).difference(self.committed or ())

    def unmodified_intersection(self, keys):
        """Give those of some keys whose attributes have no pending change."""
        return set(keys).intersection(self.manager).difference(self.committed or ())

    def get_history(self, key, passive):
        """Give what changed in an attribute since the last flush, loading as far as ``passive`` allows."""
        return self.manager[key].impl.get_history(self, self.dict, passive)

    def get_impl(self, key):
        """Give the implementation of an attribute."""
        return self.manager[key].impl

    # -- changes -----------------------------------------------------------------------------

    cpdef modified_event(self, dict_, key, previous, copier=None):
        """Note that an attribute is about to change; its old value is kept, once.

        :param dict_: the object's ``__dict__``.
        :param previous: the value before the change, ``NO_VALUE`` where there was none.
        :param copier: makes the copy of a collection that is kept; called only when needed.
        :raises ObjectDereferencedError: the object has been collected already.
        """
        cdef dict committed = self.committed
        if committed is None or not PyDict_Contains(committed, key):
            if copier is not None:
                previous = kept_copy(dict_, key, previous, copier)
            self.keep_old(key, previous)
        if not self.modified or (self._strong_obj is None and self.home is not None):
            self.mark_modified(key)

    def _modified_event(self, dict_, attr, previous, collection=False, is_userland=False):
        """Do what ``flag_modified()`` of ``sqlalchemy.orm`` asks for: ``sqlalchemy.ext`` has no other.

        :raises InvalidRequestError: the attribute has no value in the object.
        """
        key = attr.key
        if key not in dict_:
            raise InvalidRequestError(f"Can't flag attribute {key!r} as modified: it is not in the object; read it first")
        self.modified_event(dict_, key, NO_VALUE)
        self.own_committed()[key] = NO_VALUE

    cdef keep_old(self, key, previous):
        """Keep the old value of an attribute that has no history yet."""
        cdef FreshHistory fresh = self.fresh
        if fresh is not None and previous is NO_VALUE and fresh.committed is self.committed:
            fresh = fresh.after(key)
            if fresh is not None:
                self.fresh = fresh
                self.committed = fresh.committed
                return
        self.own_committed()[key] = previous

    cpdef dict own_committed(self):
        """Give the dictionary of old values to be changed; ``committed`` is to be read only, others may share it."""
        cdef dict committed = self.committed
        if committed is None:
            self.committed = committed = {}
        elif self.fresh is not None and self.fresh.committed is committed:
            self.committed = committed = committed.copy()
        return committed

    cpdef mark_modified(self, key=None):
        """Join the modified objects of the Session, which then holds this one strongly."""
        obj = live_object(self)
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

    cdef _leave_modified(self):
        self.modified = False
        self._strong_obj = None
        home = self.home
        if home is not None:
            home._modified.pop(self, None)

    cpdef commit(self, dict_, keys):
        """Forget the history of some attributes: their present values are the committed ones."""
        if self.committed:
            for key in keys:
                if PyDict_Contains(self.committed, key):
                    del self.own_committed()[key]
        if self.extras is not None:
            queued = self.extras.get("pending")
            if queued:
                for key in keys:
                    if key in dict_:
                        queued.pop(key, None)
        if self.expired_keys is not None:
            self.unexpire([key for key in keys if key in dict_])

    cpdef commit_all(self, dict_):
        """Forget the history of all attributes; the object is unmodified from here on."""
        self.committed = None
        if self.extras is not None:
            self.extras.pop("pending", None)
        if self.expired_keys is not None:
            self.unexpire(dict_)
            if self.expired and self.expired_keys is not None and self.load_options is not None:
                if self.extras is None:
                    self.extras = {}
                self.extras[PARTLY_EXPIRED] = True
        self.expired = False
        if self.modified or self._strong_obj is not None:
            self._leave_modified()

    cpdef merge_expired(self, keys):
        """Add keys to those that the next read loads, without touching their values."""
        before = self.expired_keys
        self.expired_keys = frozenset(keys) if before is None else before.union(keys)

    cpdef unexpire(self, keys):
        """Take keys out of the expired ones: they have their values."""
        expired = self.expired_keys
        if expired is None:
            return
        left = expired.difference(keys)
        self.expired_keys = left if left else None

    cpdef expire(self, dict_):
        """Forget values and changes of all mapped attributes; the next read loads the row."""
        manager = self.manager
        self.committed = None
        self.expired = True
        if self.modified or self._strong_obj is not None:
            self._leave_modified()
        if self.first_token is not None:
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
        cdef dict values
        if isinstance(dict_, dict):
            values = <dict>dict_
            if len(values) > 1:
                for key in manager.keys_tuple:
                    if PyDict_Contains(values, key):
                        PyDict_DelItem(values, key)
        elif len(dict_) > 1:
            for key in manager.keys_tuple:
                dict_.pop(key, None)
        if manager.expire_listened:
            manager.dispatch.expire(self, None)

    def expire_attributes(self, dict_, keys, no_loader=False):
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
            if self.committed is not None and key in self.committed:
                del self.own_committed()[key]
            if queued:
                queued.pop(key, None)
            if empty:
                empty.pop(key, None)
        if row_keys:
            self.merge_expired(row_keys)
        if manager.expire_listened:
            manager.dispatch.expire(self, keys)

    def load_expired(self, passive):
        """Load the expired row attributes in one go, as far as ``passive`` allows.

        :return: ``ATTR_WAS_SET`` after a load, ``PASSIVE_NO_RESULT`` if it was not allowed.
        """
        cdef long flags = passive
        if not flags & MAY_SQL or not flags & MAY_CALL:
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

    def detach(self):
        """Leave the Session: neither its map nor its modified set know this state any more."""
        home = self.home
        if home is not None:
            home.discard(self)
            home._modified.pop(self, None)
        self.home = None
        self._strong_obj = None

    def reset_identity(self):
        """Become transient: no identity, not deleted."""
        self.ident = None
        self.identity_token = None
        self._deleted = False


def _is_own_column(impl):
    """Tell whether an attribute is a column that is loaded by itself, not with the row."""
    return impl.loader is not None and not impl.uses_objects and not impl.collection
