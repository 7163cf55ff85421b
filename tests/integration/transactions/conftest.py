"""Fixtures: a database with the tables of the Session's tests, where a SAVEPOINT stands in its transaction."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ..session_models import Base


@pytest.fixture
def db(savepoint_engine: Engine) -> Engine:
    Base.metadata.create_all(savepoint_engine)
    return savepoint_engine
