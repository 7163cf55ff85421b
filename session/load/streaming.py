"""Rows that come in chunks from an open cursor, and become objects chunk by chunk.

In: the chunks of raw rows, and what loads one of them.  Out: lists of rows for a ``ChunkedResult``
(``load/result.py``), each loaded when the result has come to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy.exc import InvalidRequestError

from session.load.result import EMPTIED

__all__ = ["Source", "load_chunks"]


class Source:
    """The open cursor of a streamed result, as its result closes it.

    :param chunks: the generator of its rows.
    """

    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks

    def _soft_close(self, hard: bool = False, **keywords: Any) -> None:
        self.chunks.close()


def load_chunks(
    context: Any, chunks: Any, load: Callable[[Sequence[Any]], list[Any]], size: int
) -> Iterator[list[Any]]:
    """Load the first chunk now, the others as they are asked for.

    :param context: the run; ``None`` where the rows have no objects.
    :param chunks: the generator of raw rows.
    :param load: makes rows of values of a chunk.
    :param size: how many rows a full chunk has.
    :raises InvalidRequestError: while it is iterated: the Session has let go of its objects meanwhile.
    """
    first = next(chunks, ())
    loaded = load(first)
    emptied = None if context is None else context.session._emptied

    def following() -> Iterator[list[Any]]:
        yield loaded
        count = len(first)
        while True:
            if context is not None and context.session._emptied != emptied:
                chunks.close()
                if count < size:  # there are no more
                    return
                raise InvalidRequestError(
                    f"Cannot load the rest of a streamed result: {EMPTIED}; fetch all rows before that",
                    code="lkrp",
                )
            rows = next(chunks, None)
            if rows is None:
                return
            count = len(rows)
            yield load(rows)

    return following()
