"""Views of collections: a list, set or dictionary of values, each of which is an attribute of a related object.

A view keeps nothing.  It reads the collection of an object by ``lazy_collection()``, the values of its members by
``getter``, and makes a member of each new value by ``creator``; what it adds and removes is seen by the relationship
as any other change.  Values are held in the order of the members.  ``associationproxy.py`` makes the views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from operator import index
from typing import Any, TypeVar

__all__ = ["VIEWS", "AssociationCollection", "AssociationDict", "AssociationList", "AssociationSet"]

_T = TypeVar("_T")
_KT = TypeVar("_KT")
_VT = TypeVar("_VT")


class AssociationCollection:
    """What all views have in common.

    :param lazy_collection: gives the collection of related objects; the object that has it lives as long as the view.
    :param creator: makes a related object of a value; for dictionaries, of a key and a value.
    :param getter: gives the value of a related object.
    :param setter: gives a related object another value; for dictionaries it is called with object, key and value.
    :param parent: the :class:`~session.ext.associationproxy.AssociationProxyInstance` that made the view.
    """

    def __init__(
        self,
        lazy_collection: Callable[[], Any],
        creator: Callable[..., Any],
        getter: Callable[[Any], Any],
        setter: Callable[..., None],
        parent: Any,
    ) -> None:
        self.lazy_collection = lazy_collection
        self.creator = creator
        self.getter = getter
        self.setter = setter
        self.parent = parent

    @property
    def col(self) -> Any:
        """The collection of related objects."""
        return self.lazy_collection()

    def copy(self) -> Any:
        """Give the values in a plain list, set or dictionary."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.col)

    def __repr__(self) -> str:
        return repr(self.copy())

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self.copy() == other  # type: ignore[no-any-return]

    def __ne__(self, other: object) -> bool:
        return self.copy() != other  # type: ignore[no-any-return]

    def __lt__(self, other: Any) -> Any:
        return self.copy() < other

    def __le__(self, other: Any) -> Any:
        return self.copy() <= other

    def __gt__(self, other: Any) -> Any:
        return self.copy() > other

    def __ge__(self, other: Any) -> Any:
        return self.copy() >= other

    def __reduce__(self) -> tuple[Any, ...]:
        return _view_again, (self.parent, self.lazy_collection)


def _view_again(parent: Any, lazy_collection: Callable[[], Any]) -> Any:
    return parent.view(lazy_collection)


class AssociationList(AssociationCollection, MutableSequence[_T]):
    """The values of a list of related objects, as a list."""

    def copy(self) -> list[_T]:
        """Give a plain list of the values."""
        return list(self)

    def __iter__(self) -> Iterator[_T]:
        return map(self.getter, self.col)

    def __getitem__(self, at: Any) -> Any:
        found = self.col[at]
        return list(map(self.getter, found)) if isinstance(at, slice) else self.getter(found)

    def __setitem__(self, at: Any, value: Any) -> None:
        """Give a member another value; a slice of the form ``[a:b]`` gets new members."""
        if not isinstance(at, slice):
            self.setter(self.col[at], value)
        elif at.step in (None, 1):
            self.col[at] = [self.creator(one) for one in value]
        else:
            members, values = self.col[at], list(value)
            if len(members) != len(values):
                raise ValueError(f"A slice of {len(members)} members cannot be set to {len(values)} values")
            for member, one in zip(members, values):
                self.setter(member, one)

    def __delitem__(self, at: Any) -> None:
        del self.col[at]

    def insert(self, at: int, value: _T) -> None:
        self.col.insert(at, self.creator(value))

    def append(self, value: _T) -> None:
        self.col.append(self.creator(value))

    def extend(self, values: Iterable[_T]) -> None:
        for value in list(values):
            self.append(value)

    def pop(self, at: int = -1) -> _T:
        value: _T = self.getter(self.col.pop(at))
        return value

    def remove(self, value: _T) -> None:
        del self[self.index(value)]

    def clear(self) -> None:
        del self.col[:]

    def reverse(self) -> None:
        self.col.reverse()

    def sort(self, *, key: Callable[[_T], Any] | None = None, reverse: bool = False) -> None:
        getter = self.getter
        self.col.sort(key=getter if key is None else lambda member: key(getter(member)), reverse=reverse)

    def index(self, value: Any, *bounds: int) -> int:
        return self.copy().index(value, *bounds)

    def __contains__(self, value: object) -> bool:
        return value in self.copy()

    def __add__(self, others: Iterable[_T]) -> list[_T]:
        return [*self, *others]

    def __radd__(self, others: Iterable[_T]) -> list[_T]:
        return [*others, *self]

    def __mul__(self, times: Any) -> list[_T]:
        repeated: list[_T] = self.copy() * times
        return repeated

    __rmul__ = __mul__

    def __imul__(self, times: Any) -> Any:
        values = self.copy()
        if index(times) < 1:
            self.clear()
        self.extend(values * (index(times) - 1))
        return self

    def _bulk_replace(self, parent: Any, values: Iterable[_T]) -> None:
        """Have other values: of new members, all of them."""
        values = list(values)
        self.clear()
        self.extend(values)


