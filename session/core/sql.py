"""Names of SQLAlchemy Core's expression language that the other layers build on.

Core keeps some of what an ORM needs outside its public documentation: annotations, adapters,
coercion roles, the visitors.  They are collected here, so that a change in a Core release is
answered in one place.  Next on the way: ``core/plan.py``, which compiles what is built with these.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql import coercions, operators, roles, visitors
from sqlalchemy.sql.annotation import _deep_annotate as deep_annotate
from sqlalchemy.sql.annotation import _deep_deannotate as deep_deannotate
from sqlalchemy.sql.base import CompileState, Executable, ExecutableOption
from sqlalchemy.sql.base import _entity_namespace_key as entity_namespace_key
from sqlalchemy.sql.cache_key import HasCacheKey, MemoizedHasCacheKey
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.util import ClauseAdapter, ColumnAdapter
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.util import immutabledict

from session.constants import PLUGIN

__all__ = [
    "ClauseAdapter",
    "ColumnAdapter",
    "CompileState",
    "Executable",
    "ExecutableOption",
    "HasCacheKey",
    "InternalTraversal",
    "MemoizedHasCacheKey",
    "annotate_for",
    "coercions",
    "deep_annotate",
    "deep_deannotate",
    "entity_namespace_key",
    "operators",
    "propagate",
    "propagating_attrs",
    "roles",
    "visitors",
]


def annotate_for(entity: Any, element: ColumnElement[Any], key: str | None = None) -> Any:
    """Mark an expression as belonging to a mapped entity, so that statements made of it are ours.

    :param entity: the mapper or aliased entity that the expression is read from.
    :param element: a column, or any expression over columns of the entity.
    :param key: the attribute's name; the expression is known under it in ``.c`` collections.
    :return: an annotated copy of ``element``.
    """
    notes: dict[str, Any] = {
        "entity_namespace": entity,
        "parententity": entity,
        "parentmapper": entity.mapper,
    }
    if key is not None:
        notes["proxy_key"] = key
    return propagate(element._annotate(notes), entity)


def propagate(element: Any, entity: Any) -> Any:
    """Make a statement built from ``element`` use this package's compile states.

    :param element: a Core clause element that this package made for ``entity``.
    :return: the same element.
    """
    return element._set_propagate_attrs(propagating_attrs(entity))


def propagating_attrs(entity: Any) -> immutabledict[str, Any]:
    """Give what a Core element carries so that statements made of it use our compile states."""
    return immutabledict({"compile_state_plugin": PLUGIN, "plugin_subject": entity})
