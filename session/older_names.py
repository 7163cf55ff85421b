"""Names of earlier releases of the public API, for programs that have them still."""

from __future__ import annotations

from typing import Any, NoReturn, Protocol, TypeVar

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import warn_deprecated

from session.core.sql import ExecutableOption
from session.mapping.mapper import Mapper
from session.mapping.relationship import RelationshipProperty, relationship
from session.sessions import Session

__all__ = [
    "AliasOption",
    "MappedClassProtocol",
    "as_typed_table",
    "contains_alias",
    "create_session",
    "declarative_mixin",
    "dynamic_loader",
    "mapper",
]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", bound=object, covariant=True)


class MappedClassProtocol(Protocol[_T_co]):
    """What type checkers take a mapped class for: ``MappedClassProtocol[Any]`` is any of them."""

    __name__: str
    __mapper__: Any
    __table__: Any

    def __call__(self, **kw: Any) -> _T_co:
        """Make an object."""
        ...


def as_typed_table(cls: Any, typed_columns_cls: Any = None, /) -> Any:
    """Give the table of a mapped class; the second argument tells type checkers about its columns."""
    return cls.__table__


class AliasOption(ExecutableOption):
    """An option without effect; see :func:`contains_alias`.

    :param alias: an alias of the main table.
    """

    inherit_cache = False

    def __init__(self, alias: Any) -> None:
        self.alias = alias


def contains_alias(alias: Any) -> AliasOption:
    """Give an option without effect: which alias of a table a statement reads from is seen without it; deprecated."""
    warn_deprecated("contains_alias() has no effect and is deprecated; leave it out", "1.4")
    return AliasOption(alias)


def create_session(bind: Any = None, **kwargs: Any) -> Session:
    """Make a Session that neither flushes nor expires by itself.

    :param bind: an engine or connection.
    :param kwargs: of ``Session``; they win.
    """
    return Session(bind, **{"autoflush": False, "expire_on_commit": False, **kwargs})


def declarative_mixin(cls: type[_T]) -> type[_T]:
    """Give the class back as it is: mixins need no mark; deprecated."""
    warn_deprecated("declarative_mixin() has no effect and is deprecated; leave it out", "2.1")
    return cls


def dynamic_loader(argument: Any = None, **kw: Any) -> RelationshipProperty:
    """Make a relationship that is read through queries: ``relationship(argument, lazy="dynamic")``."""
    return relationship(argument, **{**kw, "lazy": "dynamic"})


def mapper(*arg: Any, **kw: Any) -> NoReturn:
    """Refuse: classes are mapped by a registry. As a target of mapper events the name still stands for ``Mapper``.

    :raises InvalidRequestError: always.
    """
    raise InvalidRequestError("mapper() maps no classes any more; use registry.map_imperatively()")


mapper._session_stands_for = Mapper  # type: ignore[attr-defined]
