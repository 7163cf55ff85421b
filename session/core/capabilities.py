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
    ``lastrowid``: the cursor's ``lastrowid`` is the generated integer primary key.
    ``sane_rowcount``, ``sane_multi_rowcount``: ``cursor.rowcount`` counts matched rows after
    ``execute`` / after ``executemany``.
    ``batched_insert``: Core sends many rows in one INSERT even when nothing comes back of them.
    ``column_arrays``: many rows go into one statement as one array for each column, which the database
    unfolds; the driver puts literals into the text by itself, in the way of psycopg2.  Whoever turns
    batching off with ``create_engine(use_insertmanyvalues=False)`` has turned this off as well.
    ``built_in_types``: names at which a table's row type is not found, because they mean something else.
    """

    insert_returning: bool
    update_returning: bool
    delete_returning: bool
    lastrowid: bool
    sane_rowcount: bool
    sane_multi_rowcount: bool
    batched_insert: bool
    column_arrays: bool
    built_in_types: frozenset[str]


#: What a database can do beyond what its Core dialect says, whatever the driver.
_BEYOND_CORE: dict[str, dict[str, Any]] = {
    "sqlite": {"sane_multi_rowcount": True},
}

#: The types of PostgreSQL's own schema, which comes before all others when a name is looked up.
_POSTGRESQL_TYPES = """
    aclitem any anyarray anycompatible anycompatiblearray anycompatiblemultirange anycompatiblenonarray
    anycompatiblerange anyelement anyenum anymultirange anynonarray anyrange bit bool box bpchar bytea char cid cidr
    circle cstring date datemultirange daterange event_trigger fdw_handler float4 float8 gtsvector index_am_handler
    inet int2 int2vector int4 int4multirange int4range int8 int8multirange int8range internal interval json jsonb
    jsonpath language_handler line lseg macaddr macaddr8 money name numeric nummultirange numrange oid oidvector path
    point polygon record refcursor smgr opaque regclass regcollation regconfig regdictionary regnamespace regoper
    regoperator regproc regprocedure regrole regtype reltime abstime table_am_handler text tid time timestamp
    timestamptz timetz tinterval trigger tsm_handler tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector
    txid_snapshot unknown uuid varbit varchar void xid xid8 xml
"""

#: What a database can do through one driver.
_BY_DRIVER: dict[tuple[str, str], dict[str, Any]] = {
    ("postgresql", "psycopg2"): {"column_arrays": True, "built_in_types": frozenset(_POSTGRESQL_TYPES.split())},
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
        "lastrowid": bool(dialect.postfetch_lastrowid),
        "sane_rowcount": dialect.supports_sane_rowcount,
        "sane_multi_rowcount": dialect.supports_sane_multi_rowcount,
        "batched_insert": dialect.use_insertmanyvalues and dialect.use_insertmanyvalues_wo_returning,
        "column_arrays": False,
        "built_in_types": frozenset(),
    }
    facts.update(_BEYOND_CORE.get(dialect.name, {}))
    facts.update(_BY_DRIVER.get((dialect.name, dialect.driver), {}))
    facts["column_arrays"] = facts["column_arrays"] and dialect.use_insertmanyvalues
    found = Capabilities(**facts)
    _known[dialect] = found
    return found
