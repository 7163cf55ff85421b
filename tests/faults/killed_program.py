"""Forks children that run a scenario and are killed at one call of the driver; says what was in the database then.

Run with the URL of the database, the name of a scenario, and how many of its calls to try.  For each call one line: its
number, before it or after it, and ``before``, ``after`` or what else was found.
"""

# ruff: noqa: T201

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sqlalchemy import make_url

from session import implementation
from tests.conftest import Database

from .bench import Bench
from .scenarios import SCENARIOS, TWO_PHASE
from .test_driver_errors import sample


def main(url: str, name: str, most: str) -> None:
    print(implementation())
    address = make_url(url)
    twophase = name in TWO_PHASE
    scenario = {**SCENARIOS, **TWO_PHASE}[name]
    bench = Bench(Database(address.get_backend_name(), address), twophase=twophase)
    bench.untouched(scenario)
    before, after, calls = bench.untouched(scenario)
    for at in sample(len(calls), int(most)):
        for late in (False, True):
            bench.reset()
            bench.plain.dispose()
            died = in_child(bench, scenario, at, late)
            in_doubt = bench.clear_prepared()
            present = bench.contents()
            found = "before" if present == before else "after" if present == after else repr(present)
            print(at, calls[at - 1].kind, late, died, in_doubt, found, sep="\t", flush=True)


def in_child(bench: Bench, scenario: Any, at: int, late: bool) -> bool:
    """Run the scenario in a process that is killed.

    :return: whether it was, and did not end otherwise.
    """
    child = os.fork()
    if not child:
        try:
            end = {"after" if late else "before": lambda: os.kill(os.getpid(), signal.SIGKILL)}
            bench.faults.watch(at, **end)
            with bench.session() as session:
                scenario(session, [])
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


if __name__ == "__main__":
    main(*sys.argv[1:])
