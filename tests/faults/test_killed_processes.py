"""A process that is killed in the middle of a flush or of a commit leaves all of its transaction, or nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from session import _accel
from tests.conftest import WATCHED
from tests.integration.session_models import Address, User

from .bench import THOROUGH, TO_BE_KILLED, Bench
from .scenarios import SCENARIOS, TWO_PHASE

pytestmark = [
    pytest.mark.skipif(WATCHED, reason="these have engines of their own"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes can be forked here"),
]

ROOT = Path(__file__).parents[2]
KILLED = ("insert_with_children", "insert_many", "change", "delete_with_children", "savepoints", "bulk")
COMMITS = ("commit", "tpc_commit")


def command(program: str, database: Any, *arguments: str) -> list[str]:
    url = database.url.render_as_string(hide_password=False)
    return [sys.executable, "-m", f"tests.faults.{program}", url, *arguments]


def environment() -> dict[str, str]:
    pure = "1" if _accel.implementation() == "pure" else "0"
    return {**os.environ, "SESSION_PURE_PYTHON": pure, "PYTHONPATH": str(ROOT)}


def killed_at_calls(database: Any, name: str, most: int) -> list[list[str]]:
    """Have a scenario killed at its calls, and check what is common to all of them."""
    run = subprocess.run(
        command("killed_program", database, name, str(most)),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=250,  # seconds
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    implementation, *lines = run.stdout.splitlines()
    assert implementation == _accel.implementation()
    found = [line.split("\t") for line in lines]
    assert found
    committed = False
    for number, kind, late, died, _, present in found:
        assert died == "True", (number, kind)
        committed = committed or (kind in COMMITS and late == "True")
        assert present == ("after" if committed else "before"), (number, kind, late, present)
    assert committed
    return found


@pytest.mark.parametrize("name", KILLED)
def test_process_is_killed_at_calls(database: Any, name: str) -> None:
    assert name in SCENARIOS
    killed_at_calls(database, name, most=6)


@pytest.mark.parametrize("database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_process_is_killed_between_two_phases(database: Any) -> None:
    assert "two_phases" in TWO_PHASE
    found = killed_at_calls(database, "two_phases", most=12)
    in_doubt = [(kind, late) for _, kind, late, _, count, _ in found if count == "1"]
    assert in_doubt == [("tpc_prepare", "True"), ("tpc_commit", "False")]


def test_process_is_killed_at_some_moment_of_a_commit(database: Any) -> None:
    seeded = random.Random(17)
    bench = Bench(database)
    for _ in range(200 if THOROUGH else 5):
        bench.reset()
        bench.plain.dispose()
        said = kill_soon_after(database, flushes=seeded.randint(2, 6), delay=seeded.uniform(0, 0.002))
        if database.name == "postgresql":
            bench.wait_until_gone(TO_BE_KILLED)  # its server may be committing still
        with bench.plain.connect() as connection:
            ages = connection.scalars(select(User.__table__.c.age)).all()
            emails = connection.scalars(select(Address.__table__.c.email).order_by("id")).all()
        (age,) = set(ages)
        assert len(ages) == 4
        assert age in (said - 1, said), (age, said)
        assert emails == [str(age)] * 12


def kill_soon_after(database: Any, flushes: int, delay: float) -> int:
    """Start the program that commits, and kill it in or near a commit.

    :param flushes: so many transactions are written before.
    :param delay: seconds from the moment at which it begins to commit.
    :return: the number of the transaction that it was committing.
    """
    with subprocess.Popen(
        command("committing_program", database),
        cwd=ROOT,
        env={**environment(), "PGAPPNAME": TO_BE_KILLED},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline().strip() == _accel.implementation(), program.stderr.read()
        said = 0
        for _ in range(flushes):
            said = int(program.stdout.readline())
        time.sleep(delay)
        program.kill()
        last = program.stdout.read().split()
        return int(last[-1]) if last else said
