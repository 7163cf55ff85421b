"""Row counts: what a statement of a flush has matched, against what it was for.

In come the states, or the rows of an association table, that a statement was for, and what the driver has
counted; nothing goes out, or an error that names the objects whose rows are not what they were.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SAWarning

from session.exc import StaleDataError
from session.instrument.base import state_label

__all__ = ["check_row_count", "warn_unverified"]

NAMED = 10
"""So many objects are named in a message."""


def check_row_count(verb: str, table: Any, subjects: Sequence[Any], matched: int, lacking: Sequence[int] = ()) -> None:
    """Refuse to go on when a statement has matched another number of rows than it was for.

    :param subjects: what it was for: a state for each row, or its values by column for a row of an association table.
    :param matched: as the driver told; -1 if it could not tell.
    :param lacking: places of the subjects that are known not to have been matched, as far as they are.
    :raises StaleDataError: if another number was matched; it names the objects that were not, where these are known.
    """
    expected = len(subjects)
    if matched < 0 or matched == expected:
        return
    missing: Sequence[Any] = ()
    if matched == 0:
        missing = subjects
    elif len(lacking) == expected - matched:
        missing = [subjects[place] for place in lacking]
    which = f", none for {_names(missing)}" if missing else f" (it is not known which, of {_names(subjects)})"
    raise StaleDataError(
        f"The {verb} of table {table.name!r} was for {expected} row(s) and has matched {matched}{which}: rows were "
        f"changed or deleted by somebody else since they were loaded; roll back, load them again and retry",
        table=table,
        expected=expected,
        matched=matched,
        keys=[_key(subject) for subject in missing] if missing else None,
    )


def _names(subjects: Sequence[Any]) -> str:
    named = ", ".join(map(_name, subjects[:NAMED]))
    left = len(subjects) - NAMED
    return named if left <= 0 else f"{named} and {left} more"


def _name(subject: Any) -> str:
    if isinstance(subject, Mapping):
        return "the row with " + ", ".join(f"{name} {value!r}" for name, value in subject.items())
    return state_label(subject)


def _key(subject: Any) -> tuple[Any, ...] | None:
    return tuple(subject.values()) if isinstance(subject, Mapping) else subject.identity


def warn_unverified(verb: str, table: Any, dialect: Any) -> None:
    """Say that a version has not been checked, because the driver does not count rows."""
    warnings.warn(
        f"{dialect.name} does not tell how many rows a {verb} has matched; the version of {table.name} cannot be "
        f"verified",
        SAWarning,
        stacklevel=2,
    )
