"""``WriteOnlyMapped``: collections that are written through the object and read by statements of one's own.

The attribute gives a :class:`WriteOnlyCollection`.  What is added and removed is kept by
``instrument/write_only.py`` until the flush; ``dynamic.py`` has the older form that reads through a Query.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from sqlalchemy import bindparam, delete, insert, select, tuple_, update
from sqlalchemy.exc import InvalidRequestError

from session.instrument.write_only import WriteOnlyAttribute
from session.mapping.aliased import as_read
from session.mapping.comparators import compared_to, value_reader
from session.mapping.strategies import register

__all__ = ["LateCollection", "WriteOnlyCollection"]

_T = TypeVar("_T")


class LateCollection:
    """What collections that stay in the database have in common.

    :param attribute: the attribute's implementation.
    :param state: the state of the object that has it.
    """

    def __init__(self, prop: Any, attribute: Any, state: Any) -> None:
        self.prop = prop
        self.attr = attribute
        self.instance = state.obj()
        self.state = state

    def _add(self, item: Any) -> None:
        self.attr.append(self.state, self.state.dict, item, None)

    def _remove(self, item: Any) -> None:
        self.attr.remove(self.state, self.state.dict, item, None)

    def _criterion(self) -> Any:
        return compared_to(self.prop, self.instance, obj_is_parent=True, alias_secondary=False)


class WriteOnlyCollection(LateCollection, Generic[_T]):
    """A collection that can be added to and removed from without being loaded.

    It makes the statements to read or change its rows; they are run by the Session::

        session.scalars(account.transactions.select().where(Transaction.amount > 100))
    """

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"{self.prop} is write-only and cannot be iterated; run its select() with session.scalars() instead"
        )

    def add(self, item: _T) -> None:
        """Add an object; it is written with the next flush."""
        self._add(item)

    def add_all(self, iterator: Iterable[_T]) -> None:
        """Add several objects; they are written with the next flush."""
        for item in iterator:
            self._add(item)

    def remove(self, item: _T) -> None:
        """Remove an object; that is written with the next flush."""
        self._remove(item)

    def select(self) -> Any:
        """Return a SELECT of the objects in the collection, to be narrowed further and run by the Session."""
        prop = self.prop
        statement = select(prop.entity.entity).where(*as_read(prop.entity, [self._criterion()]))
        if prop.secondary is not None:
            statement = statement.select_from(prop.entity.entity, prop.secondary)
        return statement.order_by(*as_read(prop.entity, prop.order_by)) if prop.order_by else statement

    def insert(self) -> Any:
        """Return an INSERT for rows of the collection, which has the foreign key set; run it with a list of values.

        :raises InvalidRequestError: if the relationship goes over a secondary table.
        """
        prop = self.prop
        if prop.secondary is not None:
            raise InvalidRequestError(
                f"{prop} goes over a secondary table, which one INSERT into the target cannot fill; add objects to it"
            )
        values = {
            target.key: bindparam(None, callable_=value_reader(prop, self.state, source), type_=source.type)
            for source, target in prop.synchronize_pairs
        }
        return insert(prop.entity.entity).values(**values)

    def update(self) -> Any:
        """Return an UPDATE of the rows of the collection, to be given values and run by the Session."""
        return update(self.prop.entity.entity).where(self._own_rows())

    def delete(self) -> Any:
        """Return a DELETE of the rows of the collection, to be run by the Session."""
        return delete(self.prop.entity.entity).where(self._own_rows())

    def _own_rows(self) -> Any:
        """Return the condition that a row belongs to the collection."""
        prop = self.prop
        if prop.secondary is None:
            return self._criterion()
        keys = prop.mapper.primary_key
        members = select(*keys).select_from(prop.target, prop.secondary).where(self._criterion())
        return (keys[0] if len(keys) == 1 else tuple_(*keys)).in_(members)


@register("relationship", "write_only")
class WriteOnlyStrategy:
    """The related objects are never loaded along.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> None:
        """There is no loader: nothing is ever in the object."""

    def impl_options(self) -> dict[str, Any]:
        """Give the implementation that the attribute is to have."""
        return {"impl_class": partial(WriteOnlyAttribute, collection_of=partial(WriteOnlyCollection, self.prop))}
