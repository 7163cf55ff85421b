"""What the attributes of a class are to it as a dataclass: its fields, and mistakes in what they say as fields.

In comes a class while it is read (``scan.py``), with the attributes found in it; out go the fields that
``dataclass.py`` makes the dataclass of, and values of dataclasses that were made before they are mapped.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.schema import SchemaItem

from session.mapping.annotations import is_unmapped_annotation
from session.mapping.base import NOT_GIVEN, MappedAnnotation
from session.mapping.body import annotations_of, field_value, is_mappable
from session.mapping.mapped import Unmapped
from session.mapping.mapped_column import InsertSentinel, MappedColumn
from session.mapping.unmapped import UnmappedColumn

__all__ = [
    "check_arguments",
    "check_mixin",
    "check_synonym",
    "fields_of_body",
    "fields_of_class",
    "is_dataclass_itself",
    "shown_default",
    "value_in_metadata",
]

_FIELDS = "__dataclass_fields__"
_METADATA_KEY = "__sa_dataclass_metadata_key__"
_ALWAYS = ("init", "repr", "default_factory", "compare", "kw_only", "hash", "dataclass_metadata")


def is_dataclass_itself(cls: type[Any]) -> bool:
    """Tell whether a class, and not only a base of it, has been made a dataclass."""
    return _FIELDS in cls.__dict__


# -- fields ------------------------------------------------------------------------------------------------------


def fields_of_body(cls: type[Any], hidden: tuple[str, ...]) -> list[tuple[str, Any, Any]]:
    """Return the fields of a class that is not mapped itself.

    :param hidden: names that mean something else in a declarative base.
    :return: name, annotation, and what is mapped there or ``NOT_GIVEN``.
    """
    written = annotations_of(cls)
    return [
        (name, written[name], field_value(cls, name))
        for name in written
        if not _is_special(name) and name not in hidden and not is_unmapped_annotation(written[name])
    ]


def fields_of_class(
    cls: type[Any],
    found: dict[str, Any],
    origins: dict[str, type[Any]],
    annotations: dict[str, MappedAnnotation | None],
) -> list[tuple[str, Any, Any]]:
    """Return the fields that a mapped class itself brings to its dataclass; those of dataclasses above are there.

    :param found: what its attributes are mapped to, by name.
    :param origins: the class in whose body each stands.
    :param annotations: what each is annotated; one that is not annotated is no field.
    """
    written = annotations_of(cls)
    fields: list[tuple[str, Any, Any]] = []
    for name in written:
        if not _is_special(name) and not is_unmapped_annotation(written[name]):
            value = found.get(name, field_value(cls, name)) if name in cls.__dict__ else NOT_GIVEN
            fields.append((name, written[name], value))
    for name, value in found.items():
        base, annotation = origins[name], annotations[name]
        if name in written or base is cls or annotation is None or isinstance(value, UnmappedColumn):
            continue
        known = base.__dict__.get(_FIELDS, {}).get(name)
        # a dataclass of the standard library alone takes what is mapped for the default
        if (known is None or is_mappable(known.default)) and hasattr(value, "dataclass_options"):
            fields.append((name, annotations_of(base).get(name, annotation), value))
    return fields


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def shown_default(cls: type[Any], name: str, value: Any) -> Any:
    """Return the dataclass default that an object shows while nothing is set; ``None`` where there is none."""
    if name not in cls.__dict__.get(_FIELDS, ()):
        return None
    default = value.dataclass_options.default
    if default is NOT_GIVEN or callable(default) or isinstance(default, SchemaItem):
        return None
    return default


def value_in_metadata(base: type[Any], name: str) -> Any:
    """Return what a dataclass says in the metadata of a field that it is mapped to; ``NOT_GIVEN`` if nothing."""
    key = getattr(base, _METADATA_KEY, None)
    if key is None or name not in annotations_of(base) or not is_dataclass_itself(base):
        return NOT_GIVEN
    value = base.__dict__[_FIELDS][name].metadata.get(key, NOT_GIVEN)
    return value() if callable(value) and not is_mappable(value) else value


# -- mistakes ----------------------------------------------------------------------------------------------------


def check_mixin(cls: type[Any], base: type[Any], name: str, annotation: MappedAnnotation | None) -> None:
    """Refuse an attribute of a mixin that is no dataclass, in a class that is one: it would be no field of it."""
    if base is cls or annotation is None or annotation.container is Unmapped or is_dataclass_itself(base):
        return
    raise InvalidRequestError(
        f"Class {cls.__name__} cannot be a dataclass with the attribute {name!r} of {base.__name__}, which is no "
        f"dataclass: derive {base.__name__} from MappedAsDataclass, too, or make it one by @unmapped_dataclass",
        code="dcmx",
    )


def check_arguments(cls: type[Any], name: str, value: Any) -> None:
    """Refuse arguments for fields in a class that is no dataclass; a column's ``default`` is for its INSERT, too."""
    options = getattr(value, "dataclass_options", None)
    if options is None or isinstance(value, InsertSentinel):
        return
    names = _ALWAYS if isinstance(value, MappedColumn) else (*_ALWAYS, "default")
    wrong = [one for one in names if getattr(options, one) is not NOT_GIVEN]
    if getattr(value, "is_read_only", False) and "init" in wrong:
        wrong.remove("init")
    if wrong:
        raise ArgumentError(
            f"The attribute {cls.__name__}.{name} has the dataclass argument(s) {', '.join(wrong)}, but the "
            f"class is no dataclass; derive it from MappedAsDataclass, or leave them out"
        )


def check_synonym(cls: type[Any], name: str, value: Any, found: dict[str, Any]) -> None:
    """Refuse a default of a synonym that is not the one of what it stands for."""
    target = found.get(getattr(value, "name", ""))
    if target is None or not getattr(value, "is_synonym", False):
        return
    options = getattr(target, "dataclass_options", None)
    mine, other = value.dataclass_options.default, NOT_GIVEN if options is None else options.default
    if mine is not NOT_GIVEN and mine is not other and (other is NOT_GIVEN or mine != other):
        raise ArgumentError(
            f"The synonym {cls.__name__}.{name} has the default {mine!r}, and {value.name!r}, for which it stands, "
            f"has {'none' if other is NOT_GIVEN else repr(other)}; give both the same"
        )
