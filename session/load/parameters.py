"""The parameters that come with a statement: what was given, checked.  Next on the way: ``core/plan.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.exc import ArgumentError, InvalidRequestError

__all__ = ["checked_rows", "given_values", "parameter_sets"]

NOTHING: Final[Mapping[str, Any]] = {}


def parameter_sets(params: Any) -> list[Mapping[str, Any]]:
    """Give parameters as a list of sets, one for each run of the statement.

    :param params: a mapping, a list or tuple of such, or ``None``.
    :raises ArgumentError: they are something else.
    """
    if params is None:
        return []
    if isinstance(params, Mapping):
        return [params]
    return checked_rows(list(params) if isinstance(params, (list, tuple)) else [params])


def checked_rows(rows: list[Any]) -> list[Mapping[str, Any]]:
    """Give rows as they are.

    :raises ArgumentError: one of them is no mapping.
    """
    if not all(issubclass(kind, Mapping) for kind in set(map(type, rows))):
        wrong = next(row for row in rows if not isinstance(row, Mapping))
        raise ArgumentError(
            "Parameters of a statement are a dictionary by name, or a list of dictionaries for many rows; "
            f"{wrong!r} is no dictionary"
        )
    return rows


def given_values(own: Mapping[str, Any] | None, params: Any) -> Mapping[str, Any]:
    """Gather the values that the parameters of a SELECT are given from outside of the statement.

    :param own: those that ``statement.params()`` has set.
    :param params: those that came with the statement.
    :raises ArgumentError: they are no dictionary.
    :raises InvalidRequestError: there are several.
    """
    if params is not None and type(params) is not dict:
        sets = parameter_sets(params)
        if len(sets) > 1:
            raise InvalidRequestError("A SELECT of mapped classes takes one set of parameters, not a list of several")
        params = sets[0] if sets else None
    if own:
        return {**own, **params} if params else own
    return params or NOTHING
