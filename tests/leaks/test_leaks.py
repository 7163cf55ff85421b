"""Each case in a process of its own: nothing is left of what was done again and again.

``SESSION_LEAK_CYCLES=100000``, or ``make leaks``: so many times.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from session import implementation
from tests.conftest import WATCHED
from tests.faults.test_killed_processes import environment

pytestmark = pytest.mark.skipif(WATCHED, reason="these have engines of their own")

ROOT = Path(__file__).parents[2]

GROUPS = {
    "objects alone": ("transient", "circles", "pickled"),
    "objects in a Session": ("written", "rolled_back", "moved", "merged"),
    "statements": ("loaded", "in_bulk", "statements"),
    "errors": ("failing_flush", "failing_user_code", "failing_listeners", "failing_reads"),
    "threads": ("on_threads",),
    "engines": ("engines",),
    "classes": ("classes",),
}


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_is_left(group: str) -> None:
    run = leaks("cases", *GROUPS[group])
    assert run.returncode == 0, f"{run.stdout[-3000:]}\n{run.stderr[-4000:]}"
    assert run.stdout.splitlines()[0] == implementation()
    assert run.stdout.splitlines()[-1] == "clean"


@pytest.mark.parametrize("kind", ["objects", "references", "memory", "one object"])
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
        timeout=None if os.environ.get("SESSION_LEAK_CYCLES") else 250,  # seconds
    )
