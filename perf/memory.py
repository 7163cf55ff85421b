"""How much memory Python has allocated since a moment, where the interpreter can tell.

In: nothing. Out: a number of bytes, or NaN on PyPy, which has no `tracemalloc`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

try:
    import tracemalloc
except ImportError:
    CAN_TRACE = False
else:
    CAN_TRACE = True


@contextmanager
def traced() -> Iterator[Callable[[], float]]:
    """Trace allocations; the function that it gives says how many bytes of them are still in use."""
    if not CAN_TRACE:
        yield lambda: math.nan
        return
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
