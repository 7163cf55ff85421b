"""The declarative front: base classes whose subclasses are mapped as they are defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from sqlalchemy import FromClause, MetaData
from sqlalchemy.exc import InvalidRequestError

from session.constants import KNOWN_REGISTRY
from session.mapping.adding import add_attribute
from session.mapping.base import NOT_GIVEN
from session.mapping.body import NAMES_OF_BASE
from session.mapping.constructor import keyword_constructor
from session.mapping.dataclass import FieldOptions, make_dataclass
from session.mapping.dataclass_fields import fields_of_body
from session.mapping.declarative_meta import DeclarativeAttributeIntercept, DeclarativeMeta
from session.mapping.declared_attr import declared_attr
from session.mapping.mapper import Mapper
from session.mapping.registry import registry
from session.mapping.scan import has_inherited_table, map_class

__all__ = [
    "DeclarativeBase",
    "DeclarativeBaseNoMeta",
    "DeclarativeMeta",
    "MappedAsDataclass",
    "add_mapped_attribute",
    "as_declarative",
    "declarative_base",
    "declared_attr",
    "has_inherited_table",
    "mapped_as_dataclass",
    "unmapped_dataclass",
]

_C = TypeVar("_C", bound=type[Any])


#: The declarative bases that derive from ``DeclarativeBase`` directly.
_bases: WeakSet[type[Any]] = WeakSet()


class _DeclarativeRoot:
    """What :class:`DeclarativeBase` and :class:`DeclarativeBaseNoMeta` share."""

    registry: ClassVar[registry]
    metadata: ClassVar[MetaData]
    __mapper__: ClassVar[Mapper[Any]]
    __table__: ClassVar[Any]

    def __init__(self, **kw: Any) -> None: ...


def _start_base(cls: type[Any]) -> None:
    """Give a direct subclass of ``DeclarativeBase`` its registry, metadata and constructor."""
    names = cls.__dict__
    if isinstance(names.get("__tablename__"), str) or isinstance(names.get("__table__"), FromClause):
        raise InvalidRequestError(
            f"Class {cls.__name__} has a table, and derives from DeclarativeBase itself; derive a base from that, "
            f"and {cls.__name__} from the base"
        )
    own = getattr(cls, "registry", None)
    if own is not None and not getattr(own, "_session_is_registry", False):
        raise InvalidRequestError(
            f"The attribute 'registry' of the declarative base {cls.__name__} must be a registry(), not {own!r}"
        )
    metadata = getattr(cls, "metadata", None)
    if metadata is not None and not isinstance(metadata, MetaData):
        raise InvalidRequestError(
            f"The attribute 'metadata' of the declarative base {cls.__name__} must be a MetaData(), not {metadata!r}"
        )
    if own is None:
        settings: dict[str, Any] = {"metadata": metadata}
        types = getattr(cls, "type_annotation_map", None)
        if types is not None:
            settings["type_annotation_map"] = types
        own = registry(**settings)
        type.__setattr__(cls, "registry", own)
    elif "type_annotation_map" in names:
        raise InvalidRequestError(
            f"The declarative base {cls.__name__} has both a registry and a type_annotation_map; give the map to the "
            f"registry"
        )
    if metadata is None:
        type.__setattr__(cls, "metadata", own.metadata)
    type.__setattr__(cls, KNOWN_REGISTRY, own)
    if "__init__" not in names and getattr(cls, "__init__", None) in (
        object.__init__,
        DeclarativeBase.__init__,
        DeclarativeBaseNoMeta.__init__,
    ):
        type.__setattr__(cls, "__init__", own.constructor or object.__init__)
    _bases.add(cls)


def _begin_subclass(cls: type[Any], roots: tuple[type[Any], ...]) -> None:
    if any(root in cls.__bases__ for root in roots):
        _start_base(cls)
    elif not cls.__dict__.get("__abstract__", False):
        options = cls.__dict__.get("_session_dataclass_") if issubclass(cls, MappedAsDataclass) else None
        map_class(_registry_of(cls), cls, dataclass_options=options)


def _registry_of(cls: type[Any]) -> registry:
    """Return the registry of the base that a class derives from."""
    base: Any = next(base for base in cls.__mro__ if base in _bases)
    own: registry = base.registry
    return own


class DeclarativeBase(_DeclarativeRoot, metaclass=DeclarativeAttributeIntercept):
    """The base of declarative bases: derive your own from it, then your mapped classes from that.

    ::

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)

    Your base may set ``metadata``, ``registry`` and ``type_annotation_map``.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _begin_subclass(cls, (DeclarativeBase,))


