"""Running a program of ``isolated/`` in a process with one implementation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def printed(program: str, *arguments: str, implementation: str) -> list[str]:
    """Run a program, and give the lines that it printed; the first one names the implementation.

    :raises AssertionError: it failed or crashed; with what it wrote on its error output.
    """
    environment = {
        **os.environ,
        "SESSION_PURE_PYTHON": {"compiled": "0", "pure": "1"}[implementation],
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", f"tests.parity.isolated.{program}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,  # seconds
    )
    assert run.returncode == 0, f"{program} ended with {run.returncode}\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}"
    lines = run.stdout.splitlines()
    assert lines[0] == implementation
    return lines
