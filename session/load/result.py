"""Results whose rows have become objects.

In: the values of all parts, already loaded.  Out: a Core ``Result``, with everything that one can do.
A statement of one entity gives its objects as they are: no ``Row`` is made of them until somebody
asks for rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn

from sqlalchemy.engine import MergedResult, ScalarResult
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import InvalidRequestError

__all__ = [
    "EMPTIED",
    "NO_JOINED_CHUNKS",
    "ChunkedResult",
    "LoadedResult",
    "LoadedScalars",
    "empty_result",
    "holder",
    "require_unique",
    "result_metadata",
    "unique_filters",
]

NO_JOINED_CHUNKS = (
    "yield_per cannot go with collections that are loaded by joins, whose rows may continue in the next chunk; load "
    "them with selectinload() instead"
)

EMPTIED = "its Session was closed, or let go of all its objects, since the statement was executed"


class LoadedResult(IteratorResult[Any]):
    """All rows of a statement at hand.

    :param metadata: names of the columns.
    :param rows: the rows: tuples, or the objects themselves where ``scalars`` is true.
    :param scalars: a row is one value, which is not wrapped.
    :param session: the Session that has to hold the objects of these rows until the first row is taken, if any has to.
    """

    raw = None
    context = None
    fetched = False
    """Whether rows were taken one by one, so that ``rows`` are not what is left."""

    session: Any = None

    def __init__(self, metadata: Any, rows: list[Any], scalars: bool, session: Any = None) -> None:
        self._metadata = metadata
        self.rows = rows
        self.iterator = iter(rows)
        self._source_supports_scalars = scalars
        if session is not None:
            self.session = session
            self.emptied: int = session._emptied

    def scalars(self, index: Any = 0) -> ScalarResult[Any]:
        if self._source_supports_scalars:
            return LoadedScalars(self)
        return super().scalars(index)

    def merge(self, *others: Any) -> MergedResult[Any]:
        return merged(self, others)

    def scalar(self) -> Any:
        found = self.take_first(self._unique_filter_state)
        return super().scalar() if found is None else found

    def scalar_one(self) -> Any:
        found = self.take_first(self._unique_filter_state) if len(self.rows) == 1 else None
        return super().scalar_one() if found is None else found

    def scalar_one_or_none(self) -> Any:
        found = self.take_first(self._unique_filter_state) if len(self.rows) == 1 else None
        return super().scalar_one_or_none() if found is None else found

    def take_first(self, unique: Any) -> Any:
        """Give the first object and close the result, if that is simple.

        :param unique: the filter that the objects pass through.
        :return: ``None`` where Core has to see to it: no objects, some taken already, a filter, or tuples.
        """
        rows = self.rows
        if not rows or self.fetched or unique is not None or not self._source_supports_scalars:
            return None
        if self.session is not None and self.session._emptied != self.emptied:
            self.refuse()
        found = rows[0]
        if found is not None:
            self._soft_close(hard=True)
        return found

    def take_all(self) -> list[Any]:
        """Give all rows, of which none was taken yet."""
        rows = self.rows
        if self.session is not None and self.session._emptied != self.emptied:
            self.refuse()
        self._soft_close()
        return rows

    def begin(self) -> None:
        """Note that rows are taken one by one."""
        if not self.fetched:
            if self.session is not None and self.session._emptied != self.emptied:
                self.refuse()
            self.fetched = True

    def refuse(self) -> None:
        """Close the result whose objects the Session has let go of.

        :raises InvalidRequestError: there are rows.
        """
        rows = self.rows
        self._soft_close()
        if rows:
            raise InvalidRequestError(
                f"Cannot take the first row of a result: {EMPTIED}, so that its objects are in no Session; take "
                "its rows before that, for example by all()",
                code="lkrp",
            )

    def _soft_close(self, hard: bool = False, **keywords: Any) -> None:
        if hard:
            self._hard_closed = True
        self.rows = []
        self.iterator = iter(())
        if self._memoized_keys:
            self._reset_memoizations()
        self._soft_closed = True

    def _fetchall_impl(self) -> list[Any]:
        if self._hard_closed or self._soft_closed or self.fetched:
            return super()._fetchall_impl()
        return self.take_all()

    def _fetchone_impl(self, hard_close: bool = False) -> Any:
        self.begin()
        return super()._fetchone_impl(hard_close)

    def _fetchmany_impl(self, size: int | None = None) -> list[Any]:
        self.begin()
        return super()._fetchmany_impl(self._yield_per if size is None else size)

    def _fetchiter_impl(self) -> Iterator[Any]:
        self.begin()
        return super()._fetchiter_impl()

    def _raw_row_iterator(self) -> Iterator[Any]:
        self.begin()
        return super()._raw_row_iterator()


class LoadedScalars(ScalarResult[Any]):
    """The objects of a result of one entity.

    :param result: the result.
    """

    __slots__ = ()
    _real_result: LoadedResult

    def __init__(self, result: LoadedResult) -> None:
        self._real_result = result
        self._metadata = result._metadata
        self._post_creational_filter = None
        self._unique_filter_state = result._unique_filter_state

    def all(self) -> Sequence[Any]:
        result = self._real_result
        if self._unique_filter_state is None and not (result.fetched or result._soft_closed):
            return result.take_all()
        return super().all()

    def first(self) -> Any:
        found = self._real_result.take_first(self._unique_filter_state)
        return super().first() if found is None else found

    def one(self) -> Any:
        result = self._real_result
        found = result.take_first(self._unique_filter_state) if len(result.rows) == 1 else None
        return super().one() if found is None else found

    def one_or_none(self) -> Any:
        result = self._real_result
        found = result.take_first(self._unique_filter_state) if len(result.rows) == 1 else None
        return super().one_or_none() if found is None else found


class _InChunks:
    """What is asked of a result whose rows come in chunks."""

    forgets: bool

    def keys_to_compare(self, keys: Sequence[Callable[[Any], Any] | None]) -> Sequence[Callable[[Any], Any] | None]:
        """Give what ``unique()`` tells values apart by: never the ``id()`` of an object that may be gone by now.

        :param keys: what serves where all rows are at hand.
        :raises InvalidRequestError: rows are to be forgotten, so that their values cannot be told apart.
        """
        if self.forgets:
            raise InvalidRequestError(
                "unique() has to remember all rows, yield_per is there to forget them: leave one of them out, or tell "
                "values apart by a function of your own, as in unique(lambda user: user.id)"
            )
        return [_Held if key is id else key for key in keys]


class ChunkedResult(_InChunks, IteratorResult[Any]):
    """Rows that are fetched and loaded chunk by chunk, as they are asked for.

    :param metadata: names of the columns.
    :param chunks: yields lists of rows.
    :param scalars: a row is one value, which is not wrapped.
    :param raw: the cursor's result, closed with this one.
    :param size: how many rows a chunk has.
    :param forgets: the rows of a chunk may be forgotten before the next one comes, as ``yield_per`` has it.
    """

    def __init__(
        self,
        metadata: Any,
        chunks: Iterable[list[Any]],
        scalars: bool,
        raw: Any,
        size: int | None,
        forgets: bool = False,
    ) -> None:
        super().__init__(metadata, chain.from_iterable(chunks), raw=raw, _source_supports_scalars=scalars)
        self._yield_per = size
        self.forgets = forgets

    def merge(self, *others: Any) -> MergedResult[Any]:
        return merged(self, others)


class MergedChunks(_InChunks, MergedResult[Any]):
    """Several results in one, some of which come in chunks.

    :param results: the results; the first one says whether rows are forgotten.
    """

    def __init__(self, metadata: Any, results: Sequence[Any]) -> None:
        super().__init__(metadata, results)
        self.forgets = getattr(results[0], "forgets", False)

    def merge(self, *others: Any) -> MergedResult[Any]:
        return merged(self, others)


def merged(first: Any, others: Sequence[Any]) -> MergedResult[Any]:
    """Give the rows of several results as one result."""
    results = (first, *others)
    kind = MergedChunks if any(isinstance(each, _InChunks) for each in results) else MergedResult
    return kind(first._metadata, results)


class _Held:
    """Stands for an object among those that were seen, and keeps it alive."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    def __hash__(self) -> int:
        return id(self.obj)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self.obj is other.obj