class AssociationSet(AssociationCollection, MutableSet[_T]):
    """The values of a set of related objects, as a set."""

    def copy(self) -> set[_T]:
        """Give a plain set of the values."""
        return set(self)

    def __iter__(self) -> Iterator[_T]:
        return map(self.getter, self.col)

    def __contains__(self, value: object) -> bool:
        return any(value == one for one in self)

    def add(self, value: _T) -> None:
        if value not in self:
            self.col.add(self.creator(value))

    def discard(self, value: _T) -> None:
        for member in self.col:
            if self.getter(member) == value:
                self.col.remove(member)
                return

    def remove(self, value: _T) -> None:
        if value not in self:
            raise KeyError(value)
        self.discard(value)

    def pop(self) -> _T:
        value: _T = self.getter(self.col.pop())
        return value

    def clear(self) -> None:
        for member in list(self.col):
            self.col.remove(member)

    def update(self, *others: Iterable[_T]) -> None:
        for value in _one_after_another(others):
            self.add(value)

    def difference_update(self, *others: Iterable[Any]) -> None:
        for value in _one_after_another(others):
            self.discard(value)

    def intersection_update(self, *others: Iterable[Any]) -> None:
        self.difference_update(self.difference(self.intersection(*others)))

    def symmetric_difference_update(self, other: Iterable[_T]) -> None:
        self._become(self.symmetric_difference(other))

    def union(self, *others: Iterable[Any]) -> set[Any]:
        return self.copy().union(*others)

    def difference(self, *others: Iterable[Any]) -> set[_T]:
        return self.copy().difference(*others)

    def intersection(self, *others: Iterable[Any]) -> set[_T]:
        return self.copy().intersection(*others)

    def symmetric_difference(self, other: Iterable[_T]) -> set[_T]:
        return self.copy().symmetric_difference(other)

    def issubset(self, other: Iterable[Any]) -> bool:
        return self.copy().issubset(other)

    def issuperset(self, other: Iterable[Any]) -> bool:
        return self.copy().issuperset(other)

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __and__(self, other: Any) -> Any:
        return self.copy() & other

    def __xor__(self, other: Any) -> Any:
        return self.copy() ^ other

    def __sub__(self, other: Any) -> Any:
        return self.copy() - other

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__

    def __rsub__(self, other: Any) -> Any:
        return other - self.copy()

    def __ior__(self, other: Any) -> Any:
        return self._become(self | other)

    def __iand__(self, other: Any) -> Any:
        return self._become(self & other)

    def __ixor__(self, other: Any) -> Any:
        return self._become(self ^ other)

    def __isub__(self, other: Any) -> Any:
        return self._become(self - other)

    def _become(self, values: Iterable[_T]) -> Any:
        """Have other values; members whose value is among them stay."""
        wanted = dict.fromkeys(values)
        before = self.copy()
        self.update(wanted)
        self.difference_update(before.difference(wanted))
        return self

    def _bulk_replace(self, parent: Any, values: Iterable[_T] | None) -> None:
        self._become(values or ())


class AssociationDict(AssociationCollection, MutableMapping[_KT, _VT]):
    """The values of a dictionary of related objects, as a dictionary."""

    def copy(self) -> dict[_KT, _VT]:
        """Give a plain dictionary of the values."""
        return {key: self.getter(member) for key, member in self.col.items()}

    def __iter__(self) -> Iterator[_KT]:
        return iter(self.col)

    def __reversed__(self) -> Iterator[_KT]:
        keys: Iterator[_KT] = reversed(self.col)
        return keys

    def __contains__(self, key: object) -> bool:
        return key in self.col

    def __getitem__(self, key: _KT) -> _VT:
        value: _VT = self.getter(self.col[key])
        return value

    def __setitem__(self, key: _KT, value: _VT) -> None:
        members = self.col
        if key in members:
            self.setter(members[key], key, value)
        else:
            members[key] = self.creator(key, value)

    def __delitem__(self, key: _KT) -> None:
        del self.col[key]

    def popitem(self) -> tuple[_KT, _VT]:
        key, member = self.col.popitem()
        return key, self.getter(member)

    def clear(self) -> None:
        self.col.clear()

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def _bulk_replace(self, parent: Any, values: Mapping[_KT, _VT]) -> None:
        """Have other values; members whose key is among them stay, with another value."""
        wanted = dict(values)
        before = list(self)
        self.update(wanted)
        for key in before:
            if key not in wanted:
                del self[key]


def _one_after_another(collections: Iterable[Iterable[_T]]) -> list[_T]:
    return [value for values in collections for value in values]


VIEWS: dict[Any, type[AssociationCollection]] = {list: AssociationList, set: AssociationSet, dict: AssociationDict}
"""The views, by the kind of collection that they look at."""
