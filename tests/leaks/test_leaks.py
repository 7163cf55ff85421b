"""Each case in a process of its own: nothing is left of what was done again and again.

``SESSION_LEAK_CYCLES=100000``, or ``make leaks``: so many times, and as many processes at a time as there are processors.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from session import implementation
from tests.conftest import WATCHED
from tests.faults.test_killed_processes import environment

pytestmark = pytest.mark.skipif(WATCHED, reason="these have engines of their own")

ROOT = Path(__file__).parents[2]

LONG = bool(os.environ.get("SESSION_LEAK_CYCLES"))
PROCESSES = len(os.sched_getaffinity(0)) if LONG and hasattr(os, "sched_getaffinity") else 1

GROUPS = {  # those that take longest first
    "engines": ("engines",),
    "classes": ("classes",),
    "statements": ("loaded", "in_bulk", "statements"),
    "errors in listeners": ("failing_listeners",),
    "errors": ("failing_flush", "failing_user_code", "failing_reads"),
    "objects in a Session": ("written", "rolled_back", "moved", "merged"),
    "objects alone": ("transient", "circles", "pickled"),
    "threads": ("on_threads",),
}


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """The groups that are asked for, under way."""
    asked = [item.callspec.params["group"] for item in request.session.items if item.name.startswith(NAME)]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(PROCESSES) as pool:
        yield {group: pool.submit(leaks, "cases", *GROUPS[group]) for group in asked}


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_is_left(group: str, runs: dict[str, Future[subprocess.CompletedProcess[str]]]) -> None:
    run = runs[group].result()
    print(run.stdout)  # noqa: T201 - with pytest -rP
    assert run.returncode == 0, f"{run.stdout[-3000:]}\n{run.stderr[-4000:]}"
    assert run.stdout.splitlines()[0] == implementation()
    assert run.stdout.splitlines()[-1] == "clean"


NAME = test_nothing_is_left.__name__


@pytest.mark.parametrize("kind", ["objects", "references", "memory", "blocks", "one object"])
def test_leaks_are_found(kind: str) -> None:
    run = leaks("leaking_program", kind)
    assert run.returncode == 1
    assert f"found: {kind}" in run.stdout, run.stdout + run.stderr[-2000:]


def test_all_cases_are_in_a_group() -> None:
    names = (ROOT / "tests/leaks/cases.py").read_text().split("@case(")[1:]
    assert {name.partition("def ")[2].partition("(")[0] for name in names} == {
        name for group in GROUPS.values() for name in group
    }


def leaks(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", f"tests.leaks.{program}", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=None if LONG else 250,  # seconds
    )
