"""How much memory a piece of work takes.

In: nothing. Out: a number of bytes, or NaN where nobody can tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import tracemalloc
except ImportError:
    CAN_TRACE = False
else:
    CAN_TRACE = True

_STATUS = Path("/proc/self/status")
_FORGET_HIGHEST = Path("/proc/self/clear_refs"), "5"
"""What Linux wants written where, so that the highest memory of a process counts from now on."""


@contextmanager
def traced() -> Iterator[Callable[[], float]]:
    """Trace allocations; the function that it gives says how many bytes of them are in use. PyPy cannot do this."""
    if not CAN_TRACE:
        yield lambda: math.nan
        return
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@contextmanager
def highest() -> Iterator[Callable[[], float]]:
    """The function that it gives says how far above its start the memory of this process has been. Linux only."""
    if not _STATUS.exists():
        yield lambda: math.nan
        return
    path, wish = _FORGET_HIGHEST
    path.write_text(wish)
    start = _status("VmRSS")
    yield lambda: _status("VmHWM") - start


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024
