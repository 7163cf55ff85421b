"""Fixtures: a database with the tables of ``session_models``."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from .session_models import Base


@pytest.fixture
def db(engine: Engine) -> Engine:
    """An engine for a database with the tables of users, addresses, groups, nodes, places and documents."""
    Base.metadata.create_all(engine)
    return engine
