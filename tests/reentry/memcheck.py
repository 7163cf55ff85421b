"""Runs the programs that use the compiled modules most, under valgrind:   python -m tests.reentry.memcheck

The interpreter has findings of its own; what counts is a finding with a compiled module among its innermost frames.
"""

# ruff: noqa: T201

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARITY = ("state", "loading", "test_identity.py", "test_mutators.py", "test_merging.py", "test_topological.py")
INNERMOST = 8
_OURS = re.compile(r"__pyx_|session/_cy/")


def main() -> int:
    programs = [
        ["-m", "tests.reentry.program", "150", "2", os.devnull],
        *(
            ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0", "-k", "compiled", path]
            for path in (f"tests/parity/{name}" for name in PARITY)
        ),
    ]
    return max(checked(program) for program in programs)


def checked(program: list[str]) -> int:
    """Run a program under valgrind and print what it has found in the compiled modules.

    :return: 0 if that is nothing.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        valgrind = ["valgrind", "--tool=memcheck", "--leak-check=no", "--num-callers=24", f"--log-file={log.name}"]
        run = subprocess.run(
            [*valgrind, sys.executable, *program],
            cwd=ROOT,
            env={**os.environ, "PYTHONMALLOC": "malloc", "SESSION_PURE_PYTHON": "0", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        said = log.read()
    found = ours(said)
    print(" ".join(program), "ended with", run.returncode, "and has", len(found), "findings", flush=True)
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
