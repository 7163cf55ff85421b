"""Reading ``Mapped[...]``: from an annotation, perhaps a string, to Python types and relationship targets.

Strings are evaluated with the names of the module they stand in.  A name that is not known yet (a class
further down, an import for type checkers only) becomes an :class:`Unknown`, which a relationship resolves
through the registry later and which is an error for a column.  Next on the way: ``mapped.py`` for columns.
"""

from __future__ import annotations

import builtins
import collections.abc
import enum
import re
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from sqlalchemy import Enum
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.expression import ClauseElement

from session.core import schema as core_schema
from session.exc import MappedAnnotationError
from session.mapping.base import MappedAnnotation, ORMDescriptor
from session.mapping.mapped import DynamicMapped, Mapped, Unmapped, WriteOnlyMapped

__all__ = [
    "TypeResolve",
    "Unknown",
    "annotated_metadata",
    "column_type",
    "evaluate",
    "is_class_variable",
    "is_descriptor_annotation",
    "is_mapped_annotation",
    "is_unmapped_annotation",
    "plain",
    "read_mapped",
    "read_target",
    "without_none",
]

_HEAD = re.compile(r"\s*([\w.]+)\s*\[(.*)\]\s*\Z", re.DOTALL)
_UNION = (Union, types.UnionType)
_CONCRETE: dict[Any, Any] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


