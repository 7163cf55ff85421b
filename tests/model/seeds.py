"""The fixed programs of many seeds, to the end, whatever is found on the way:

    python -m tests.model.seeds [NUMBER [FIRST [postgresql|sqlite [wide]]]]

on SQLite, or on a PostgreSQL server of their own; of the steps in ``steps``, or of those in ``wide_steps``, too. For each program that is different it prints the seed and the difference, and the program made small: settings as they are
by default, and no step that it does not take.
"""

# ruff: noqa: T201

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import postgresql
from .machine import SCHOOL_WORLDS, SHOP_WORLDS, Worlds, fixed_program
from .models import SHOP
from .school import SCHOOL
from .wide_steps import WIDE
from .world import Settings

Steps = list[tuple[str, tuple[Any, ...]]]

ROUNDS = 2
"""How often all steps are tried to be left out."""


def main(number: int = 20_000, first: int = 0, database: str = "sqlite", steps: str = "") -> int:
    """Run programs of both schemas, half of them of each.

    :param database: ``"sqlite"`` or ``"postgresql"``.
    :param steps: ``"wide"`` for all steps.
    :return: 0 if none was different.
    """
    found, started = 0, time.monotonic()
    with worlds_on(database) as both:
        for name, worlds in both.items():
            if steps == "wide":
                name, worlds = f"wide {name}", worlds.with_steps(WIDE)
            found += sum(look_at(name, worlds, seed) for seed in range(first, first + number // 2))
    print(f"{number} programs, {found} different, {time.monotonic() - started:.0f} seconds")
    return 1 if found else 0


@contextmanager
def worlds_on(database: str) -> Iterator[dict[str, Worlds]]:
    """Give the worlds of each schema on a database, by name."""
    if database == "sqlite":
        yield {"shop": SHOP_WORLDS, "school": SCHOOL_WORLDS}
        return
    with postgresql.database() as url:
        both = {"shop": Worlds(SHOP, url), "school": Worlds(SCHOOL, url)}
        try:
            yield both
        finally:
            for worlds in both.values():
                worlds.dispose()


def look_at(name: str, worlds: Worlds, seed: int) -> bool:
    """Run one program, and print it made small if it is different.

    :return: whether it is.
    """
    steps, chosen = fixed_program(worlds, seed)
    difference = run(worlds, steps, chosen)
    if difference is None:
        return False
    print(f"{name} {seed}:", difference, sep="\n", flush=True)
    steps, chosen = made_small(worlds, steps, chosen, kind_of(difference))
    print("made small:", chosen, *steps, sep="\n    ", end="\n\n", flush=True)
    return True


def run(worlds: Worlds, steps: Steps, chosen: dict[str, bool]) -> str | None:
    """Run one program.

    :return: what is different, or how it broke; ``None`` if nothing is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            worlds.replay(steps, **chosen)
    except Exception as error:
        return str(error) if isinstance(error, AssertionError) else repr(error)
    return None


def kind_of(difference: str) -> tuple[str, ...]:
    """The step after which it was seen, and the names of what was different: equal for programs that fail alike."""
    first, *lines = difference.splitlines()
    return first.partition("(")[0], *sorted({line.partition(":")[0].rpartition(".")[2] for line in lines})


def made_small(
    worlds: Worlds, steps: Steps, chosen: dict[str, bool], kind: tuple[str, ...]
) -> tuple[Steps, dict[str, bool]]:
    """Leave out of a program what it does not need to be different in the same way."""

    def same(steps: Steps, chosen: dict[str, bool]) -> bool:
        difference = run(worlds, steps, chosen)
        return difference is not None and kind_of(difference) == kind

    for name, default in Settings()._asdict().items():
        if same(steps, {**chosen, name: default}):
            chosen = {**chosen, name: default}
    for _ in range(ROUNDS):
        for place in reversed(range(len(steps))):
            fewer = steps[:place] + steps[place + 1 :]
            if same(fewer, chosen):
                steps = fewer
    return steps, chosen


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    sys.exit(main(*given, **dict(zip(("database", "steps"), sys.argv[3:]))))
