"""Mapping a class declaratively: from its body, and those of its mixins, to a table, properties and a mapper.

A scan collects attributes in order (:class:`ClassScan`), lets each read its annotation, makes or extends the table,
and calls the mapper.  Before it: ``declarative.py`` and ``registry.py``; after it: ``mapper.py``.
"""

from __future__ import annotations

from dataclasses import Field
from itertools import count
from typing import Any

from sqlalchemy import Column, MetaData
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.util import warn, warn_deprecated

from session.core import schema as core_schema
from session.exc import MappedAnnotationError
from session.instrument.base import opt_manager_of_class
from session.mapping.annotations import (
    is_class_variable,
    is_descriptor_annotation,
    is_mapped_annotation,
    read_mapped,
    read_plain,
    read_target,
)
from session.mapping.base import NOT_GIVEN, DataclassOptions, MappedAnnotation, MapperProperty, ScanContext
from session.mapping.body import (
    NAMES_OF_BASE,
    annotations_of,
    cascading_names,
    is_mappable,
    leaves_name,
    maps_name,
    names_in_order,
    needs_annotation,
)
from session.mapping.columns import ColumnProperty
from session.mapping.dataclass import FieldOptions, make_dataclass, show_signature
from session.mapping.dataclass_fields import (
    check_arguments,
    check_mixin,
    check_synonym,
    fields_of_class,
    is_dataclass_itself,
    shown_default,
    value_in_metadata,
)
from session.mapping.declared_attr import begin_scan, declared_attr, end_scan
from session.mapping.declared_table import table_for
from session.mapping.install import install_mapper
from session.mapping.mapped import Unmapped
from session.mapping.mapped_column import MappedColumn, mapped_column
from session.mapping.mapper import Mapper
from session.mapping.synonym import SynonymProperty
from session.mapping.unmapped import UnmappedColumn, check_container, leave_out
from session.mapping.waiting import MappedLater, is_declared, keep, scan_of

__all__ = ["ClassScan", "has_inherited_table", "map_class"]

_numbers = count()


def map_class(registry: Any, cls: type[Any], dataclass_options: FieldOptions | None = None) -> None:
    """Map a class from what stands in it and in its mixins.

    :param registry: the registry that it goes to.
    :param cls: the class.
    :param dataclass_options: makes it a dataclass, with these settings.
    :raises sqlalchemy.exc.ArgumentError: if the class cannot be mapped so.
    :raises MappedAnnotationError: if an annotation cannot be understood.
    """
    present = opt_manager_of_class(cls)
    if present is not None and present.mapper is not None:
        raise InvalidRequestError(f"Class {cls.__name__} is mapped already; map it once")
    begin_scan(cls)
    try:
        scan = ClassScan(registry, cls, dataclass_options)
        scan.declare()
        if issubclass(cls, MappedLater):
            keep(scan)
        else:
            scan.map()
    finally:
        end_scan(cls)


def _mapper_of(cls: type[Any]) -> Mapper[Any] | None:
    manager = opt_manager_of_class(cls)
    return None if manager is None else manager.mapper


def _is_entity(cls: type[Any]) -> bool:
    return _mapper_of(cls) is not None or scan_of(cls) is not None


def _mapper_above(cls: type[Any], base: type[Any]) -> Mapper[Any]:
    found = _mapper_of(base)
    if found is None:
        raise InvalidRequestError(
            f"Class {cls.__name__} cannot be mapped before {base.__name__}, from which it inherits: have that one "
            f"mapped first, or both together, by {getattr(base, '_session_mapped_by_', '')}"
        )
    return found


def has_inherited_table(cls: type[Any]) -> bool:
    """Tell whether a class derives from a mapped class; for use in ``declared_attr`` functions."""
    return any(getattr(base, "__table__", None) is not None for base in cls.__mro__[1:])


