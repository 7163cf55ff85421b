"""``inspect(obj).attrs``: one attribute of one object, seen from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from session.constants import INIT_OK, NO_VALUE, PASSIVE_NO_INITIALIZE, PASSIVE_OFF
from session.history import History

__all__ = ["AttributeState", "AttributeStates"]


class AttributeState:
    """One attribute of one object.

    :param state: the object's state.
    :param key: the attribute's name.
    """

    __slots__ = ("key", "state")

    def __init__(self, of: Any, key: str) -> None:
        self.key = key
        self.state = of

    def _changes(self, passive: int) -> History:
        changes: History = self.state.get_history(self.key, passive)
        return changes

    def load_history(self) -> History:
        """What changed since the last flush; a value that is not there is loaded."""
        return self._changes(PASSIVE_OFF ^ INIT_OK)

    @property
    def history(self) -> History:
        """What changed since the last flush, as far as it can be told without loading."""
        return self._changes(PASSIVE_NO_INITIALIZE)

    @property
    def value(self) -> Any:
        """The value as reading the attribute gives it, loaded if need be."""
        state = self.state
        return state.manager[self.key].__get__(state(), state.class_)

    @property
    def loaded_value(self) -> Any:
        """The value in the object, or ``NO_VALUE``; nothing is loaded."""
        values = self.state.dict
        return values.get(self.key, NO_VALUE)


class AttributeStates(Mapping[str, AttributeState]):
    """The attributes of one object, by key or as attributes of this collection."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def __getitem__(self, key: str) -> AttributeState:
        if key not in self._state.manager:
            raise KeyError(key)
        return AttributeState(self._state, key)

    def __getattr__(self, key: str) -> AttributeState:
        if key.startswith("__"):
            raise AttributeError(key)
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"{self._state.class_.__name__} has no mapped attribute {key!r}.") from None

    def __iter__(self) -> Iterator[Any]:
        return iter([AttributeState(self._state, key) for key in self._state.manager])

    def __len__(self) -> int:
        return len(self._state.manager)

    def __contains__(self, key: object) -> bool:
        return key in self._state.manager

    def keys(self) -> Any:
        return list(self._state.manager)

    def values(self) -> Any:
        return list(self)

    def items(self) -> Any:
        return [(item.key, item) for item in self]
