"""What is in the database, as another connection sees it."""

from __future__ import annotations

from sqlalchemy import func, select

from ..session_models import User


def count(db, cls=User):
    with db.connect() as connection:
        return connection.scalar(select(func.count()).select_from(cls.__table__))
