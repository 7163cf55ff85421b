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

    def __init__(self, state: Any, key: str) -> None:
        self.state = state
        self.key = key

    @property
    def loaded_value(self) -> Any:
        """The value in the object, or ``NO_VALUE``; nothing is loaded."""
        return self.state.dict.get(self.key, NO_VALUE)

    @property
    def value(self) -> Any:
        """The value as reading the attribute gives it, loaded if need be."""
        return self.state.manager[self.key].__get__(self.state.obj(), self.state.class_)

    @property
    def history(self) -> History:
        """What changed since the last flush, as far as it can be told without loading."""
        return self.state.get_history(  # type: ignore[no-any-return]
            self.key, PASSIVE_NO_INITIALIZE
        )

    def load_history(self) -> History:
        """What changed since the last flush; a value that is not there is loaded."""
        return self.state.get_history(  # type: ignore[no-any-return]
            self.key, PASSIVE_OFF ^ INIT_OK
        )


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
            raise AttributeError(
                f"{self._state.class_.__name__} has no mapped attribute {key!r}."
            ) from None

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
