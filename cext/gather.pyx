# cython: annotation_typing=False, nonecheck=True
"""The loops of a flush that run once per object, compiled; ``session/_py/gather.py`` explains them.

In come the states of one class in the order of their statements, and a *recipe*: what a column's
attribute is called, and what to do where there is no value.  Out come *runs*: neighbouring rows
that have the same set of columns and so can share one statement.  Nothing here knows of SQL;
``flush/insert.py`` and ``flush/update.py`` make the recipes and run the statements.

No loop here calls into user code, except for column defaults, comparisons of column types and
whatever a ``__dict__`` look-up may set off.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetItem
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact

from session._cy.state cimport InstanceState, instance_dict, live_object

from session.constants import INSTANCE_STATE as _INSTANCE_STATE
from session.constants import NO_VALUE as _NO_VALUE

cdef object NO_VALUE = _NO_VALUE
cdef str INSTANCE_STATE = _INSTANCE_STATE

__all__ = [
    "ALWAYS_CALL",
    "CALL",
    "CALL_IF_MISSING",
    "CONSTANT",
    "CONSTANT_IF_MISSING",
    "EXPRESSIONS",
    "OMIT",
    "OMIT_IF_MISSING",
    "PLAIN",
    "UNUSUAL",
    "assign_columns",
    "assign_one",
    "copy_values",
    "divide",
    "gather_identities",
    "gather_inserts",
    "gather_updates",
    "is_expression",
    "segments",
    "write_back",
]

cdef enum Kind:
    IS_PLAIN
    IS_OMIT
    IS_OMIT_IF_MISSING
    IS_CONSTANT
    IS_CALL
    IS_CONSTANT_IF_MISSING
    IS_CALL_IF_MISSING
    IS_ALWAYS_CALL

# What becomes of a column in an INSERT when its attribute is absent or None.
PLAIN = IS_PLAIN  # NULL is inserted
OMIT = IS_OMIT  # left to the database
OMIT_IF_MISSING = IS_OMIT_IF_MISSING  # left to the database, but a None that was set is inserted
CONSTANT = IS_CONSTANT  # a fixed default
CALL = IS_CALL  # a default made by a function of the context
CONSTANT_IF_MISSING = IS_CONSTANT_IF_MISSING  # as CONSTANT, but a None that was set is inserted
CALL_IF_MISSING = IS_CALL_IF_MISSING
ALWAYS_CALL = IS_ALWAYS_CALL  # the function decides even when there is a value

EXPRESSIONS = -1
"""The mask of a run whose single row holds SQL expressions: a dictionary by column name."""

UNUSUAL = -2
"""The mask of a run of states whose UPDATE must be worked out one by one."""

_PLAIN_TYPES = frozenset(
    (int, str, float, bool, bytes, type(None), datetime, date, time, timedelta, Decimal, UUID, dict, list)
)

cdef frozenset plain_types = _PLAIN_TYPES


cdef inline bint is_plain(value):
    """Tell whether a value's type is one of those that are never SQL, the usual ones first."""
    return (
        PyUnicode_CheckExact(value)
        or PyLong_CheckExact(value)
        or value is None
        or PyFloat_CheckExact(value)
        or type(value) in plain_types
    )


Field = tuple[str, int, Any, int, str]
"""Attribute key, what to do without a value, the default, bit in the mask, column name."""

Run = tuple[int, list[Any], list[Any]]
"""Mask, states, rows."""


def is_expression(value: Any) -> bool:
    """Tell whether an attribute's value is SQL, to be rendered into the statement."""
    return type(value) not in _PLAIN_TYPES and (
        hasattr(value, "__clause_element__") or getattr(value, "is_clause_element", False)
    )


