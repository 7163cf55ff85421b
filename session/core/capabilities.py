"""What each database can do, as far as it decides how this package talks to it.

The one place that knows databases by name.  A database that is not in the table gets what its
Core dialect says of itself, and nothing that goes beyond it.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

__all__ = ["Capabilities", "of"]


class Capabilities(NamedTuple):
    """Facts about one dialect.

    ``insert_returning``, ``update_returning``, ``delete_returning``: RETURNING is there.
    ``ordered_bulk_returning``: how a multi-row ``INSERT .. RETURNING`` keeps the order of its rows:
    ``"select"`` when they are drawn from an ordered ``SELECT .. FROM (VALUES ..)``, else ``None``.
    ``lastrowid``: the cursor's ``lastrowid`` is the generated integer primary key.
    ``sane_rowcount``, ``sane_multi_rowcount``: ``cursor.rowcount`` counts matched rows after
    ``execute`` / after ``executemany``.
    ``max_parameters``: bound parameters that one statement may have.
    ``update_from_values``: ``UPDATE .. FROM (VALUES ..)`` is understood.
    """

    insert_returning: bool
    update_returning: bool
    delete_returning: bool
    ordered_bulk_returning: str | None
    lastrowid: bool
    sane_rowcount: bool
    sane_multi_rowcount: bool
    max_parameters: int
    update_from_values: bool


_BEYOND_CORE: dict[str, dict[str, Any]] = {
    # Parameter limits: https://www.sqlite.org/limits.html (SQLITE_MAX_VARIABLE_NUMBER, 32766 since
    # 3.32) and the protocol's 16-bit count, which client-side interpolation does not meet.
    "sqlite": {"max_parameters": 32_700, "sane_multi_rowcount": True},
    "postgresql": {
        "ordered_bulk_returning": "select",
        "max_parameters": 32_700,
        "update_from_values": True,
    },
}

_known: WeakKeyDictionary[Any, Capabilities] = WeakKeyDictionary()


def of(dialect: Any) -> Capabilities:
    """Give what the database behind a Core dialect can do.

    :param dialect: a ``sqlalchemy.engine.Dialect``, initialised or not.
    """
    known = _known.get(dialect)
    if known is not None:
        return known
    facts: dict[str, Any] = {
        "insert_returning": dialect.insert_returning,
        "update_returning": dialect.update_returning,
        "delete_returning": dialect.delete_returning,
        "ordered_bulk_returning": None,
        "lastrowid": bool(dialect.postfetch_lastrowid),
        "sane_rowcount": dialect.supports_sane_rowcount,
        "sane_multi_rowcount": dialect.supports_sane_multi_rowcount,
        "max_parameters": dialect.insertmanyvalues_max_parameters,
        "update_from_values": False,
    }
    facts.update(_BEYOND_CORE.get(dialect.name, {}))
    found = Capabilities(**facts)
    _known[dialect] = found
    return found
