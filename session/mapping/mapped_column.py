"""``mapped_column()``: a column as a class body declares it, completed from the attribute's annotation.

In come the arguments of a Core ``Column`` and how the attribute loads; the annotation adds type and
nullability.  Out go a ``Column`` for the class's table and, where loading is not plain, a
:class:`~session.mapping.columns.ColumnProperty`.  Next on the way: ``scan.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Column, insert_sentinel
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.operators import ColumnOperators
from sqlalchemy.util import warn

from session.core import schema as core_schema
from session.instrument.base import opt_manager_of_class
from session.mapping.annotations import annotated_metadata, column_type
from session.mapping.base import NOT_GIVEN, DataclassOptions, MappedAnnotation, MapperProperty, ScanContext
from session.mapping.columns import ColumnProperty
from session.mapping.mapped import Mapped

__all__ = ["InsertSentinel", "MappedColumn", "mapped_column", "orm_insert_sentinel"]

_T = TypeVar("_T")

#: Arguments of a dataclass field that ``Column`` does not know.
_FIELD_ONLY = ("init", "repr", "default_factory", "compare", "kw_only", "hash", "dataclass_metadata")


class MappedColumn(Mapped[_T], ColumnOperators):
    """What :func:`mapped_column` makes: a column in the making, usable in SQL expressions of the class body."""

    __slots__ = (
        "active_history",
        "column",
        "dataclass_options",
        "deferred",
        "deferred_group",
        "deferred_raiseload",
        "sort_order",
        "use_existing_column",
    )

    __hash__ = object.__hash__
    is_relationship = False
    is_column = True

    def __init__(
        self,
        column: Column[Any],
        options: DataclassOptions,
        *,
        deferred: Any = NOT_GIVEN,
        deferred_group: str | None = None,
        deferred_raiseload: bool | None = None,
        active_history: bool = False,
        sort_order: Any = NOT_GIVEN,
        use_existing_column: bool = False,
    ) -> None:
        self.column = column
        self.dataclass_options = options
        if deferred is NOT_GIVEN:
            deferred = NOT_GIVEN if deferred_group is None and deferred_raiseload is None else True
        self.deferred = deferred
        self.deferred_group = deferred_group
        self.deferred_raiseload = deferred_raiseload
        self.active_history = active_history
        self.sort_order = sort_order
        self.use_existing_column = use_existing_column

    def __repr__(self) -> str:
        return f"<mapped_column {self.column!r}>"

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.column.name

    @property
    def foreign_keys(self) -> Any:
        """The foreign keys of the column."""
        return self.column.foreign_keys

    def __clause_element__(self) -> Column[Any]:
        return self.column

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        return op(self.column, *other, **kwargs)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        return op(other, self.column, **kwargs)

    def copy(self) -> MappedColumn[_T]:
        """Return a copy with a column of its own, for one class of several that share a mixin."""
        return self._with_column(core_schema.copy_item(self.column))

    def _with_column(self, column: Column[Any]) -> MappedColumn[_T]:
        return type(self)(
            column,
            self.dataclass_options,
            deferred=self.deferred,
            deferred_group=self.deferred_group,
            deferred_raiseload=self.deferred_raiseload,
            active_history=self.active_history,
            sort_order=self.sort_order,
            use_existing_column=self.use_existing_column,
        )

    # -- the scan ------------------------------------------------------
    @property
    def columns_to_assign(self) -> list[tuple[Column[Any], int]]:
        """The column for the table, and where it is to stand there."""
        return [(self.column, 0 if self.sort_order is NOT_GIVEN else self.sort_order)]

    @property
    def mapper_property_to_assign(self) -> MapperProperty | None:
        """A property of its own where the column is not loaded plainly, else ``None``."""
        if self.deferred is NOT_GIVEN and not self.active_history:
            return None
        return ColumnProperty(
            self.column,
            deferred=bool(self.deferred),
            group=self.deferred_group,
            raiseload=bool(self.deferred_raiseload),
            active_history=self.active_history,
        )

    def declarative_scan(self, context: ScanContext, key: str, annotation: MappedAnnotation | None) -> None:
        """Complete the column: its name from ``key``, its type and nullability from the annotation."""
        template = _template_in(annotation)
        if template is not None:
            self._take_template(template, context, key)
        if self.use_existing_column and self._take_existing(context, key):
            return
        column: Any = self.column
        if annotation is not None:
            self.complete(context, key, annotation)
        if column.key is None:
            column.key = key
        if column.name is None:
            column.name = key

    def complete(self, context: ScanContext, key: str, annotation: MappedAnnotation) -> None:
        """Take from the annotation what the column leaves open: nullability, the type."""
        column: Any = self.column
        if not core_schema.nullable_given(column):
            column.nullable = annotation.optional and not column.primary_key and column.identity is None
        if not core_schema.has_type(column) and not column.foreign_keys:
            core_schema.set_type(column, column_type(annotation, key, context.origin, context.registry))

    def _take_template(self, template: MappedColumn[Any], context: ScanContext, key: str) -> None:
        """Merge the ``mapped_column()`` of an ``Annotated`` type into this one."""
        ignored = [name for name in template.dataclass_options.given() if name in _FIELD_ONLY]
        ignored += [name for name in ("key", "name") if getattr(template.column, name) is not None]
        if ignored:
            warn(
                f"The mapped_column() in the Annotated type of {context.cls.__name__}.{key} has the argument(s) "
                f"{', '.join(ignored)}, which belong to one attribute and have no effect there"
            )
        core_schema.merge_into(template.column, self.column)
        for name in ("deferred", "sort_order"):
            if getattr(self, name) is NOT_GIVEN:
                setattr(self, name, getattr(template, name))
        self.deferred_group = self.deferred_group or template.deferred_group
        if self.deferred_raiseload is None:
            self.deferred_raiseload = template.deferred_raiseload
        self.active_history = self.active_history or template.active_history
        self.use_existing_column = self.use_existing_column or template.use_existing_column

    def _take_existing(self, context: ScanContext, key: str) -> bool:
        """Use the column of that name that the table of a mapped base has already."""
        if context.own_table:
            return False
        name = self.column.name or key
        for base in context.cls.__mro__[1:]:
            manager = opt_manager_of_class(base)
            if manager is None or manager.mapper is None:
                continue
            present = manager.mapper.local_table.c.get(name)
            if present is not None:
                self.column = present
                return True
        return False


def _template_in(annotation: MappedAnnotation | None) -> MappedColumn[Any] | None:
    if annotation is None:
        return None
    return next((part for part in annotated_metadata(annotation) if isinstance(part, MappedColumn)), None)


class InsertSentinel(MappedColumn[_T]):
    """What :func:`orm_insert_sentinel` makes: it is complete, and no field that anybody gives to a dataclass."""

    __slots__ = ()

    def complete(self, context: ScanContext, key: str, annotation: MappedAnnotation) -> None:
        """Take nothing from the annotation: a row that is inserted alone has no value there."""


def orm_insert_sentinel(
    name: str | None = None, type_: Any = None, *, default: Any = None, omit_from_statements: bool = True
) -> MappedColumn[Any]:
    """Declare a column by which inserted rows are told apart when they come back in bulk.

    :param name: its name, by default the attribute's.
    :param type_: its type, an integer by default.
    :param default: makes its value, a counter by default.
    :param omit_from_statements: leave it out of SELECT and of the mapping.
    """
    column: Column[Any] = insert_sentinel(name, type_, default=default, omit_from_statements=omit_from_statements)
    return InsertSentinel(column, DataclassOptions(init=False, repr=False, compare=False))


def mapped_column(
    name_or_type: Any = None,
    type_: Any = None,
    /,
    *args: Any,
    init: Any = NOT_GIVEN,
    repr: Any = NOT_GIVEN,
    default: Any = NOT_GIVEN,
    default_factory: Callable[[], Any] | Any = NOT_GIVEN,
    compare: Any = NOT_GIVEN,
    kw_only: Any = NOT_GIVEN,
    hash: Any = NOT_GIVEN,
    nullable: Any = NOT_GIVEN,
    primary_key: bool = False,
    deferred: Any = NOT_GIVEN,
    deferred_group: str | None = None,
    deferred_raiseload: bool | None = None,
    use_existing_column: bool = False,
    name: str | None = None,
    autoincrement: Any = "auto",
    doc: str | None = None,
    key: str | None = None,
    index: bool | None = None,
    unique: bool | None = None,
    info: dict[Any, Any] | None = None,
    onupdate: Any = None,
    insert_default: Any = NOT_GIVEN,
    server_default: Any = None,
    server_onupdate: Any = None,
    active_history: bool = False,
    quote: bool | None = None,
    system: bool = False,
    comment: str | None = None,
    sort_order: Any = NOT_GIVEN,
    dataclass_metadata: Any = NOT_GIVEN,
    **keywords: Any,
) -> MappedColumn[Any]:
    """Declare a column of a declarative class.

    Type and nullability may be left to the annotation ``Mapped[...]``; all else is as for a Core ``Column``.

    :param name_or_type: the column's name where it is not the attribute's, or its type.
    :param type_: its type, after a name.
    :param args: ``ForeignKey``, ``Identity`` and other schema items.
    :param init: dataclasses: whether the attribute is a parameter of ``__init__``.
    :param repr: dataclasses: whether it shows in ``repr()``.
    :param default: the value for an INSERT that gives none; in a dataclass also the parameter's default.
    :param default_factory: dataclasses: makes the parameter's default.
    :param compare: dataclasses: whether it takes part in comparisons.
    :param kw_only: dataclasses: whether it is given by keyword only.
    :param hash: dataclasses: whether it takes part in the hash.
    :param nullable: whether NULL is allowed; by default whether the annotation has ``None``.
    :param deferred: load the column when it is first read, not with its row.
    :param deferred_group: deferred, together with the others of that group.
    :param deferred_raiseload: deferred, and reading it unloaded raises.
    :param use_existing_column: where a mapped base's table has the column already, use that one.
    :param insert_default: the value for an INSERT that gives none, apart from a dataclass default.
    :param active_history: load the old value before a change.
    :param sort_order: where the column stands in the table; 0 by default, lower comes first.
    :param dataclass_metadata: dataclasses: the field's ``metadata``.
    :param keywords: dialect options of the column, and ``type_``.
    :return: the declaration; it can stand in SQL expressions of the class body.
    :raises sqlalchemy.exc.ArgumentError: if arguments exclude each other.
    """
    column_args: dict[str, Any] = {
        "primary_key": primary_key,
        "name": name,
        "autoincrement": autoincrement,
        "doc": doc,
        "key": key,
        "index": index,
        "unique": unique,
        "info": info,
        "onupdate": onupdate,
        "server_default": server_default,
        "server_onupdate": server_onupdate,
        "quote": quote,
        "system": system,
        "comment": comment,
        **keywords,
    }
    if nullable is not NOT_GIVEN:
        column_args["nullable"] = nullable
    if insert_default is not NOT_GIVEN:
        if default is not NOT_GIVEN:
            raise ArgumentError(
                "mapped_column() takes either default or insert_default, not both: with a dataclass default of "
                "its own, leave the value for INSERT to the column's server_default or to the default itself"
            )
        column_args["default"] = insert_default
    elif default is not NOT_GIVEN:
        column_args["default"] = default
    options = DataclassOptions(
        init=init,
        repr=repr,
        default=default,
        default_factory=default_factory,
        compare=compare,
        kw_only=kw_only,
        hash=hash,
        dataclass_metadata=dataclass_metadata,
    )
    return MappedColumn(
        Column(name_or_type, type_, *args, **column_args),
        options,
        deferred=deferred,
        deferred_group=deferred_group,
        deferred_raiseload=deferred_raiseload,
        active_history=active_history,
        sort_order=sort_order,
        use_existing_column=use_existing_column,
    )