def holder(session: Any, objects: bool, options: Mapping[str, Any]) -> Any:
    """Give the Session that has to hold a result's objects until they are read, if any has to.

    :param objects: whether the rows have objects.
    :param options: execution options; with ``prebuffer_rows`` the result does without the Session.
    """
    return session if objects and not options.get("prebuffer_rows") else None


def empty_result() -> LoadedResult:
    """Give the result of a statement that returns no rows."""
    made = LoadedResult(result_metadata([], [], []), [], False)
    made._soft_close()
    return made


def require_unique(result: Any) -> None:
    """Let a result refuse to give its rows until ``unique()`` is called on it."""
    result._unique_filter_state = (set(), _refuse)


def _refuse(value: Any) -> NoReturn:
    raise InvalidRequestError(
        "The rows of this result repeat objects, because collections are loaded by joins with their parents; "
        "call unique() on the result before rows are taken from it"
    )


def unique_filters(keys: Sequence[Callable[[Any], Any] | None]) -> Callable[[Any], Any]:
    """Give what ``unique()`` asks for: how the values of each column are told apart."""

    def filters(result: Any) -> Sequence[Callable[[Any], Any] | None]:
        return result.keys_to_compare(keys) if isinstance(result, _InChunks) else keys

    return filters


def result_metadata(
    names: Sequence[str | None],
    lookups: Sequence[tuple[Any, ...]],
    unique_keys: Sequence[Callable[[Any], Any] | None],
    processors: Sequence[Any] | None = None,
) -> SimpleResultMetaData:
    """Describe the columns of a result.

    :param names: their names.
    :param lookups: for each, further keys for ``row._mapping``.
    :param unique_keys: for each, the function whose value tells two values apart; ``None``: the value itself.
    :param processors: result processors, where rows are raw.
    """
    return SimpleResultMetaData(
        names,  # type: ignore[arg-type]
        extra=lookups,
        _processors=processors,
        _create_unique_filters=unique_filters(unique_keys),
    )
