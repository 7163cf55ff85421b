"""Runs what uses the compiled modules most, under valgrind:   python -m tests.reentry.memcheck

* the programs of this folder, in which user code meddles: a number of combinations by chance;
* of the parity tests of every compiled module, each test with its first two parameters; not those with programs drawn by
  hypothesis, those of the pure modules, and those that run in processes of their own;
* some of the fixed random programs of ``tests/model``, for flushes and loads as a whole.

Every finding is an error where a compiled module is among its innermost frames: reads and writes of memory that is not
there or no longer, and decisions on values that nobody has set. Leaks are not looked for here, ``tests/leaks`` does that.
The interpreter may have findings of its own; these are counted.
"""

# ruff: noqa: T201

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = "2"
"""So many parameters of each parity test; natively these tests take some seconds, here fifty times as long."""

COMBINATIONS = "1000"
MODELS = [
    f"tests/model/test_programs.py::test_fixed_program[{number}-{world}]"
    for world in ("shop", "school")
    for number in range(0, 80, 4)
]
VALGRIND = ("valgrind", "--tool=memcheck", "--leak-check=no", "--num-callers=24", "--error-limit=no")
SETTINGS = {"PYTHONMALLOC": "malloc", "SESSION_PURE_PYTHON": "0", "SESSION_PARITY_SAMPLE": SAMPLE}
INNERMOST = 8
_OURS = re.compile(r"__pyx_|session/_cy/")


def main() -> int:
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0"]
    programs = [
        ["-m", "tests.reentry.program", COMBINATIONS, "2", os.devnull],
        [*tests, "tests/parity"],
        [*tests, *MODELS],
    ]
    return max(checked(program) for program in programs)


def checked(program: list[str]) -> int:
    """Run a program under valgrind and print what it has found in the compiled modules.

    :return: 0 if that is nothing.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        started = time.monotonic()
        run = subprocess.run(
            [*VALGRIND, f"--log-file={log.name}", sys.executable, *program],
            cwd=ROOT,
            env={**os.environ, **SETTINGS, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        said = log.read()
    found = ours(said)
    minutes = (time.monotonic() - started) / 60
    print(" ".join(program[:6]), "ended with", run.returncode, f"after {minutes:.1f} minutes:", flush=True)
    print(*run.stdout.splitlines()[-1:], *re.findall("ERROR SUMMARY.*", said), f"{len(found)} of ours", sep="; ")
    for each in found:
        print(each, end="\n\n")
    if run.returncode or "ERROR SUMMARY" not in said:
        print(run.stdout[-2000:], run.stderr[-4000:])
        return 1
    return 1 if found else 0


def ours(said: str) -> list[str]:
    """Give those findings in which a compiled module of the package is among the innermost frames.

    :param said: what valgrind wrote.
    """
    findings = []
    for block in re.split(r"^==\d+== *$", said, flags=re.MULTILINE):
        frames = re.findall(r"^==\d+==\s+(?:at|by) 0x.*$", block, flags=re.MULTILINE)
        if any(_OURS.search(frame) for frame in frames[:INNERMOST]):
            findings.append(block.strip())
    return findings


if __name__ == "__main__":
    sys.exit(main())