class Unknown:
    """A name in an annotation that is not known yet; may be part of any type expression."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return self.path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __call__(self, *args: Any) -> Any:  # what typing asks of an argument
        raise TypeError(f"{self.path} is the name of a type that is not known")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unknown(f"{self.path}.{name}")

    def __or__(self, other: Any) -> Any:
        return _union(self, _typed(other))

    def __ror__(self, other: Any) -> Any:
        return _union(_typed(other), self)

    def __getitem__(self, arguments: Any) -> Any:
        return Unknown(f"{self.path}[{arguments!r}]")


def _union(*parts: Any) -> Any:
    """Return the union of some types; the ``|`` operator is not for every kind of part."""
    return Union.__getitem__(parts)


def _typed(part: Any) -> Any:
    return ForwardRef(part) if isinstance(part, str) else part


class _Names(dict[str, Any]):
    """What an annotation of a class can name."""

    def __init__(self, module: str, origin: type[Any], registry: Any, late_classes: bool) -> None:
        super().__init__()
        self._late_classes = late_classes
        self._module = getattr(sys.modules.get(module), "__dict__", {})
        self._origin = origin
        self._classes = registry._class_registry

    def __missing__(self, name: str) -> Any:
        if name in self._module:
            found = self._module[name]
            return Unknown(name) if self._late_classes and _may_be_mapped(found) else found
        for cls in self._origin.__mro__:
            own = cls.__dict__.get(name)
            if isinstance(own, type) or get_origin(own) is not None:
                return own
        if name == self._origin.__name__:
            return self._origin
        if hasattr(builtins, name):
            return getattr(builtins, name)
        known = None if self._late_classes else self._classes.get(name)
        return known if isinstance(known, type) else Unknown(name)


def _may_be_mapped(found: Any) -> bool:
    """Tell whether a class is one for the registry to find when all classes are there, by its name."""
    return (
        isinstance(found, type)
        and not issubclass(found, (Mapped, collections.abc.Iterable))
        and found.__module__ not in ("builtins", "typing")
    )


def evaluate(text: str, origin: type[Any], registry: Any, late_classes: bool = False) -> Any:
    """Turn the text of an annotation into the type it names.

    :param text: the annotation.
    :param origin: the class in whose body it stands.
    :param registry: its registry, whose classes are known by name.
    :param late_classes: leave the names of classes to the registry.
    :return: a type; :class:`Unknown` stands for what is not known yet.
    """
    names = _Names(origin.__module__, origin, registry, late_classes)
    try:
        return eval(text, {"__builtins__": builtins}, names)  # `names` knows every name; typing itself imports
    except (AttributeError, TypeError, SyntaxError) as error:
        raise MappedAnnotationError(
            f"The annotation {text!r} in class {origin.__name__} cannot be evaluated: {error}", cls=origin
        ) from error


def is_mapped_annotation(annotation: Any) -> bool:
    """Tell by its looks whether an annotation is ``Mapped[...]`` or of its kind, without evaluating it."""
    if isinstance(annotation, str):
        match = _HEAD.match(annotation)
        return match is not None and match.group(1).rpartition(".")[2].endswith("Mapped")
    container = get_origin(annotation)
    return isinstance(container, type) and issubclass(container, Mapped)


def is_class_variable(annotation: Any) -> bool:
    """Tell whether an annotation is ``ClassVar``, written as a type or as text."""
    if isinstance(annotation, str):
        return annotation.split("[")[0].strip().rpartition(".")[2] == "ClassVar"
    return annotation is typing.ClassVar or get_origin(annotation) is typing.ClassVar


def is_unmapped_annotation(annotation: Any) -> bool:
    """Tell by its looks whether an annotation is ``Unmapped[...]``."""
    if isinstance(annotation, str):
        match = _HEAD.match(annotation)
        return match is not None and match.group(1).rpartition(".")[2] == "Unmapped"
    return get_origin(annotation) is Unmapped


def is_descriptor_annotation(annotation: Any) -> bool:
    """Tell by its looks whether an annotation is of an attribute that maps nothing: ``AssociationProxy[...]``."""
    if isinstance(annotation, str):
        match = _HEAD.match(annotation)
        return match is not None and match.group(1).rpartition(".")[2] == "AssociationProxy"
    container = get_origin(annotation)
    return isinstance(container, type) and issubclass(container, ORMDescriptor) and not issubclass(container, Mapped)


def read_mapped(
    annotation: Any, key: str, origin: type[Any], registry: Any, late_classes: bool = False
) -> MappedAnnotation | None:
    """Read one annotation of a class body.

    :param annotation: as it stands in ``__annotations__``.
    :param key: the attribute's name.
    :param origin: the class or mixin that has it.
    :param registry: the registry that maps the class.
    :param late_classes: leave the names of classes to the registry, as a relationship wants.
    :return: what was read; ``None`` if it is not ``Unmapped``, or of the ``Mapped`` kind.
    :raises MappedAnnotationError: if it cannot be evaluated.
    """
    written = annotation
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        if is_class_variable(annotation):
            return None
        annotation = evaluate(annotation, origin, registry, late_classes)
    container = get_origin(annotation)
    if not (isinstance(container, type) and issubclass(container, (Mapped, Unmapped))):
        return None
    argument = _settle(get_args(annotation)[0], origin, registry, late_classes)
    return MappedAnnotation(written, container, argument, optional=_allows_none(argument))


def read_plain(annotation: Any, origin: type[Any], registry: Any) -> MappedAnnotation:
    """Read an annotation that is a type without ``Mapped[...]`` around it."""
    argument = _settle(annotation, origin, registry, False)
    return MappedAnnotation(annotation, Mapped, argument, optional=_allows_none(argument))


def _settle(part: Any, origin: type[Any], registry: Any, late_classes: bool) -> Any:
    """Evaluate what is still text in the outer layers of a type."""
    while isinstance(part, (str, ForwardRef)):
        text = part.__forward_arg__ if isinstance(part, ForwardRef) else part
        part = evaluate(text, origin, registry, late_classes)
    if get_origin(part) in _UNION:
        return _union(*(_settle(choice, origin, registry, late_classes) for choice in get_args(part)))
    return part


def _alias_value(type_: Any) -> Any:
    """Look through a ``type X = ...`` alias."""
    while True:
        if type(type_).__name__ == "TypeAliasType":
            type_ = type_.__value__
        elif type(get_origin(type_)).__name__ == "TypeAliasType":
            type_ = get_origin(type_).__value__[get_args(type_)]
        else:
            return type_


def _allows_none(type_: Any) -> bool:
    type_ = _alias_value(type_)
    if get_origin(type_) is typing.Annotated:
        return _allows_none(get_args(type_)[0])
    return (
        type_ is None
        or type_ is type(None)
        or (get_origin(type_) in _UNION and any(map(_allows_none, get_args(type_))))
    )


def without_none(type_: Any) -> Any:
    """Return a type without its ``None``."""
    if get_origin(type_) not in _UNION:
        return type_
    rest = tuple(choice for choice in get_args(type_) if choice is not None and choice is not type(None))
    return _union(*rest) if rest else type(None)


def annotated_metadata(annotation: MappedAnnotation) -> tuple[Any, ...]:
    """Return what an ``Annotated`` type in the annotation carries."""
    for part in (annotation.argument, without_none(annotation.argument)):
        part = _alias_value(part)
        if get_origin(part) is typing.Annotated:
            return tuple(part.__metadata__)
    return ()


def read_target(annotation: MappedAnnotation, key: str, origin: type[Any], registry: Any) -> None:
    """Fill in what a relationship wants to know: target, collection, loading style.

    :raises MappedAnnotationError: if the annotation names no single target.
    """
    type_ = _settle(without_none(plain(annotation.argument)), origin, registry, True)
    type_ = plain(type_)
    outer = get_origin(type_)
    if isinstance(outer, type) and issubclass(outer, collections.abc.Iterable) and get_args(type_):
        arguments = get_args(type_)
        annotation.uselist = True
        annotation.collection_class = _CONCRETE.get(outer, outer)
        if len(arguments) > 1:
            annotation.key_type = arguments[0]
        type_ = _settle(arguments[-1], origin, registry, True)
    if annotation.container is not Mapped:
        annotation.uselist = True
        annotation.lazy = _style(annotation.container)
    type_ = plain(type_)
    annotation.target = type_.path if isinstance(type_, Unknown) else type_
    if get_origin(annotation.target) in _UNION:
        raise MappedAnnotationError(
            f"The relationship {origin.__name__}.{key} cannot lead to several classes: {annotation.written!r}; "
            f"name one class, or write relationship('Target')",
            cls=origin,
            key=key,
        )


def plain(type_: Any) -> Any:
    """Return a type without an alias or ``Annotated`` around it."""
    type_ = _alias_value(type_)
    return get_args(type_)[0] if get_origin(type_) is typing.Annotated else type_


def _style(container: type[Any]) -> str | None:
    if issubclass(container, DynamicMapped):
        return "dynamic"
    return "write_only" if issubclass(container, WriteOnlyMapped) else None


# ---- columns -----------------------------------------------------------------


def column_type(annotation: MappedAnnotation, key: str, origin: type[Any], registry: Any) -> Any:
    """Find the SQL type for the Python type of a column's annotation.

    :param annotation: the annotation, read.
    :param key: the attribute's name.
    :param origin: the class that has it.
    :param registry: gives the user's own type map.
    :return: an object of a SQL type.
    :raises MappedAnnotationError: if a name is unknown, or no SQL type stands for the Python type.
    """
    told = _ask_listeners(annotation, key, origin, registry)
    if told is not None:
        return told
    tried = []
    for candidate in _candidates(annotation.argument):
        if isinstance(candidate, Unknown):
            raise MappedAnnotationError(
                f"The annotation {annotation.written!r} of {origin.__name__}.{key} has an unknown name "
                f"{candidate.path!r}; import it where module {origin.__module__!r} can see it at run time, or "
                f"give the column's type to mapped_column()",
                cls=origin,
                key=key,
            )
        try:
            found = _lookup(candidate, registry)
        except ArgumentError as error:
            raise ArgumentError(f"For the column {origin.__name__}.{key}: {error}") from error
        if found is not None:
            return found
        tried.append(candidate)
    raise MappedAnnotationError(
        f"No SQL type is known for {tried[-1]!r} in the annotation of {origin.__name__}.{key}; give one, as in "
        f"mapped_column(String), or add it to the type_annotation_map of the registry",
        cls=origin,
        key=key,
    )


@dataclass
class TypeResolve:
    """What listeners of ``resolve_type_annotation`` are asked about.

    :param registry: the registry that maps the class.
    :param cls: the class.
    :param key: the attribute's name.
    :param raw_type: the type in the annotation, without ``None``.
    :param resolved_type: the same without alias and ``Annotated``.
    :param raw_pep_593_type: the ``Annotated`` type, if it is one.
    :param pep_593_resolved_argument: the type inside of it.
    :param raw_pep_695_type: the alias, if it is one.
    :param pep_695_resolved_value: the type that it stands for.
    """

    registry: Any
    cls: Any
    key: str
    raw_type: Any
    resolved_type: Any
    raw_pep_593_type: Any = None
    pep_593_resolved_argument: Any = None
    raw_pep_695_type: Any = None
    pep_695_resolved_value: Any = None

    def resolve(self, python_type: Any) -> Any:
        """Return the SQL type that the registry has for a Python type, ``None`` if it has none."""
        return next((found for one in _candidates(python_type) if (found := _lookup(one, self.registry))), None)


def _ask_listeners(annotation: MappedAnnotation, key: str, origin: type[Any], registry: Any) -> Any:
    listeners = registry.dispatch.resolve_type_annotation
    if not listeners:
        return None
    raw = type_ = without_none(annotation.argument)
    question = TypeResolve(registry, origin, key, raw, raw)
    value = _alias_value(type_)
    if value is not type_:
        question.raw_pep_695_type, question.pep_695_resolved_value = type_, value
        type_ = value
    if get_origin(type_) is typing.Annotated:
        question.raw_pep_593_type, question.pep_593_resolved_argument = type_, get_args(type_)[0]
        type_ = get_args(type_)[0]
    question.resolved_type = without_none(type_)
    for listener in listeners:
        told = listener(question)
        if told is not None:
            return core_schema.instance_of(told)
    return None


def _candidates(type_: Any) -> typing.Iterator[Any]:
    """Yield the types to look up: as written first, then with less and less around them."""
    seen: list[Any] = []
    while not any(type_ is one for one in seen):
        seen.append(type_)
        yield type_
        bare = without_none(type_)
        if bare != type_:
            type_ = bare
        elif (value := _alias_value(type_)) is not type_:
            type_ = value
        elif get_origin(type_) is typing.Annotated:
            type_ = get_args(type_)[0]


def _lookup(candidate: Any, registry: Any) -> Any:
    own = registry.type_annotation_map
    if isinstance(candidate, ClauseElement):
        return None
    try:
        hash(candidate)
    except TypeError:
        return None
    if candidate in own:
        is_enum = isinstance(candidate, type) and issubclass(candidate, enum.Enum)
        if (get_origin(candidate) is not Literal and not is_enum) or not isinstance(
            core_schema.instance_of(own[candidate]), Enum
        ):
            return core_schema.instance_of(own[candidate])
        return core_schema.type_for(own[candidate], candidate, candidate, candidate if is_enum else Literal)
    if get_origin(candidate) is Literal:
        found = own.get(Literal, core_schema.DEFAULT_TYPES[Literal])
        return core_schema.type_for(found, candidate, Literal, Literal)
    if not isinstance(candidate, type):
        return None
    for base in candidate.__mro__:
        found = own.get(base)
        if found is None:
            found = core_schema.DEFAULT_TYPES.get(base)
        if found is not None:
            fitted = core_schema.type_for(found, candidate, base, base)
            if fitted is not None:
                return fitted
    return None
