"""``unmapped_column()``: a column of a declarative class's table that its objects do not have."""

from __future__ import annotations

from typing import Any, TypeVar

from session.mapping.base import NOT_GIVEN, DataclassOptions
from session.mapping.mapped_column import MappedColumn, mapped_column

__all__ = ["UnmappedColumn", "unmapped_column"]

_T = TypeVar("_T")


class UnmappedColumn(MappedColumn[_T]):
    """What :func:`unmapped_column` makes: a column in the making, which goes into the table and no further."""

    __slots__ = ()


def unmapped_column(
    name_or_type: Any = None,
    type_: Any = None,
    /,
    *args: Any,
    init: Any = False,
    nullable: Any = NOT_GIVEN,
    primary_key: bool = False,
    autoincrement: Any = "auto",
    use_existing_column: bool = False,
    name: str | None = None,
    index: bool | None = None,
    unique: bool | None = None,
    info: dict[Any, Any] | None = None,
    default: Any = NOT_GIVEN,
    insert_default: Any = NOT_GIVEN,
    onupdate: Any = None,
    server_default: Any = None,
    server_onupdate: Any = None,
    quote: bool | None = None,
    system: bool = False,
    comment: str | None = None,
    sort_order: Any = NOT_GIVEN,
    **keywords: Any,
) -> UnmappedColumn[Any]:
    """Declare a column of the table that the class does not map, beside an annotation ``Unmapped[...]``.

    ::

        class User(Base):
            ...
            old_name: Unmapped[str | None] = unmapped_column()

    ``User.__table__`` has the column, for DDL and migrations; ``User`` has no such attribute, and is no field of a
    dataclass.  ``Unmapped[...]`` alone does the same.

    :param init: ``False``, for type checkers.
    :param default: the value for an INSERT, as of a Core ``Column``; other parameters are those of
        :func:`mapped_column`.
    """
    made = mapped_column(
        name_or_type,
        type_,
        *args,
        nullable=nullable,
        primary_key=primary_key,
        autoincrement=autoincrement,
        use_existing_column=use_existing_column,
        name=name,
        index=index,
        unique=unique,
        info=info,
        default=default,
        insert_default=insert_default,
        onupdate=onupdate,
        server_default=server_default,
        server_onupdate=server_onupdate,
        quote=quote,
        system=system,
        comment=comment,
        sort_order=sort_order,
        **keywords,
    )
    return UnmappedColumn(
        made.column, DataclassOptions(), sort_order=sort_order, use_existing_column=use_existing_column
    )
