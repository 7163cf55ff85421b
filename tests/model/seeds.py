"""The fixed programs of many seeds, to the end, whatever is found on the way:   python -m tests.model.seeds [NUMBER [FIRST]]

For each program that is different it prints the seed and the difference, and the program made small: settings as they are
by default, and no step that it does not take.
"""

# ruff: noqa: T201

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

from .machine import SCHOOL_WORLDS, SHOP_WORLDS, Worlds, fixed_program
from .world import Settings

Steps = list[tuple[str, tuple[Any, ...]]]

ROUNDS = 2
"""How often all steps are tried to be left out."""


def main(number: int = 20_000, first: int = 0) -> int:
    """Run programs of both schemas, half of them of each.

    :return: 0 if none was different.
    """
    found, started = 0, time.monotonic()
    for name, worlds in (("shop", SHOP_WORLDS), ("school", SCHOOL_WORLDS)):
        for seed in range(first, first + number // 2):
            steps, chosen = fixed_program(worlds.schema, seed)
            difference = run(worlds, steps, chosen)
            if difference is not None:
                found += 1
                print(f"{name} {seed}:", difference, sep="\n", flush=True)
                steps, chosen = made_small(worlds, steps, chosen, kind_of(difference))
                print("made small:", chosen, *steps, sep="\n    ", end="\n\n", flush=True)
    print(f"{number} programs, {found} different, {time.monotonic() - started:.0f} seconds")
    return 1 if found else 0


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
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(*given))
