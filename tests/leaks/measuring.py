"""Does the same work over and over, and compares what there is before and after.

Counted are objects by type, references to things that live for ever (a reference that is taken and not given
back shows on nothing else), and memory: blocks that the interpreter has handed out, and bytes, as the allocator of the
C library counts them, so that those of drivers are among them.  That costs nothing while the work is done, unlike
``tracemalloc``, which takes the bytes' place where there is another C library.  In a debug build of Python all
references are counted as well.
"""

# ruff: noqa: T201

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

CYCLES = int(os.environ.get("SESSION_LEAK_CYCLES", "0"))
"""How many lives of each kind there are at least; without it, as many as each case says."""

BYTES = 40
"""What memory may grow by in each cycle: dictionaries grow in steps, sqlite3 remembers its last 200 cursors."""

SLACK = 60_000
BLOCKS = 1000
"""How many blocks may come and go, however often the work is done."""

FEW = 1000
"""With more cycles than that, the collector runs more rarely, which saves a third of the time."""

_IGNORED = (weakref.ref, weakref.ProxyType)  # sqlite3 keeps them for its last cursors


def measure(
    work: Callable[[], Iterable[Any] | None],
    cycles: int,
    lasting: Iterable[Any] = (),
    warm_up: int = 30,
    slack: int = SLACK,
    lives: int = 1,
) -> None:
    """Do some work many times; fail if anything is left of it.

    :param work: gives objects that have to be gone when it is over, if it likes.
    :param cycles: how often.
    :param lasting: things that live for ever; the references to them are counted.
    :param warm_up: how often before it is measured.
    :param slack: bytes that may come and go, however often.
    :param lives: how many lives of the same kind are in one cycle.
    """
    cycles = max(cycles, CYCLES // lives)
    things = list(lasting)
    memory = Memory()
    if cycles > FEW:
        gc.set_threshold(50_000, 20, 20)
    for _ in range(warm_up):
        work()
    collect()
    types_before, references_before, total_before = _types(), _references(things), _total()
    work()
    collect()
    memory.remember()
    for _ in range(cycles):
        work()
    gone = [weakref.ref(each) for each in work() or ()]
    collect()
    blocks, grown = memory.growth()
    total = _total()  # before there are more counts of types
    types, references = _types(), _references(things)
    limit = max(50, cycles // 5)
    more = {kind: count for kind, count in (types - types_before).items() if count > limit}
    counted = zip(things, references, references_before)
    held = {_name(thing): now - then for thing, now, then in counted if abs(now - then) > 3 * limit}
    print(
        f"{work.__name__}: {cycles} cycles, {blocks} blocks, {grown} bytes, {more or 'no'} more objects, {held or 'no'} more references"
    )
    assert not more, (work.__name__, "more objects", more)
    assert not held, (work.__name__, "more references, or fewer", held)
    assert blocks < BLOCKS * slack // SLACK + cycles // 5, (work.__name__, "blocks", blocks)
    assert grown < slack + cycles * BYTES, (work.__name__, "bytes", grown)
    assert total - total_before < 500 + cycles, (work.__name__, "references in all", total - total_before)
    alive = [each() for each in gone if each() is not None]
    assert not alive, (work.__name__, "still alive", alive)


def collect() -> None:
    """Collect garbage until there is none: what one collection takes away may have held more."""
    for _ in range(10):
        if not gc.collect():
            return


class Memory:
    """What is in use: blocks of the interpreter, bytes of all the process."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None)
        self.told = hasattr(self.library, "mallinfo2")
        if self.told:
            self.library.mallinfo2.restype = _MallInfo
        else:
            tracemalloc.start()
        self.before = (0, 0)

    def remember(self) -> None:
        self.before = self._in_use()

    def growth(self) -> tuple[int, int]:
        """Give what has become more since then: blocks, bytes."""
        blocks, size = self._in_use()
        tracemalloc.stop()
        return blocks - self.before[0], size - self.before[1]

    def _in_use(self) -> tuple[int, int]:
        if not self.told:
            return sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]
        info = self.library.mallinfo2()
        return sys.getallocatedblocks(), info.uordblks + info.hblkhd


_COUNTED = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in _COUNTED]


def _total() -> int:
    count = getattr(sys, "gettotalrefcount", None)
    return count() if count is not None else 0


def _types() -> Counter[str]:
    kinds = Counter(map(type, gc.get_objects()))
    return Counter({f"{kind.__module__}.{kind.__qualname__}": n for kind, n in kinds.items() if kind not in _IGNORED})


def _references(things: list[Any]) -> list[int]:
    return [sys.getrefcount(thing) for thing in things]


def _name(thing: Any) -> str:
    return f"{type(thing).__name__} {thing!r}"[:80]
