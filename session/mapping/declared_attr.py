"""``declared_attr``: attributes of mixins and abstract bases that are made anew for each mapped class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy.util import warn

from session.constants import CLASS_MANAGER

__all__ = ["declared_attr"]

_T = TypeVar("_T")

#: While a class is scanned: what its declared attributes have given, so that each is asked once.
_answers: dict[type[Any], dict[Any, Any]] = {}


def begin_scan(cls: type[Any]) -> None:
    """Remember the answers of declared attributes for a class from now on."""
    _answers.setdefault(cls, {})


def end_scan(cls: type[Any]) -> None:
    """Forget them."""
    _answers.pop(cls, None)


class _WithFlag:
    """``declared_attr.cascading`` and ``declared_attr.directive``: the decorator with a setting."""

    def __init__(self, flag: str) -> None:
        self.flag = flag

    def __get__(self, instance: Any, owner: Any) -> Callable[[Any], Any]:
        def decorate(fn: Any) -> Any:
            made = owner(fn)
            setattr(made, self.flag_name, True)
            return made

        return decorate

    @property
    def flag_name(self) -> str:
        return f"is_{self.flag}"


class declared_attr(Generic[_T]):
    """Make a method of a mixin give a mapped attribute, or a setting such as ``__tablename__``, for each class.

    ::

        class Owned:
            @declared_attr
            def owner_id(cls) -> Mapped[int]:
                return mapped_column(ForeignKey("user.id"))

    ``declared_attr.directive`` marks methods for ``__tablename__``, ``__table_args__`` and ``__mapper_args__``;
    ``declared_attr.cascading`` has the attribute made for subclasses of a mapped class as well.

    :param fn: a function of the class.
    """

    cascading = _WithFlag("cascading")
    directive = _WithFlag("directive")

    is_cascading = False
    is_directive = False

    def __init__(self, fn: Any, cascading: bool = False, quiet: bool = False) -> None:
        if isinstance(fn, classmethod):
            fn = fn.__func__
        self.fget: Callable[..., Any] = fn
        self.is_cascading = cascading
        self.quiet = quiet
        self.__doc__ = fn.__doc__
        self.__name__ = getattr(fn, "__name__", "?")

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None and owner is None:
            owner = type(instance)
        answers = _answers.get(owner)
        if answers is None:
            name = self.fget.__name__
            manager = getattr(owner, CLASS_MANAGER, None)
            if manager is None and not self.quiet and not name.startswith("__"):
                warn(
                    f"The declared attribute {name!r} is read from {owner.__name__}, which is not mapped; what it "
                    f"gives there is not part of any mapping"
                )
            return self.fget(owner)
        if self not in answers:
            answers[self] = self.fget(owner)
        return answers[self]

    @property
    def return_annotation(self) -> Any:
        """The annotation of what the function returns, ``None`` without one."""
        found = inspect.signature(self.fget).return_annotation
        return None if found is inspect.Signature.empty else found