class DeclarativeBaseNoMeta(_DeclarativeRoot):
    """The same without a metaclass: attributes that are set on a class later are mapped by
    :func:`add_mapped_attribute` only.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        _begin_subclass(cls, (DeclarativeBaseNoMeta,))


class MappedAsDataclass:
    """A mixin that makes mapped classes dataclasses; derive the base or a class from it.

    Takes the arguments of ``dataclasses.dataclass`` with the class: ``class User(Base, kw_only=True)``.
    """

    def __init_subclass__(
        cls,
        init: Any = NOT_GIVEN,
        repr: Any = NOT_GIVEN,
        eq: Any = NOT_GIVEN,
        order: Any = NOT_GIVEN,
        unsafe_hash: Any = NOT_GIVEN,
        match_args: Any = NOT_GIVEN,
        kw_only: Any = NOT_GIVEN,
        dataclass_callable: Any = NOT_GIVEN,
        **keywords: Any,
    ) -> None:
        given = {
            "init": init,
            "repr": repr,
            "eq": eq,
            "order": order,
            "unsafe_hash": unsafe_hash,
            "match_args": match_args,
            "kw_only": kw_only,
            "dataclass_callable": dataclass_callable,
        }
        options = FieldOptions.from_arguments(cls, given)
        type.__setattr__(cls, "_session_dataclass_", options)
        if not _will_be_mapped(cls):
            _plain_dataclass(cls, options)
        super().__init_subclass__(**keywords)


def _will_be_mapped(cls: type[Any]) -> bool:
    """Tell whether the class is one that its base maps, rather than a base or a mixin."""
    if cls.__dict__.get("__abstract__", False):
        return False
    if DeclarativeBase in cls.__bases__ or DeclarativeBaseNoMeta in cls.__bases__:
        return False
    return any(base in _bases for base in cls.__mro__)


def _plain_dataclass(cls: type[Any], options: FieldOptions) -> None:
    """Make a mixin, an abstract class or a base a dataclass, so that its fields go on to mapped classes."""
    make_dataclass(cls, options, fields_of_body(cls, NAMES_OF_BASE))
    type.__delattr__(cls, "_session_dataclass_applied_")


def unmapped_dataclass(cls: Any = None, /, **options: Any) -> Any:
    """Make a mixin or an abstract class a dataclass whose fields mapped dataclasses take over; a decorator.

    :param options: those of ``dataclasses.dataclass``.
    """

    def decorate(target: _C) -> _C:
        merged = FieldOptions.from_arguments(target, options)
        type.__setattr__(target, "_session_dataclass_", merged)
        _plain_dataclass(target, merged)
        return target

    return decorate if cls is None else decorate(cls)


def declarative_base(
    *,
    metadata: MetaData | None = None,
    mapper: Callable[..., Mapper[Any]] | None = None,
    cls: Any = object,
    name: str = "Base",
    class_registry: dict[str, Any] | None = None,
    type_annotation_map: Mapping[Any, Any] | None = None,
    constructor: Callable[..., None] | None = keyword_constructor,
    metaclass: Any = DeclarativeMeta,
) -> Any:
    """Make a declarative base class.

    :param metadata: the collection of its tables.
    :param mapper: what is called in place of :class:`Mapper`.
    :param cls: a class, or a tuple of classes, for it to derive from.
    :param name: its name.
    :param class_registry: the dictionary in which classes are found by name.
    :param type_annotation_map: SQL types for Python types in ``Mapped[...]``.
    :param constructor: the ``__init__`` of its classes; ``None`` for none.
    :param metaclass: its metaclass.
    """
    own = registry(
        metadata=metadata,
        class_registry=class_registry,
        type_annotation_map=type_annotation_map,
        constructor=constructor,
    )
    return own.generate_base(mapper=mapper, cls=cls, name=name, metaclass=metaclass)


def as_declarative(**kw: Any) -> Callable[[_C], Any]:
    """Make a declarative base of a class, as a decorator.

    :param kw: ``metadata``, ``class_registry``, and the arguments of :meth:`registry.generate_base`.
    """
    own = registry(metadata=kw.pop("metadata", None), class_registry=kw.pop("class_registry", None))
    return own.as_declarative_base(**kw)


def mapped_as_dataclass(registry: registry, /, **options: Any) -> Callable[[_C], _C]:
    """Make a class a dataclass and map it, as a decorator; see :meth:`registry.mapped_as_dataclass`."""
    return registry.mapped_as_dataclass(**options)  # type: ignore[no-any-return]


def add_mapped_attribute(target: type[Any], key: str, attr: Any) -> None:
    """Add an attribute to a class that is mapped already; for bases without a metaclass.

    :param key: its name.
    :param attr: a property, a column or ``mapped_column()``.
    """
    add_attribute(target, key, attr)
