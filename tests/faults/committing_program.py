"""Commits one transaction after the other, and says so just before each; the test kills it at some moment.

Run with the URL of the database.  A transaction changes the ages of all users to its number, and replaces
all addresses.
"""

# ruff: noqa: T201

from __future__ import annotations

import sys

from sqlalchemy import create_engine, select

from session import Session, implementation, selectinload
from tests.integration.session_models import Address, User


def main(url: str) -> None:
    print(implementation(), flush=True)
    with Session(create_engine(url)) as session:
        number = 1000
        while True:
            number += 1
            for user in session.scalars(select(User).options(selectinload(User.addresses))):
                user.age = number
                user.addresses = [Address(email=f"{number}") for _ in range(3)]
            session.flush()
            print(number, flush=True)
            session.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