def segments(states: Iterable[Any]) -> list[tuple[Any, list[Any]]]:
    """Cut states into neighbours of the same class.

    :return: pairs of mapper and states, in the order of the states.
    """
    cdef list found = []
    cdef list members = None
    cdef object manager = None
    cdef InstanceState state
    for state in states:
        if state.manager is not manager:
            manager = state.manager
            members = []
            found.append((manager.mapper, members))
        members.append(state)
    return found


def divide(states: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Divide states into those whose objects have no row yet, and those that have one."""
    cdef list pending = []
    cdef list persistent = []
    cdef InstanceState state
    for state in states:
        (pending if state.ident is None else persistent).append(state)
    return pending, persistent


def gather_inserts(states: Iterable[Any], fields: Sequence[Field], context: Any) -> list[Run]:
    """Make the rows of an INSERT.

    :param states: states of one class.
    :param fields: one for each column, in the order of the table.
    :param context: given to the functions that make defaults; ``context.begin(fields, mask,
        row)`` is called before those of a row.
    :return: runs; a bit in the mask stands for a column that was left out.
    """
    cdef list runs = []
    run_mask = UNUSUAL
    cdef list run_states = []
    cdef list run_rows = []
    cdef InstanceState state
    cdef dict dict_
    cdef list row
    cdef list calls
    cdef long kind
    cdef bint expressions
    cdef PyObject *found
    cdef tuple field
    cdef tuple columns = tuple(fields)
    for state in states:
        dict_ = instance_dict(live_object(state))
        mask = 0
        expressions = False
        row = []
        calls = None
        for field in columns:
            key, kind, default, bit, _ = field
            found = PyDict_GetItemWithError(dict_, key)
            value = NO_VALUE if found is NULL else <object>found
            if value is None or value is NO_VALUE:
                if kind == IS_PLAIN:
                    value = None
                elif kind == IS_OMIT or (kind == IS_OMIT_IF_MISSING and value is NO_VALUE):
                    mask |= bit
                    continue
                elif kind == IS_CONSTANT or (kind == IS_CONSTANT_IF_MISSING and value is NO_VALUE):
                    value = default
                elif kind == IS_CALL or kind == IS_ALWAYS_CALL or (kind == IS_CALL_IF_MISSING and value is NO_VALUE):
                    if calls is None:
                        calls = []
                    calls.append((len(row), default))
                    value = None
            elif kind == IS_ALWAYS_CALL:
                if calls is None:
                    calls = []
                calls.append((len(row), default))
                value = None
            elif not is_plain(value) and is_expression(value):
                expressions = True
            row.append(value)
        if calls is not None:
            context.begin(fields, mask, row)
            for position, function in calls:
                row[position] = function(context)
        if expressions:
            names = [field[4] for field in fields if not mask & field[3]]
            runs.append((EXPRESSIONS, [state], [dict(zip(names, row, strict=True))]))
            run_mask = UNUSUAL
            continue
        if mask != run_mask:
            run_mask = mask
            run_states = []
            run_rows = []
            runs.append((mask, run_states, run_rows))
        run_states.append(state)
        run_rows.append(tuple(row))
    return runs


def gather_updates(
    states: Iterable[Any],
    by_key: dict[str, tuple[int, Callable[[Any, Any], Any] | None]],
    keys_of: Callable[[int], tuple[str, ...]],
    key_positions: tuple[int, ...] | None,
    unusual_keys: frozenset[str],
) -> list[Run]:
    """Make the rows of an UPDATE: values that have changed, then the primary key.

    :param states: states of one class.
    :param by_key: for each attribute, the bit of its column, and how values compare (``None``
        means ``==``).
    :param keys_of: gives the attribute keys that belong to a mask.
    :param key_positions: where in the identity the values of the primary key are; ``None`` says
        that the identity is the value.
    :param unusual_keys: attributes whose change makes the state :data:`UNUSUAL`.
    :return: runs; a bit in the mask stands for a column that is set.  States without a net change
        are left out.  Runs of :data:`UNUSUAL` states have no rows.
    """
    cdef list runs = []
    run_mask = 0
    cdef list run_states = []
    cdef list run_rows = []
    cdef InstanceState state
    cdef dict dict_ = None
    cdef dict committed
    keys = ()
    for state in states:
        committed = state.committed
        ident = state.ident
        mask = 0
        if ident is None:
            mask = UNUSUAL
        elif committed:
            dict_ = instance_dict(live_object(state))
            for key, old in committed.items():
                found = by_key.get(key)
                if found is None:
                    continue
                value = dict_.get(key)
                if not is_plain(value) and is_expression(value):
                    mask = UNUSUAL
                    break
                if old is not NO_VALUE:
                    compare = found[1]
                    if (value is old or value == old if compare is None else compare(value, old)) is True:
                        continue
                if key in unusual_keys:
                    mask = UNUSUAL
                    break
                mask |= found[0]
        if not mask:
            continue
        if mask != run_mask:
            run_mask = mask
            run_states = []
            run_rows = []
            runs.append((mask, run_states, run_rows))
            keys = () if mask == UNUSUAL else keys_of(mask)
        run_states.append(state)
        if mask == UNUSUAL:
            continue
        row = [dict_.get(key) for key in keys]
        if key_positions is None:
            row.append(ident)
        else:
            for position in key_positions:
                row.append(ident[position])
        run_rows.append(tuple(row))
    return runs


def gather_identities(states: Iterable[Any], key_positions: tuple[int, ...] | None) -> list[tuple[Any, ...]]:
    """Give the primary key of each state as a row of parameters.

    :param key_positions: as for :func:`gather_updates`.
    """
    cdef list found = []
    cdef InstanceState state
    if key_positions is None:
        for state in states:
            found.append((state.ident,))
    else:
        for state in states:
            ident = state.ident
            found.append(tuple([ident[position] for position in key_positions]))
    return found


def write_back(states: Sequence[Any], rows: Sequence[Any], places: Sequence[tuple[str, int]]) -> None:
    """Give the objects the values that defaults have made.

    :param places: attribute key, and where in the row its value is.
    """
    cdef InstanceState state
    for state, row in zip(states, rows, strict=True):
        dict_ = instance_dict(live_object(state))
        for key, position in places:
            dict_[key] = row[position]


def assign_one(states: Sequence[Any], rows: Sequence[Any], key: str, processor: Any) -> None:
    """Give each object the first value of the row that the database returned for it."""
    cdef InstanceState state
    if processor is None:
        for state, row in zip(states, rows, strict=True):
            instance_dict(live_object(state))[key] = row[0]
    else:
        for state, row in zip(states, rows, strict=True):
            instance_dict(live_object(state))[key] = processor(row[0])


def assign_columns(
    states: Sequence[Any], rows: Sequence[Any], keys: Sequence[str], processors: Sequence[Any]
) -> None:
    """Give each object the values that the database returned for it.

    :param keys: attribute keys, one for each value of a row.
    :param processors: functions from raw value to Python value, or ``None``.
    """
    if len(keys) == 1:
        assign_one(states, rows, keys[0], processors[0])
        return
    columns = list(zip(keys, processors, strict=True))
    cdef InstanceState state
    for state, row in zip(states, rows, strict=True):
        dict_ = instance_dict(live_object(state))
        for (key, processor), value in zip(columns, row, strict=True):
            dict_[key] = value if processor is None else processor(value)


def copy_values(states: Iterable[Any], pairs: Sequence[tuple[str, str]]) -> None:
    """Copy values between attributes of the same object, as far as they are there.

    :param pairs: key to read and key to write.
    """
    cdef InstanceState state
    for state in states:
        dict_ = instance_dict(live_object(state))
        for source, target in pairs:
            if source in dict_:
                dict_[target] = dict_[source]


def state_of(obj: Any) -> Any:
    """Give the state of a mapped object, ``None`` for ``None``."""
    return None if obj is None else obj.__dict__[INSTANCE_STATE]