class ClassScan:
    """The scan of one class.

    :param registry: the registry that maps it.
    :param cls: the class.
    :param dataclass_options: makes it a dataclass; ``None`` leaves it as it is.
    """

    def __init__(self, registry: Any, cls: type[Any], dataclass_options: FieldOptions | None) -> None:
        self.registry = registry
        self.cls = cls
        self.dataclass_options = dataclass_options
        self.number = next(_numbers)
        #: the nearest class above that is mapped, or waits to be
        self.base = next((base for base in cls.__mro__[1:] if _is_entity(base)), None)
        self.parent: Mapper[Any] | None = None
        self.table: Any = None
        allowed = bool(getattr(cls, "__allow_unmapped__", False))
        self.allow_unmapped = allowed or dataclass_options is not None or is_dataclass_itself(cls)
        #: what each attribute is mapped to, by name, in order
        self.found: dict[str, Any] = {}
        self.annotations: dict[str, MappedAnnotation | None] = {}
        self.origins: dict[str, type[Any]] = {}
        self.copies: dict[Any, Any] = {}
        self.table_columns: list[tuple[int, int, Any]] = []
        self.properties: dict[str, Any] = {}
        #: columns of the table that are not mapped, by the name that they have in the body
        self.unmapped: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.setting_origins: dict[str, type[Any]] = {}

    def declare(self) -> None:
        """Read the class, and make its table."""
        self._directive("__table__")
        self._directive("__tablename__")
        self._collect()
        if self.dataclass_options is not None:
            fields = fields_of_class(self.cls, self.found, self.origins, self.annotations)
            make_dataclass(self.cls, self.dataclass_options, fields)
        self._read_annotations()
        self._directive("__table_args__")
        self.table = table_for(self)
        self._check_types()

    def map(self) -> None:
        """Map the class to its table; what a function gives for ``__mapper_args__`` may refer to its columns."""
        self.parent = None if self.base is None else _mapper_above(self.cls, self.base)
        self._directive("__mapper_args__")
        self._map(self.table)
        if self.dataclass_options is not None:
            show_signature(self.cls)

    def map_to(self, selectable: Any, only_declared: bool, **arguments: Any) -> Mapper[Any]:
        """Map the class to a selectable that has the columns which the class declares, and make no table.

        :param selectable: what rows are read from.
        :param only_declared: leave out further columns, except for the primary key and the discriminator.
        :param arguments: of the mapper, before those in ``__mapper_args__``.
        """
        begin_scan(self.cls)
        try:
            self._collect()
            self._read_annotations()
            self._directive("__mapper_args__")
        finally:
            end_scan(self.cls)
        self.properties = {key: _column_in(selectable, value) for key, value in self.properties.items()}
        if only_declared:
            further = [*selectable.primary_key, arguments["polymorphic_on"]]
            arguments["include_properties"] = [*self.properties, *(column.key for column in further)]
        self.settings["__mapper_args__"] = {**(self.settings.get("__mapper_args__") or {}), **arguments}
        self._map(selectable)
        mapper: Mapper[Any] = self.cls.__dict__["__mapper__"]
        return mapper

    # -- collecting --------------------------------------------------------
    def _inherited_classes(self) -> set[type[Any]]:
        return set() if self.base is None else set(self.base.__mro__)

    def _directive(self, name: str) -> None:
        """Find a setting such as ``__tablename__``: the class's own, a mixin's, or a declared one of any base."""
        inherited = self._inherited_classes()
        for base in self.cls.__mro__:
            if name not in base.__dict__:
                continue
            value = base.__dict__[name]
            if isinstance(value, (declared_attr, property, classmethod)):
                if isinstance(value, classmethod):
                    value = declared_attr(value)
                given = value.__get__(None, self.cls) if isinstance(value, declared_attr) else value.fget(self.cls)
                self.settings[name] = given
                self.setting_origins[name] = base
                if name == "__tablename__" and getattr(value, "is_cascading", False):
                    warn(
                        f"The declared attribute __tablename__ of {base.__name__} cascades anyway: leave .cascading out"
                    )
                if base is not self.cls and name == "__tablename__" and value is not base.__dict__[name]:
                    type.__setattr__(self.cls, name, given)
                return
            if base in inherited and is_declared(base):  # is for the class that has it
                continue
            self.settings[name] = value
            self.setting_origins[name] = base
            return

    def _collect(self) -> None:
        """Collect attributes: first what stands in the classes, then what declared attributes make of it.

        Each keeps its place: class by class in the order of the MRO, declared attributes of mixins after the rest.
        """
        inherited = self._inherited_classes()
        taken: set[str] = set()
        declared: list[tuple[type[Any], str]] = []
        for base in self.cls.__mro__[:-1]:
            if base.__module__ == "typing" or base.__module__.startswith(("session.mapping.", "session.ext.")):
                continue
            names = cascading_names(base) if base in inherited else names_in_order(base)
            names = [name for name in names if not leaves_name(self.cls, base, name, inherited)]
            late: list[tuple[type[Any], str]] = []
            for name in names:
                hidden = name in NAMES_OF_BASE and self._is_of_base(base, name)
                if hidden or name in taken or (name.startswith("__") and name.endswith("__")):
                    if base in inherited and self.found.get(name, NOT_GIVEN) is not NOT_GIVEN:
                        self._give_way_to_cascading(base, name, declared)
                elif isinstance(base.__dict__.get(name), declared_attr):
                    if base is self.cls:
                        self.found[name] = NOT_GIVEN
                    late.append((base, name))
                else:
                    self._collect_one(base, name)
            self.found.update((name, NOT_GIVEN) for _, name in late)
            declared += late
            taken.update(names)
        for base, name in declared:
            self._collect_one(base, name)
        for name in [name for name, value in self.found.items() if value is NOT_GIVEN]:
            del self.found[name]

    def _give_way_to_cascading(self, base: type[Any], name: str, declared: list[tuple[type[Any], str]]) -> None:
        warn(
            f"The attribute {self.cls.__name__}.{name} is left out, because {base.__name__} has a cascading declared "
            f"attribute of that name"
        )
        del self.found[name]
        declared.append((base, name))

    def _is_of_base(self, base: type[Any], name: str) -> bool:
        """Tell whether a name means what it means on the declarative base; whoever maps it none the less is warned."""
        mapped = maps_name(base, name)
        given = mapped or (base is self.cls and name in base.__dict__)
        if given and name != "type_annotation_map" and not isinstance(base.__dict__.get(name), MetaData):
            warn(
                f"The attribute name {name!r} should be left to the declarative base: {self.cls.__name__}.{name} will "
                f"not be its {name}; give the attribute another name, as in {name}_ = mapped_column({name!r}, ...)"
            )
        return not mapped

    def _collect_one(self, base: type[Any], name: str) -> None:
        value = value_in_metadata(base, name)
        if value is NOT_GIVEN:
            value = base.__dict__.get(name, NOT_GIVEN)
        written = annotations_of(base).get(name)
        if written is None and base is not self.cls and name in annotations_of(self.cls):
            written = annotations_of(self.cls)[name]
        if isinstance(value, declared_attr):
            answer = value.return_annotation
            value = value.__get__(None, self.cls)
            type.__setattr__(self.cls, name, value)
            if not is_mappable(value):
                return
            if written is None and (base is not self.cls or needs_annotation(value)):
                written = answer
        elif value is not NOT_GIVEN and not is_mappable(value):
            self._watch_for_mistakes(base, name, value)
            self._check_as_field(name, value)
            if self._is_alias(base, name, value):
                self._enter(name, SynonymProperty(value.key), None, base)
            elif written is not None and is_mapped_annotation(written):
                self._enter_plain_default(base, name, value, written)
            return
        elif base is not self.cls and value is not NOT_GIVEN:
            if self._is_in_table(name, value):
                return
            value = self._copy_from_mixin(base, name, value)
        annotation = self._annotation(base, name, written, value)
        if self.dataclass_options is not None:
            check_mixin(self.cls, base, name, annotation)
        if value is NOT_GIVEN:
            if annotation is None or self._table_given():
                if annotation is not None:
                    self.annotations[name] = annotation
                return
            value = self._implicit(annotation, name, base)
            type.__setattr__(self.cls, name, value)
        self._enter(name, value, annotation, base)

    def _enter_plain_default(self, base: type[Any], name: str, value: Any, written: Any) -> None:
        """Take ``name: Mapped[int] = 5`` of a dataclass for a column with that default; elsewhere only ``None``."""
        if getattr(value, "_is_internal_proxy", False) or hasattr(value, "__get__") or hasattr(value, "extension_type"):
            return
        plain = self.dataclass_options is None
        if value is None or not (plain or isinstance(value, Field)):
            column: MappedColumn[Any] = mapped_column() if plain else mapped_column(default=value)
            self._enter(name, column, self._annotation(base, name, written, column), base)
            return
        raise ArgumentError(
            f"The attribute {self.cls.__name__}.{name} is annotated as mapped, but is set to {value!r}; write "
            f"mapped_column(default=...) or relationship(...) there"
        )

    def _implicit(self, annotation: MappedAnnotation, name: str, base: type[Any]) -> Any:
        """Make what an annotation without value stands for: a column."""
        for part in getattr(annotation.argument, "__metadata__", ()):
            if isinstance(part, MapperProperty):
                return part
        kind = UnmappedColumn if annotation.container is Unmapped else MappedColumn
        return kind(Column(), DataclassOptions())

    def _is_alias(self, base: type[Any], name: str, value: Any) -> bool:
        return (
            base is self.cls
            and getattr(value, "is_attribute", False)
            and getattr(value, "key", name) != name
            and isinstance(getattr(value, "prop", None), MapperProperty)
        )

    def _watch_for_mistakes(self, base: type[Any], name: str, value: Any) -> None:
        if isinstance(value, tuple) and len(value) == 1 and is_mappable(value[0]):
            warn(
                f"{base.__name__}.{name} is a tuple of one {type(value[0]).__name__}, which is not mapped; is there a "
                f"comma at the end of its line?"
            )

    def _is_in_table(self, name: str, value: Any) -> bool:
        """Tell whether the class's given table has the column that a mixin would bring."""
        column = value.column if isinstance(value, MappedColumn) else value
        return (
            self._table_given() and isinstance(column, Column) and (column.key or name) in self.settings["__table__"].c
        )

    def _copy_from_mixin(self, base: type[Any], name: str, value: Any) -> Any:
        """Give this class its own copy of a mixin's column."""
        column = value.column if isinstance(value, MappedColumn) else value
        if isinstance(column, Column) and core_schema.refers_to_loose_column(column):
            raise InvalidRequestError(
                f"The foreign key of {base.__name__}.{name} leads to a column of a class that is not mapped itself, "
                f"which each mapped class has a copy of; have it made for each by a @declared_attr function, or name "
                f"the column by a string"
            )
        if isinstance(value, MappedColumn):
            copied: Any = value.copy()
            self.copies[value.column] = copied.column
        elif isinstance(value, Column):
            copied = core_schema.copy_item(value)
            self.copies[value] = copied
        elif getattr(value, "is_composite", False):
            copied = value.copy({id(one): key for key, one in base.__dict__.items()})
        elif isinstance(value, MapperProperty):
            if getattr(value, "is_synonym", False):
                return value.copy()  # type: ignore[attr-defined]
            raise InvalidRequestError(
                f"{base.__name__}.{name} is a {type(value).__name__} in a class that is not mapped itself, so that "
                f"several classes would share it; have it made for each by a @declared_attr function"
            )
        else:
            return value
        type.__setattr__(self.cls, name, copied)
        return copied

    def _annotation(self, base: type[Any], name: str, written: Any, value: Any) -> MappedAnnotation | None:
        if written is None or is_class_variable(written) or is_descriptor_annotation(written):
            return None
        if name == "__allow_unmapped__":
            return None
        annotation = None
        if not isinstance(written, str) or "mapped" in written.lower() or not self.allow_unmapped:
            late = bool(getattr(value, "is_relationship", False))
            annotation = read_mapped(written, name, base, self.registry, late_classes=late)
        if annotation is not None and value is not NOT_GIVEN:
            check_container(self.cls, name, written, annotation, value)
        if annotation is None and self.allow_unmapped and isinstance(value, MappedColumn):
            return read_plain(written, base, self.registry)
        wants_one = isinstance(value, (MappedColumn, MapperProperty)) or (value is NOT_GIVEN and base is self.cls)
        if annotation is None and not self.allow_unmapped and wants_one:
            raise MappedAnnotationError(
                f"The annotation of {base.__name__}.{name} is {written!r}; an attribute that is mapped is annotated "
                f"Mapped[...], one that is not ClassVar[...]. A class with __allow_unmapped__ = True may have others",
                cls=self.cls,
                key=name,
                code="zlpr",
            )
        return annotation

    def _enter(self, name: str, value: Any, annotation: MappedAnnotation | None, base: type[Any]) -> None:
        self.found[name] = value
        self.annotations[name] = annotation
        self.origins[name] = base

    # -- reading ---------------------------------------------------------------
    def _read_annotations(self) -> None:
        """Let each attribute read its annotation, then take its columns and its property."""
        context = ScanContext(
            self.registry,
            self.cls,
            self.cls,
            self.cls.__module__,
            dataclass=self.dataclass_options is not None,
            complete_column=complete_column,
            own_table=any(self.settings.get(name) is not None for name in ("__tablename__", "__table__")),
        )
        for name, value in self.found.items():
            annotation, context.origin = self.annotations[name], self.origins[name]
            context.module = context.origin.__module__
            if annotation is not None and getattr(value, "is_relationship", False):
                read_target(annotation, name, context.origin, self.registry)
            if isinstance(value, Column):
                name_column(value, name)
                self._take_columns([(value, 0)])
                context.columns[name] = value
                self.properties[name] = value
                continue
            self._check_as_field(name, value)
            value.declarative_scan(context, name, annotation)
            self._take_columns(value.columns_to_assign)
            if isinstance(value, UnmappedColumn):
                self.unmapped[name] = value.column
                continue
            self.properties[name] = self._property_of(name, value, context)

    def _property_of(self, name: str, value: Any, context: ScanContext) -> Any:
        prop = value.mapper_property_to_assign
        shown = None
        if context.dataclass and isinstance(value, (MappedColumn, ColumnProperty)):
            shown = shown_default(self.cls, name, value)
        if isinstance(value, MappedColumn):
            context.columns[name] = value.column
            if shown is None:
                return prop or value.column
            prop = prop or ColumnProperty(value.column)
        if shown is not None:
            prop.unset_value = shown
        return prop

    def _check_as_field(self, name: str, value: Any) -> None:
        if self.dataclass_options is None:
            check_arguments(self.cls, name, value)
        else:
            check_synonym(self.cls, name, value, self.found)

    def _take_columns(self, columns: list[tuple[Any, int]]) -> None:
        known = {id(column) for _, _, column in self.table_columns}
        for column, order in columns:
            if id(column) not in known:
                self.table_columns.append((order, len(self.table_columns), column))

    # -- the table ---------------------------------------------------------------
    def _table_given(self) -> bool:
        return self.settings.get("__table__") is not None

    def _check_types(self) -> None:
        """Refuse a ``mapped_column()`` that has its type neither from an argument nor from an annotation."""
        for name, value in self.found.items():
            if not isinstance(value, MappedColumn) or self.annotations[name] is not None:
                continue
            if not core_schema.has_type(value.column) and not value.column.foreign_keys:
                raise ArgumentError(
                    f"The column of {self.cls.__name__}.{name} has no type: give mapped_column() one, or annotate the "
                    f"attribute as Mapped[...]"
                )

    # -- the mapper ------------------------------------------------------------------
    def _map(self, table: Any) -> None:
        arguments = dict(self.settings.get("__mapper_args__") or {})
        for name, value in arguments.items():
            arguments[name] = self._translate(name, value)
        arguments.setdefault("inherits", self.parent)
        if arguments["inherits"] is None:
            del arguments["inherits"]
        if arguments.get("inherits") is not None and table is None:
            arguments["inherits"] = self.parent
        properties = {**arguments.pop("properties", {}), **self._wanted(arguments)}
        mapper = getattr(self.cls, "__mapper_cls__", None)
        arguments["properties"] = properties
        if self.parent is not None and not arguments.get("concrete"):
            arguments["exclude_properties"] = [
                *(arguments.get("exclude_properties") or ()),
                *self._columns_of_siblings(self.parent, properties),
            ]
        if self.unmapped:
            leave_out(self.cls, self.unmapped, arguments)
        install_mapper(self.registry, self.cls, table, arguments, mapper)

    def _wanted(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the properties without columns that the class declares and its mapper's arguments leave out."""
        only, never = arguments.get("include_properties"), arguments.get("exclude_properties") or ()
        properties = self.properties
        if arguments.get("column_prefix"):  # the mapper names what has no other name than the attribute
            properties = {k: one for k, one in properties.items() if not isinstance(one, Column) or one.key != k}
        if only is None and not never:
            return properties
        wanted = {}
        for key, value in properties.items():
            if not isinstance(value, Column) or value.key != key or not (key in never or (only and key not in only)):
                wanted[key] = value
                continue
            warn_deprecated(
                f"The attribute {self.cls.__name__}.{key} is declared, and left out by include_properties or "
                f"exclude_properties; these are for columns of tables that are given or reflected",
                "2.0",
            )
        return wanted

    def _columns_of_siblings(self, parent: Mapper[Any], properties: dict[str, Any]) -> list[Any]:
        """Return what other single-table subclasses have added to an inherited table."""
        own = {id(column) for value in properties.values() for column in getattr(value, "columns", (value,))}
        return [
            column
            for column in parent.persist_selectable.c
            if column not in parent.prop_of_column and id(column) not in own
        ]

    def _translate(self, name: str, value: Any) -> Any:
        """Put columns in the place of what stands for them in the class body."""
        if isinstance(value, (list, tuple)) and name in ("primary_key", "inherit_foreign_keys"):
            return [self._translate("", one) for one in value]
        if isinstance(value, MappedColumn):
            value = value.column
        elif name in ("version_id_col", "polymorphic_on") and isinstance(value, declared_attr):
            value = value.__get__(None, self.cls)
        if name == "version_id_col" and isinstance(value, str):
            value = self.properties.get(value, value)
        return self.copies.get(value, value) if isinstance(value, Column) else value


def _column_in(selectable: Any, value: Any) -> Any:
    """Return what a class declares, with the column of a selectable in the place of its own."""
    if isinstance(value, Column):
        return selectable.c[value.key]
    if isinstance(value, ColumnProperty) and isinstance(value.columns[0], Column):
        value.columns = [selectable.c[value.columns[0].key]]
    return value


def complete_column(column: Any, context: ScanContext, key: str, annotation: MappedAnnotation) -> None:
    MappedColumn(column, DataclassOptions()).complete(context, key, annotation)


def name_column(column: Any, name: str) -> None:
    if column.key is None:
        column.key = name
    if column.name is None:
        column.name = name
