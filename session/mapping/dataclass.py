"""Mapped classes that are dataclasses too: fields from mapped attributes, and a constructor that sets what is given.

The standard library makes the class a dataclass, from fields that stand in for the mapped attributes for that
moment.  A default of a mapped attribute is not *set* by the constructor: an attribute that the caller left out stays
unset, so that column defaults apply and relationships are not cleared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session.mapping.base import NOT_GIVEN
from session.mapping.body import is_mappable

__all__ = ["FieldOptions", "make_dataclass", "show_signature"]

_ARGUMENTS = ("init", "repr", "eq", "order", "unsafe_hash", "match_args", "kw_only", "dataclass_callable")


class _Unset:
    """The default of a constructor parameter whose attribute stays unset when it is left out."""

    __slots__ = ("shown",)

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def __repr__(self) -> str:
        return repr(self.shown)


class FieldOptions(dict[str, Any]):
    """The arguments for ``dataclasses.dataclass``; those of a base class go on to its subclasses."""

    @classmethod
    def from_arguments(cls, target: type[Any], given: dict[str, Any]) -> FieldOptions:
        """Merge the arguments of this class with those of its bases.

        :raises ArgumentError: for an argument that there is not.
        """
        unknown = sorted(set(given) - set(_ARGUMENTS))
        if unknown:
            raise ArgumentError(
                f"The dataclass {target.__name__} cannot take {', '.join(unknown)}; there is {', '.join(_ARGUMENTS)}"
            )
        merged = cls()
        for base in reversed(target.__mro__):
            merged.update(base.__dict__.get("_session_dataclass_", ()))
        merged.update((name, value) for name, value in given.items() if value is not NOT_GIVEN)
        return merged


def make_dataclass(cls: type[Any], options: FieldOptions, attributes: list[tuple[str, Any, Any]]) -> None:
    """Make a class a dataclass, and give its constructor the mapped meaning of defaults.

    :param attributes: ``(name, annotation, what is mapped there or NOT_GIVEN)`` of each field, in order.
    :raises InvalidRequestError: if the class is a dataclass by its own decorator already.
    """
    if "__dataclass_fields__" in cls.__dict__ and "_session_dataclass_applied_" not in cls.__dict__:
        raise InvalidRequestError(
            f"Class {cls.__name__} is a dataclass already; leave @dataclass out where the mapping makes it one"
        )
    kept = dict(cls.__dict__)
    annotations = inspect.get_annotations(cls)
    fields: dict[str, Any] = {}
    try:
        for name, annotation, mapped in attributes:
            fields[name] = annotation
            if mapped is not NOT_GIVEN:
                type.__setattr__(cls, name, _field_for(mapped))
        cls.__annotations__ = fields
        settings = dict(options)
        apply: Callable[..., Any] = settings.pop("dataclass_callable", None) or dataclasses.dataclass
        try:
            apply(cls, **settings)
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(f"Class {cls.__name__} cannot be a dataclass: {error}", code="dcte") from error
        if options.get("init", True) and "__init__" not in kept:
            if cls.__dataclass_fields__:
                _install_constructor(cls)
            else:  # a base without fields gets the constructor that takes keywords
                type.__delattr__(cls, "__init__")
    finally:
        cls.__annotations__ = annotations
        for name, _, mapped in attributes:
            if mapped is NOT_GIVEN:
                continue
            if name in kept:
                type.__setattr__(cls, name, kept[name])
            elif name in cls.__dict__:
                type.__delattr__(cls, name)
    type.__setattr__(cls, "_session_dataclass_applied_", True)


def _field_for(mapped: Any) -> Any:
    options = getattr(mapped, "dataclass_options", None)
    if options is None:
        return mapped
    given = options.given()
    arguments = {name: given[name] for name in ("init", "repr", "compare", "kw_only", "hash") if name in given}
    if "dataclass_metadata" in given:
        arguments["metadata"] = given["dataclass_metadata"]
    if not is_mappable(mapped):  # an association proxy, whose default is set like that of any field
        defaults = {name: given[name] for name in ("default", "default_factory") if name in given}
        return dataclasses.field(**arguments, **defaults)
    if "init" not in given and getattr(mapped, "is_read_only", False):
        arguments["init"] = False
    if "default_factory" in given:
        if "default" in given:
            raise ArgumentError("An attribute of a dataclass has either default or default_factory, not both")
        if mapped.is_relationship:  # an empty collection is what an unset one shows anyway
            arguments["default"] = _Unset(given["default_factory"])
        else:
            arguments["default_factory"] = given["default_factory"]
    elif "default" in given:
        arguments.update(_default_for(mapped, given["default"], arguments))
    elif arguments.get("init") is False:
        arguments["default"] = _Unset(None)
    return dataclasses.field(**arguments)


def _default_for(mapped: Any, default: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Give the field's arguments for a default; that of a composite is set, as its columns have none."""
    if not getattr(mapped, "is_composite", False):
        return {"default": _Unset(default)}
    if arguments.get("init") is False:
        return {"default_factory": lambda: default}
    return {"default": default}


def _install_constructor(cls: type[Any]) -> None:
    """Replace the generated ``__init__`` by one that leaves unset what the caller left out."""
    generated = cls.__dict__["__init__"]
    fields = cls.__dataclass_fields__
    unset = {name for name, one in fields.items() if isinstance(one.default, _Unset)}
    if not unset:
        return
    signature = inspect.signature(generated)
    names: dict[str, Any] = {"_dataclass_unset": _Unset}
    lines = []
    after = []
    for name, one in fields.items():
        kind = getattr(one, "_field_type", None)
        if "CLASSVAR" in str(kind):
            continue
        if "INITVAR" in str(kind):
            after.append(name)
            continue
        names[f"_make_{name}"] = one.default_factory
        if not one.init:
            if one.default_factory is not dataclasses.MISSING:
                lines.append(f"self.{name} = _make_{name}()")
            elif one.default is not dataclasses.MISSING and name not in unset:
                names[f"_give_{name}"] = one.default
                lines.append(f"self.{name} = _give_{name}")
        elif one.default_factory is not dataclasses.MISSING:
            lines.append(f"self.{name} = _make_{name}() if {name} is _default_{name} else {name}")
        elif name in unset:
            lines.append(f"if {name}.__class__ is not _dataclass_unset: self.{name} = {name}")
        else:
            lines.append(f"self.{name} = {name}")
    if hasattr(cls, "__post_init__"):
        lines.append(f"self.__post_init__({', '.join(after)})")
    parameters = []
    starred = False
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            parameters.append("*")
            starred = True
        default = ""
        if parameter.default is not inspect.Parameter.empty:
            names[f"_default_{parameter.name}"] = parameter.default
            default = f"=_default_{parameter.name}"
        parameters.append(parameter.name + default)
    text = f"def __init__({', '.join(['self', *parameters])}):\n " + "\n ".join(lines or ["pass"])
    made: dict[str, Any] = {}
    exec(text, names, made)
    constructor = made["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    constructor.__annotations__ = dict(getattr(generated, "__annotations__", {}))
    constructor.__module__ = cls.__module__
    type.__setattr__(cls, "__init__", constructor)


def show_signature(cls: type[Any]) -> None:
    """Have the instrumented constructor of a dataclass show the parameters of the one that it wraps."""
    constructor = cls.__dict__.get("__init__")
    wrapped = getattr(constructor, "__wrapped__", None)
    if wrapped is not None:
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            constructor.__signature__ = inspect.signature(wrapped)  # type: ignore[union-attr]
