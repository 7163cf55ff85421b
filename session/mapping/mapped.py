"""``Mapped[...]`` and its kinds: what the annotation of a mapped attribute is written with.

For a type checker ``Mapped[int]`` is SQL on the class and an ``int`` on an object.  At run time the class is
only a mark; ``annotations.py`` reads it, and descriptors take the place of what it stands beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from session.mapping.base import ORMDescriptor

__all__ = ["DynamicMapped", "Mapped", "SQLORMExpression", "Unmapped", "WriteOnlyMapped"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class SQLORMExpression(Generic[_T_co]):
    """Anything of a mapping that can stand in a SQL expression; for annotations."""

    __slots__ = ()


class Mapped(SQLORMExpression[_T_co], ORMDescriptor[_T_co]):
    """The annotation of a mapped attribute::

    class User(Base):
        id: Mapped[int] = mapped_column(primary_key=True)
        nickname: Mapped[str | None]
        addresses: Mapped[list["Address"]] = relationship()
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Any: ...

        @overload
        def __get__(self, instance: object, owner: Any) -> _T_co: ...

        def __get__(self, instance: object | None, owner: Any) -> Any: ...

        def __set__(self, instance: Any, value: Any) -> None: ...

        def __delete__(self, instance: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...


class Unmapped(Generic[_T_co]):
    """The annotation of a column that stands in the table, and is no attribute of the class.

    See :func:`session.unmapped_column`.
    """

    __slots__ = ()


class DynamicMapped(Mapped[_T_co]):
    """The annotation of a collection that is read through queries of its own (``lazy="dynamic"``)."""

    __slots__ = ()


class WriteOnlyMapped(Mapped[_T_co]):
    """The annotation of a collection that is never loaded as a whole (``lazy="write_only"``)."""

    __slots__ = ()
