"""A process in which one contender runs jobs on demand: `python -m perf.worker CONTENDER URL`.

In, one JSON line each on standard input: `{"job": name, "count": n}`. Out, one JSON line each on standard output:
first `{"ready": true}` or `{"error": why}`, then for each request the measurement, or `{"error": why}`. The end of
the input ends the worker. `WorkerProcess` is the other end of the line. Next on the way: `runner.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perf.catalogue import JOBS
from perf.contenders import CONTENDERS, Contender
from perf.job import Measurement, measure

ROOT = Path(__file__).parent.parent


class WorkerError(Exception):
    """A worker could not start, or a job failed in it; the message says why."""


class WorkerProcess:
    """The parent's end of one worker.

    Raises:
        WorkerError: the contender cannot be imported, or the database cannot be reached.
    """

    def __init__(self, contender: Contender, url: str) -> None:
        self.contender = contender
        self._process = subprocess.Popen(
            [sys.executable, "-m", "perf.worker", contender.name, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **contender.environment},
        )
        self._receive()

    def run(self, job: str, count: int) -> Measurement:
        """Run one job once.

        Raises:
            WorkerError: it failed there; the worker stays usable.
        """
        assert self._process.stdin is not None
        print(json.dumps({"job": job, "count": count}), file=self._process.stdin, flush=True)
        return Measurement(**self._receive())

    def close(self) -> None:
        """Let the worker finish."""
        self._process.communicate()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"the process ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer


def serve(contender: Contender, url: str) -> None:
    """Answer requests until the input ends."""
    try:
        world = contender.world(url)
        world.clean()
    except Exception as error:
        _send({"error": f"{type(error).__name__}: {error}"})
        return
    _send({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            _send(asdict(measure(JOBS[request["job"]], world, request["count"])))
        except Exception as error:
            traceback.print_exc()
            _send({"error": f"{type(error).__name__}: {error}"})
    world.close()


def _send(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(CONTENDERS[sys.argv[1]], sys.argv[2])
