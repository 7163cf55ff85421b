"""The constructor of declarative classes: keyword arguments become attributes."""

from __future__ import annotations

from typing import Any

__all__ = ["keyword_constructor"]


def keyword_constructor(self: Any, **kwargs: Any) -> None:
    """Set each keyword argument on the attribute of that name, in the order given.

    :raises TypeError: if the class has no attribute of that name.
    """
    cls = type(self)
    for key, value in kwargs.items():
        if not hasattr(cls, key):
            raise TypeError(
                f"{key!r} is no attribute of {cls.__name__}, so its constructor does not take it; "
                f"{cls.__name__} takes {', '.join(_known(cls)) or 'no arguments'}"
            )
        setattr(self, key, value)


# The compiled __init__ may then set plain column attributes without calling this for them.
keyword_constructor._session_sets_keywords = True  # type: ignore[attr-defined]


#: Tells the hot ``__init__`` that the keywords are attributes, which it may set without this function.
keyword_constructor._session_sets_keywords = True  # type: ignore[attr-defined]


def _known(cls: type[Any]) -> list[str]:
    mapper = getattr(cls, "__mapper__", None)
    return [] if mapper is None else list(mapper.props)
