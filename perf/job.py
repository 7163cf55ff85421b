"""What a job is, and how one run of it is measured.

A program is a generator in three parts, divided by two `yield`s: set-up, the part that counts, and a check:

    def load(world, count):
        world.seed_people(count)
        with world.session() as session:
            yield
            people = session.scalars(select(world.Person)).all()
            yield
        return [len(people)]

In: a `Job`, a world, a count. Out: a `Measurement`. Next on the way: `catalogue.py` lists the jobs, `worker.py`
runs them on demand.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from perf import memory
from perf.world import HandWorld, OrmWorld, World

Check = list[int]
Steps = Generator[None, None, Check]
Program = Callable[[OrmWorld, int], Steps]
Meter = Literal["seconds", "bytes"]


@dataclass(frozen=True)
class Job:
    """One piece of work, written once for the ORMs and once by hand.

    Parameters:
        name: what the command line calls it.
        title: what the table calls it.
        count: how many things it works on at scale 1.
        with_orm: the program for `session` and `sqlalchemy.orm`.
        by_hand: the same work on the bare driver.
        meter: `"seconds"` of CPU, or `"bytes"` for each of the `count` things.
        at_most: contender -> the largest count that it can be asked for in reasonable time.
    """

    name: str
    title: str
    count: int
    with_orm: Program
    by_hand: Callable[[HandWorld, int], Steps]
    meter: Meter = "seconds"
    at_most: Mapping[str, int] = field(default_factory=dict)

    def scaled(self, scale: float) -> int:
        """How many things the job works on at this scale; never less than two."""
        return max(2, round(self.count * scale))

    def steps(self, world: World, count: int) -> Steps:
        """The program for this kind of world, not started yet."""
        if isinstance(world, OrmWorld):
            return self.with_orm(world, count)
        assert isinstance(world, HandWorld)
        return self.by_hand(world, count)


@dataclass(frozen=True)
class Measurement:
    """What one run showed: CPU seconds or bytes per thing, wall-clock seconds, and the value to check."""

    value: float
    wall: float
    check: Check


def finish(steps: Steps) -> Check:
    """Run a program from its second `yield` to its end and hand back its check."""
    try:
        next(steps)
    except StopIteration as end:
        check: Check = end.value
        return check
    raise AssertionError("a program has exactly two yields")


def measure(job: Job, world: World, count: int) -> Measurement:
    """Run `job` once on clean tables. The collector stays on, but starts from an empty slate."""
    world.clean()
    steps = job.steps(world, count)
    next(steps)
    gc.collect()
    if job.meter == "bytes":
        return _measure_bytes(steps, count)
    wall, cpu = time.perf_counter(), time.process_time()
    next(steps)
    cpu_spent, wall_spent = time.process_time() - cpu, time.perf_counter() - wall
    return Measurement(cpu_spent, wall_spent, finish(steps))


def _measure_bytes(steps: Steps, count: int) -> Measurement:
    wall = time.perf_counter()
    with memory.traced() as used:
        next(steps)
        gc.collect()
        bytes_used = used()
    wall_spent = time.perf_counter() - wall
    return Measurement(bytes_used / count, wall_spent, finish(steps))
