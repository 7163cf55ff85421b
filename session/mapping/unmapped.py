"""``unmapped_column()``: a column of a declarative class's table that its objects do not have."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.exc import ArgumentError

from session.mapping.base import NOT_GIVEN, DataclassOptions, MappedAnnotation
from session.mapping.mapped import Unmapped
from session.mapping.mapped_column import MappedColumn, mapped_column

__all__ = ["UnmappedColumn", "check_container", "leave_out", "unmapped_column"]

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


def check_container(cls: type[Any], name: str, written: Any, annotation: MappedAnnotation, value: Any) -> None:
    """Refuse ``unmapped_column()`` beside ``Mapped[...]``, and everything else beside ``Unmapped[...]``.

    :param cls: the class in whose body they stand.
    :param name: the name that they have there.
    :param written: the annotation as it was written.
    :raises sqlalchemy.exc.ArgumentError: they do not go together.
    """
    if (annotation.container is Unmapped) is not isinstance(value, UnmappedColumn):
        raise ArgumentError(
            f"The attribute {cls.__name__}.{name} is annotated {written!r}; unmapped_column() goes with "
            f"Unmapped[...], and all else with Mapped[...]"
        )


def leave_out(cls: type[Any], columns: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Keep columns of the table out of the mapping, and their names out of the class.

    :param columns: the columns, by the names that they have in the body.
    :param arguments: of the mapper; they are changed.
    """
    arguments["exclude_properties"] = [*(arguments.get("exclude_properties") or ()), *columns.values()]
    for name in columns:
        if name in cls.__dict__:
            type.__delattr__(cls, name)
