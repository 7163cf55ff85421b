"""Meddling user code does not crash the process, and leaves a Session that works after ``rollback()`` and ``close()``.

A sample of all combinations of work, place and meddling; ``SESSION_REENTRY_ALL=1`` takes all.
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

from .memcheck import ours

ROOT = Path(__file__).parents[2]
ALL = bool(os.environ.get("SESSION_REENTRY_ALL"))
SEEDS = ("0",) if ALL else ("1", "2", "3") if implementation() == "compiled" else ("1",)


@pytest.mark.skipif(WATCHED, reason="these have engines of their own")
@pytest.mark.parametrize("seed", SEEDS)
def test_meddling_user_code(seed: str, tmp_path: Path) -> None:
    log = tmp_path / "under way"
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.reentry.program", "0" if ALL else "800", seed, log],
        cwd=ROOT,
        env={**environment(), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=None if ALL else 250,  # seconds
    )
    assert run.returncode == 0, f"{run.returncode} at: {log.read_text()}\n{run.stdout[-500:]}\n{run.stderr[-4000:]}"
    lines = run.stdout.splitlines()
    assert lines[0] == implementation()
    assert lines[-1] == "alive"


_FRAMES = """\
==1== Invalid read of size 8
==1==    at 0x4A: Py_TYPE (object.h:133)
==1==    by 0x4B: {frame}
==1==    by 0x4C: _PyEval_Vector (ceval.c:6434)
==1==\x20
==1== ERROR SUMMARY: 1 errors from 1 contexts (suppressed: 0 from 0)
"""


@pytest.mark.parametrize(
    ("frame", "count"),
    [
        ("__pyx_pw_7session_3_cy_5state_1f (state.c:2022)", 1),
        ("??? (in /x/session/_cy/state.cpython-311-x86_64-linux-gnu.so)", 1),
        ("subtype_traverse (typeobject.c:1201)", 0),
    ],
)
def test_what_valgrind_says_of_the_compiled_modules_is_found(frame: str, count: int) -> None:
    assert len(ours(_FRAMES.format(frame=frame))) == count
