"""The one place that says which ORM this program runs on: `session`, unless `ATLAS_ORM` names another.

Everything else in this package imports these names from here. A program of your own says `from session import ...`.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

ORM_NAME = os.environ.get("ATLAS_ORM", "session")
"""`session`, or `sqlalchemy.orm` for comparison."""

if TYPE_CHECKING:
    from session import (
        DeclarativeBase,
        Mapped,
        Session,
        joinedload,
        mapped_column,
        relationship,
        selectinload,
        sessionmaker,
    )
else:
    _orm = importlib.import_module(ORM_NAME)
    DeclarativeBase = _orm.DeclarativeBase
    Mapped = _orm.Mapped
    Session = _orm.Session
    joinedload = _orm.joinedload
    mapped_column = _orm.mapped_column
    relationship = _orm.relationship
    selectinload = _orm.selectinload
    sessionmaker = _orm.sessionmaker

__all__ = [
    "ORM_NAME",
    "DeclarativeBase",
    "Mapped",
    "Session",
    "joinedload",
    "mapped_column",
    "relationship",
    "selectinload",
    "sessionmaker",
]
