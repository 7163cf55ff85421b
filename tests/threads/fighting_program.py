"""Two threads do what they like in one Session, for a while.  Run with the name of a file for the database."""

# ruff: noqa: T201

from __future__ import annotations

import logging
import random
import sys
import threading
import time
import warnings
from typing import Any

from sqlalchemy import create_engine, select

from session import Session, implementation, selectinload
from tests.integration.session_models import Address, Base, User

SECONDS = 2.0
ENOUGH = 20
"""Steps that have to succeed; on a busy machine one thread may wait for a lock of the other for most of the time."""
PATIENCE = 30.0
"""Seconds after which it is not waited for that."""


def main(path: str) -> None:
    print(implementation())
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sys.setswitchinterval(1e-5)
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 1})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(name=f"{n}", addresses=[Address(email="x")]) for n in range(20)])
        session.commit()
    session = Session(engine)
    until = time.monotonic() + SECONDS
    counts: dict[str, int] = {}
    threads = [threading.Thread(target=fight, args=(session, seed, until, counts)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(5):
        try:
            session.close()
            break
        except Exception as error:
            print("close:", type(error).__name__)
    print(counts)
    assert counts.get("done", 0) > ENOUGH
    session.rollback()
    assert session.scalars(select(User)).first() is not None
    session.close()
    print("alive")


def fight(session: Session, seed: int, until: float, counts: dict[str, int]) -> None:
    chance = random.Random(seed)
    held: list[Any] = []
    while (now := time.monotonic()) < until or (counts.get("done", 0) <= ENOUGH and now < until + PATIENCE):
        try:
            step(session, chance, held)
            counts["done"] = counts.get("done", 0) + 1
        except Exception as error:
            name = type(error).__name__
            counts[name] = counts.get(name, 0) + 1
            if chance.random() < 0.5:
                try:
                    session.rollback()
                except Exception:
                    counts["rollback"] = counts.get("rollback", 0) + 1


def step(session: Session, chance: random.Random, held: list[Any]) -> None:
    what = chance.randrange(12)
    user = session.get(User, chance.randrange(1, 21))
    if user is not None:
        held.append(user)
    del held[:-10]
    if what == 0:
        session.add(User(name="new", addresses=[Address(email="y")]))
    elif what == 1:
        session.flush()
    elif what == 2:
        session.commit()
    elif what == 3:
        session.rollback()
    elif what == 4:
        session.close()
    elif what == 5:
        session.scalars(select(User).options(selectinload(User.addresses))).all()
    elif what == 6 and user is not None:
        user.name = f"{chance.random()}"
    elif what == 7 and user is not None:
        user.addresses.append(Address(email="z"))
    elif what == 8 and user is not None and user.addresses:
        user.addresses.pop()
    elif what == 9:
        session.expire_all()
    elif what == 10:
        with session.begin_nested():
            session.merge(User(id=chance.randrange(1, 21), name="merged"))
    elif what == 11:
        session.expunge_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
