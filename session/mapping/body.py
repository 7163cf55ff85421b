"""What stands in the body of a class: its names in order, its annotations, what of it can be mapped."""

from __future__ import annotations

import inspect
from typing import Any

from sqlalchemy import Column, MetaData

from session.core.schema import has_type
from session.mapping.annotations import is_mapped_annotation
from session.mapping.base import NOT_GIVEN, MapperProperty
from session.mapping.declared_attr import declared_attr
from session.mapping.mapped_column import MappedColumn

__all__ = [
    "DIRECTIVES",
    "NAMES_OF_BASE",
    "annotations_of",
    "cascading_names",
    "field_value",
    "is_mappable",
    "leaves_name",
    "maps_name",
    "metadata_of",
    "names_in_order",
    "needs_annotation",
]

#: What a declarative base has by these names is not mapped.
NAMES_OF_BASE = ("metadata", "registry", "type_annotation_map")

#: Settings of a class that are not attributes.
DIRECTIVES = ("__tablename__", "__table_args__", "__mapper_args__")


def cascading_names(cls: type[Any]) -> list[str]:
    """Return the declared attributes of a class that are made for subclasses of mapped classes too."""
    return [
        name
        for name, value in cls.__dict__.items()
        if isinstance(value, declared_attr) and value.is_cascading and name not in DIRECTIVES
    ]


def annotations_of(cls: type[Any]) -> dict[str, Any]:
    """Return the annotations in the body of a class, as they were written."""
    return inspect.get_annotations(cls)


def is_mappable(value: Any) -> bool:
    return isinstance(value, (Column, MapperProperty, MappedColumn))


def needs_annotation(value: Any) -> bool:
    """Tell whether a column or relationship has neither type nor target, so that only an annotation can tell."""
    if isinstance(value, MappedColumn):
        return not has_type(value.column) and not value.column.foreign_keys
    return bool(getattr(value, "is_relationship", False) and value.argument is None)


def field_value(cls: type[Any], name: str) -> Any:
    """Return what stands in a class body under a name, if it says by itself what it is as a field of a dataclass.

    :return: something to be mapped, or an association proxy; else ``NOT_GIVEN``.
    """
    value = cls.__dict__.get(name, NOT_GIVEN)
    return value if is_mappable(value) or hasattr(value, "dataclass_options") else NOT_GIVEN


def maps_name(cls: type[Any], name: str) -> bool:
    """Tell whether the body of a class maps an attribute of that name."""
    if name in cls.__dict__:
        value = cls.__dict__[name]
        return is_mappable(value) or isinstance(value, declared_attr)
    return is_mapped_annotation(annotations_of(cls).get(name))


def leaves_name(cls: type[Any], base: type[Any], name: str, others: set[type[Any]]) -> bool:
    """Tell whether one class in the MRO of a class only annotates a name that a mixin behind it maps.

    The mixin's attribute is taken then: ``id: Mapped[int]`` in ``cls`` repeats the type, and keeps that the mixin has
    ``id: Mapped[int] = mapped_column(primary_key=True)``.  Before what a mixin only annotates too, ``cls`` gives way,
    and other mixins do not.

    :param base: the class that may annotate it, ``cls`` or a mixin of it.
    :param others: classes in the MRO that are no mixins.
    """
    if name in base.__dict__:
        return False
    behind = cls.__mro__[cls.__mro__.index(base) + 1 : -1]
    for mixin in behind:
        if mixin not in others and (name in mixin.__dict__ or (base is cls and maps_name(mixin, name))):
            return maps_name(mixin, name)
    return False


def metadata_of(cls: type[Any]) -> MetaData | None:
    """Return the MetaData that a class, or one that it derives from, says its table belongs to."""
    found = (base.__dict__.get("metadata") for base in cls.__mro__)
    return next((one for one in found if isinstance(one, MetaData)), None)


def names_in_order(cls: type[Any]) -> list[str]:
    """Return the names of a class body, annotated or set, as nearly as possible in the order written."""
    values = [name for name in cls.__dict__ if name not in ("__annotations__", "__dict__", "__weakref__")]
    annotated = list(annotations_of(cls))
    shared = set(values).intersection(annotated)
    result: list[str] = []
    reading, other = iter(values), iter(annotated)
    while True:
        for name in reading:
            if name in shared:  # goes on in the other list, which comes to this name too
                shared.discard(name)
                break
            result.append(name)
        else:
            return [*result, *(name for name in other if name not in result)]
        reading, other = other, reading
