"""The data descriptor of a mapped attribute.  Pure reference version.

A read that finds its value in the object's ``__dict__`` ends here.  Next on the way: ``attributes.py``.
"""

from __future__ import annotations

from typing import Any

from session.constants import INSTANCE_STATE, PASSIVE_OFF
from session.exc import UnmappedInstanceError

__all__ = ["AttributeDescriptor"]


def _stateless(instance: Any, key: str) -> UnmappedInstanceError:
    return UnmappedInstanceError(
        instance,
        f"{type(instance).__name__!r} object has no ORM state, so attribute {key!r} can't be used; "
        "create it by calling its class, not by __new__() alone.",
    )


class AttributeDescriptor:
    """The data descriptor of one mapped attribute on one class."""

    __slots__ = ("impl", "key")

    key: str
    impl: Any

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        dict_ = instance.__dict__
        key = self.key
        if key in dict_:
            return dict_[key]
        impl = self.impl
        if impl is None:
            raise AttributeError(f"{key!r} of {type(instance).__name__!r} can't be read on an object.")
        try:
            state = dict_[INSTANCE_STATE]
        except KeyError:
            raise _stateless(instance, key) from None
        return impl.get(state, dict_, PASSIVE_OFF)

    def __set__(self, instance: Any, value: Any) -> None:
        dict_ = instance.__dict__
        try:
            state = dict_[INSTANCE_STATE]
        except KeyError:
            raise _stateless(instance, self.key) from None
        self.impl.set(state, dict_, value, None)

    def __delete__(self, instance: Any) -> None:
        dict_ = instance.__dict__
        try:
            state = dict_[INSTANCE_STATE]
        except KeyError:
            raise _stateless(instance, self.key) from None
        self.impl.delete(state, dict_)
