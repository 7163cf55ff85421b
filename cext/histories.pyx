# cython: nonecheck=True
"""What history keeps of old values, compiled; ``session/_py/histories.py`` is the reference version.

:class:`FreshHistory` is here alone: objects share their histories only where that costs a pointer and no look-up.
"""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from session.constants import NO_VALUE as _NO_VALUE

__all__ = ["kept_copy", "remember_known"]

cdef object NO_VALUE = _NO_VALUE

cdef int MOST_FRESH = 100
"""A class that sets its attributes in more different orders than this has dictionaries of their own for the rest."""


cdef class FreshHistory:
    """What history has of attributes that were set and had no value before.

    It is the same for all objects of a class that set the same attributes in the same order, so these share it: its
    dictionary is never changed.  Where another such attribute is set, the object goes on to the history :meth:`after`.
    A constructor notes the step it took last (``next_...``), and for which version of the class.
    """

    def __cinit__(self):
        self.committed = None
        self.then = {}
        self.first = self
        self.known = 0
        self.next_version = 0

    cdef FreshHistory after(self, key):
        """Give the history with one more attribute, or ``None`` if there are too many already."""
        cdef PyObject *found = PyDict_GetItemWithError(self.then, key)
        cdef FreshHistory after
        if found is not NULL:
            return <FreshHistory>found
        first = self.first
        if first.known >= MOST_FRESH:
            return None
        first.known += 1
        after = FreshHistory()
        after.committed = {} if self.committed is None else self.committed.copy()
        after.committed[key] = NO_VALUE
        after.first = first
        self.then[key] = after
        return after


cpdef kept_copy(dict_, key, previous, copier):
    """Give what history keeps of a value that is about to change in place: a copy.

    :param dict_: the object's ``__dict__``, which has the value where ``previous`` is ``NO_VALUE``.
    :param copier: makes the copy.
    """
    if previous is NO_VALUE and key in dict_:
        previous = dict_[key]
    if previous is not None and previous is not NO_VALUE:
        previous = copier(previous)
    return previous


cpdef remember_known(dict known, dict_):
    """Note the present values of attributes whose last value is wanted after they expire.

    :param known: by attribute key, the value that was noted last.
    :param dict_: the object's ``__dict__``.
    """
    for key in known:
        if key in dict_:
            known[key] = dict_[key]
