"""What the tests of peers read: users of the usual rows, or of a large table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, insert, select

from session import Session
from session.load.strategies_selectin import BATCH

from ..loading_models import Address, User, fill

USERS = 2 * BATCH + 10
"""Users in the large table: their addresses take three statements."""


def users_of(session: Session, *options: Any) -> list[User]:
    return list(session.scalars(select(User).order_by(User.id).options(*options)))


def address_ids(users: list[User]) -> list[list[int]]:
    return [[address.id for address in user.addresses] for user in users]


def loaded(obj: Any, key: str) -> bool:
    return key in obj.__dict__


def large(engine: Engine) -> None:
    fill(engine)
    with engine.begin() as connection:
        connection.execute(insert(User), [{"id": n, "name": f"u{n}"} for n in range(10, USERS + 10)])
        connection.execute(
            insert(Address),
            [{"id": n, "email": f"e{n}", "user_id": n // 2} for n in range(20, 2 * USERS + 20)],
        )
