"""How many instructions the programs take, counted by valgrind's callgrind: noise of the machine does not touch it.

One process of one contender runs all jobs in a row under valgrind, in SQLite in memory; `requests.c` has only the part
between the two `yield`s of a program counted. Each job runs unmeasured first, then at two sizes: the smaller count is
the *small run*, most of which may be what a statement costs before its first row; the difference of the two, by the
number of things, is what *each* more of them costs. What one process counts, the next one counts too, within a few in
ten thousand, because what varies is fixed: hash seed, addresses, environment, and the collector's thresholds.

In: a contender and names of jobs. Out: a `Count` for each job. Next on the way: `baseline.py`.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from perf import environment as python_environment
from perf.catalogue import JOBS
from perf.contenders import Contender
from perf.databases import IN_MEMORY
from perf.job import Job, finish
from perf.world import World

ROOT = Path(__file__).parent.parent
CPU = Path("/proc/cpuinfo")
REQUESTS = Path(__file__).with_name("requests.c")

SMALL, LARGE = 50, 150
CHEAP = 20
"""Jobs without SQL for each thing run with this many times the things."""
CHEAP_JOBS = {"get_hit", "construct", "attribute_get", "attribute_set", "sort_random", "sort_chain"}

COUNTED = tuple(job.name for job in JOBS.values() if job.meter == "seconds" and not job.at_most)
"""Every job that measures time, but the one that is another with more things."""

ONE_LAYOUT = (0,)
LAYOUTS = (0, 1)
"""Processes with another number have their objects at other addresses, on which the look-ups in dictionaries and sets
depend a little."""

YOUNG_ONLY = (2_000, 1_000_000, 1_000_000)
"""Collections of young objects are part of the cost; whether an old one falls into a run would be chance."""


_SERVE = """
displaced = [bytes(size) for size in range(1, 512, 16) for _ in range({layout} * 97)]
import sys
from perf.contenders import CONTENDERS
from perf.instructions import serve
serve(CONTENDERS[sys.argv[1]], sys.argv[2], sys.argv[3:])
"""


class CannotCount(Exception):
    """valgrind, its headers or a compiler are missing, or a program failed; the message says which."""


@dataclass(frozen=True)
class Count:
    """Instructions of the small run, and of each more thing.

    `spread` is how far apart the processes were that counted, as a share.
    """

    small: float
    each: float
    spread: float = 0.0


def sizes(job: Job) -> tuple[int, int]:
    """The two numbers of things that a job is counted with."""
    factor = CHEAP if job.name in CHEAP_JOBS else 1
    return SMALL * factor, LARGE * factor


def environment() -> dict[str, str]:
    """What counts depend on besides the code, with the tools that make them."""
    vectors = {"avx", "avx2"}.intersection(CPU.read_text().split()) if CPU.exists() else ()
    tools = {name: _first_line([name, "--version"]) for name in (os.environ.get("CC", "cc"), "valgrind")}
    return {**python_environment.here(), **tools, "vectors": " ".join(sorted(vectors))}


def count(
    contender: Contender, jobs: Iterable[str] = COUNTED, *, layouts: Sequence[int] = ONE_LAYOUT, root: Path = ROOT
) -> dict[str, Count]:
    """Count the instructions of some jobs.

    Parameters:
        contender: who runs them.
        jobs: their names.
        layouts: numbers, for each of which a process counts; the median is taken.
        root: the folder from which `perf` and `session` are imported.

    Raises:
        CannotCount: something that is needed is not there, or a program failed.
    """
    names = tuple(jobs)
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", **contender.environment}
    library = _library(root)
    # Without valgrind first: a module that is compiled now, and not read from its cache, shifts all that comes after.
    _run([*_in_process(0), contender.name, "-", *names], root, environment)
    counts = [
        _count_under_valgrind([*_in_process(layout), contender.name, str(library), *names], root, environment)
        for layout in layouts
    ]
    return {name: _middle([_count_of(JOBS[name], totals) for totals in counts]) for name in names}


def _in_process(layout: int) -> list[str]:
    """The command of a process that calls `serve`, after it has moved all that it will import to other addresses."""
    return [sys.executable, "-c", _SERVE.format(layout=layout)]


def _count_under_valgrind(command: list[str], root: Path, environment: dict[str, str]) -> dict[str, int]:
    """`JOB/NUMBER` -> instructions."""
    with tempfile.TemporaryDirectory(prefix="session-count-") as folder:
        out = f"--callgrind-out-file={Path(folder, 'out')}"
        valgrind = [_program("valgrind"), "--tool=callgrind", "--instr-atstart=no", out]
        _run([*_same_addresses(), *valgrind, *command], root, environment)
        return dict(map(_total, Path(folder).glob("out.*")))


def _run(command: list[str], root: Path, environment: dict[str, str]) -> None:
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ended = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, **output)  # type: ignore[call-overload]
    if ended.returncode:
        raise CannotCount(f"{' '.join(command)} failed:\n{ended.stdout}")


def _middle(counts: list[Count]) -> Count:
    small, each = [count.small for count in counts], [count.each for count in counts]
    spread = max(max(values) / min(values) - 1 for values in (small, each))
    return Count(statistics.median(small), statistics.median(each), round(spread, 4))


def serve(contender: Contender, library: str, jobs: Iterable[str]) -> None:
    """Run jobs in this process; if `library` names one, the process is under callgrind, and writes a file for each."""
    requests = None if library == "-" else ctypes.CDLL(library)
    world = contender.world(IN_MEMORY)
    gc.set_threshold(*YOUNG_ONLY)
    for job in map(JOBS.__getitem__, jobs):
        small, large = sizes(job)
        _run_once(job, world, small)
        for number in (small, large):
            _run_once(job, world, number, requests, f"{job.name}/{number}".encode())


def _run_once(job: Job, world: World, number: int, requests: ctypes.CDLL | None = None, name: bytes = b"") -> None:
    world.clean()
    steps = job.steps(world, number)
    next(steps)
    gc.collect()
    if requests is not None:
        requests.start_counting()
    next(steps)
    if requests is not None:
        requests.stop_counting(name)
    finish(steps)


def _count_of(job: Job, totals: dict[str, int]) -> Count:
    small, large = sizes(job)
    in_small, in_large = totals[f"{job.name}/{small}"], totals[f"{job.name}/{large}"]
    return Count(in_small, round((in_large - in_small) / (large - small), 1))


def _total(file: Path) -> tuple[str, int]:
    text = file.read_text(encoding="utf-8")
    name = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE)
    total = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
    return (name[1], int(total[1])) if name and total else ("", 0)


def _library(root: Path) -> Path:
    """`requests.c` compiled; in the same place each time, since even its name would change what is counted a little."""
    library = root / "build" / "perf" / "requests.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    compiler = _program(os.environ.get("CC", "cc"))
    made = subprocess.run([compiler, "-shared", "-fPIC", "-o", library, REQUESTS], capture_output=True, text=True)
    if made.returncode:
        raise CannotCount(f"requests.c does not compile, which needs the headers of valgrind:\n{made.stderr}")
    return library


def _same_addresses() -> list[str]:
    """A prefix that has the kernel put everything at the same addresses each time; not every container allows it."""
    setarch = shutil.which("setarch")
    if setarch is None:
        return []
    prefix = [setarch, "-R"]
    return prefix if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0 else []


def _first_line(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise CannotCount(f"{name} is not installed")
    return found
