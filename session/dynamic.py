"""``DynamicMapped``: collections that are read through a Query each time.

The older form of ``mapping/write_only.py``: the attribute gives an :class:`AppenderQuery`, which is a Query of the
objects in the collection and can be added to and removed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from sqlalchemy.util import warn

from session.instrument.base import state_label
from session.instrument.write_only import WriteOnlyAttribute
from session.mapping.aliased import as_read
from session.mapping.strategies import register
from session.mapping.write_only import LateCollection
from session.query import Query

__all__ = ["AppenderMixin", "AppenderQuery"]


class AppenderMixin(LateCollection):
    """What makes a Query class the collection of a "dynamic" relationship.

    For an object without row, it goes over what has been added.
    """

    _select: Any

    def __init__(self, prop: Any, attribute: Any, state: Any) -> None:
        LateCollection.__init__(self, prop, attribute, state)
        Query.__init__(self, prop.entity.entity, None)  # type: ignore[arg-type]
        statement = self._select.where(*as_read(prop.entity, [self._criterion()]))
        if prop.secondary is not None:
            statement = statement.select_from(prop.entity.entity, prop.secondary)
        self._select = statement.order_by(*as_read(prop.entity, prop.order_by)) if prop.order_by else statement
        self._is_whole = self._select

    @property
    def session(self) -> Any:
        """The Session of the object; pending changes of the object are flushed first, where it flushes by itself."""
        session = self.state.session
        if session is not None and session.autoflush and self.state in session.identity_map._modified:
            session._autoflush()
        return session if self.state.has_identity else None

    @session.setter
    def session(self, session: Any) -> None:
        """The Session is always that of the object."""

    def _pending(self) -> list[Any] | None:
        """Return the objects added, where that is all there is because the object has no row yet."""
        if self._select is not self._is_whole or self.session is not None:
            return None
        if self.state.has_identity:
            warn(
                f"{self.prop} of {state_label(self.state)} is read while the object is in no Session, so it shows only "
                f"what has been added to it; add the object to a Session first"
            )
        return list(self.attr.changes(self.state).added)

    def __iter__(self) -> Iterator[Any]:
        pending = self._pending()
        return super().__iter__() if pending is None else iter(pending)  # type: ignore[misc]

    def all(self) -> list[Any]:
        """Give all objects of the collection."""
        pending = self._pending()
        return super().all() if pending is None else pending  # type: ignore[misc]

    def first(self) -> Any:
        """Give the first object of the collection, or ``None``."""
        pending = self._pending()
        if pending is None:
            return super().first()  # type: ignore[misc]
        return pending[0] if pending else None

    def __getitem__(self, index: Any) -> Any:
        pending = self._pending()
        return super().__getitem__(index) if pending is None else pending[index]  # type: ignore[misc]

    def count(self) -> int:
        """Give the number of objects in the collection."""
        pending = self._pending()
        return super().count() if pending is None else len(pending)  # type: ignore[misc]

    def add(self, item: Any) -> None:
        """Add an object; it is written with the next flush."""
        self._add(item)

    append = add

    def add_all(self, iterator: Iterable[Any]) -> None:
        """Add several objects; they are written with the next flush."""
        for item in iterator:
            self._add(item)

    extend = add_all

    def remove(self, item: Any) -> None:
        """Remove an object; that is written with the next flush."""
        self._remove(item)


class AppenderQuery(AppenderMixin, Query[Any]):
    """A Query of the objects in one object's collection, which it also adds to and removes from."""


@register("relationship", "dynamic")
class DynamicStrategy:
    """The related objects are loaded by a Query whenever they are asked for.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop
        given = prop.query_class
        self.query_class: Any = AppenderQuery
        if given is not None and issubclass(given, AppenderMixin):
            self.query_class = given
        elif given is not None:
            self.query_class = type(f"Appender{given.__name__}", (AppenderMixin, given), {})

    def attribute_loader(self) -> None:
        """There is no loader: nothing is ever in the object."""

    def impl_options(self) -> dict[str, Any]:
        """Give the implementation that the attribute is to have."""
        make = partial(self.query_class, self.prop)
        return {"impl_class": partial(WriteOnlyAttribute, collection_of=make, iterated=_iterated(make))}


def _iterated(make: Any) -> Any:
    def rows(attribute: Any, state: Any) -> list[Any]:
        query = make(attribute, state)
        session = query.session
        if session is None:
            return []
        with session.no_autoflush:
            return list(Query.__iter__(query))

    return rows
