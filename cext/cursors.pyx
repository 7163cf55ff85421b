# cython: nonecheck=True
"""Parameters and rows of a statement, compiled; ``session/_py/cursors.py`` is the reference version."""

__all__ = ["bind", "bind_rows", "count_each", "fetch_each", "key_each"]


def bind(tuple slots, given, extracted, plan):
    """Give the driver's value for each parameter of a statement."""
    cdef list bound = []
    cdef tuple slot
    cdef Py_ssize_t source
    for slot in slots:
        _, key, _, source, processor = slot
        if key in given:
            value = given[key]
        elif given or extracted is None or source < 0 or extracted[source].required:
            value = plan.value_of(slot, given, extracted)
        else:
            value = extracted[source].effective_value
        bound.append(value if processor is None else processor(value))
    return tuple(bound)


def bind_rows(rows, processors):
    """Give the driver's values for rows of raw values."""
    cdef list bound = []
    cdef list values
    for row in rows:
        values = []
        for make, value in zip(processors, row, strict=True):
            values.append(value if make is None else make(value))
        bound.append(tuple(values))
    return bound


def count_each(cursor, sql, rows, list found):
    """Execute a statement for each row of parameters; ``found`` gets how many rows each has matched."""
    execute = cursor.execute
    for row in rows:
        execute(sql, row)
        found.append(cursor.rowcount)


def fetch_each(cursor, sql, rows, list found):
    """Execute a statement for each row of parameters; ``found`` gets the first row that each returns."""
    execute = cursor.execute
    for row in rows:
        execute(sql, row)
        found.append(cursor.fetchone())


def key_each(cursor, sql, rows, list found):
    """Execute an INSERT for each row of parameters; ``found`` gets the key that the database has made."""
    execute = cursor.execute
    for row in rows:
        execute(sql, row)
        found.append(cursor.lastrowid)
