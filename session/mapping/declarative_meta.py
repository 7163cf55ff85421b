"""Metaclasses of declarative bases: setting an attribute on a mapped class maps it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import InvalidRequestError

from session.constants import CLASS_MANAGER, KNOWN_REGISTRY
from session.mapping.adding import add_attribute
from session.mapping.scan import map_class

__all__ = ["DeclarativeAttributeIntercept", "DeclarativeMeta"]


class DeclarativeAttributeIntercept(type):
    """Passes attributes that are set on a mapped class to its mapper."""

    def __setattr__(cls, key: str, value: Any) -> None:
        if "__mapper__" in cls.__dict__ and not (key.startswith("__") and key.endswith("__")):
            add_attribute(cls, key, value)
        else:
            type.__setattr__(cls, key, value)

    def __delattr__(cls, key: str) -> None:
        manager = cls.__dict__.get(CLASS_MANAGER)
        mapper = None if manager is None else manager.mapper
        if mapper is not None and key in mapper.props and not mapper.disposed:
            raise NotImplementedError(
                f"The mapped attribute {cls.__name__}.{key} cannot be deleted; a mapped class keeps its attributes"
            )
        type.__delattr__(cls, key)


class DeclarativeMeta(DeclarativeAttributeIntercept):
    """The metaclass of bases that ``declarative_base()`` makes: it maps their subclasses."""

    def __init__(cls, name: str, bases: tuple[type[Any], ...], names: dict[str, Any], **keywords: Any) -> None:
        super().__init__(name, bases, names)
        registry = _registry_of(cls)
        if registry is None:
            raise InvalidRequestError(
                f"The declarative base {cls.__name__} has no registry; set registry = registry() on it"
            )
        if not cls.__dict__.get("__abstract__", False):
            map_class(registry, cls)


def _registry_of(cls: type[Any]) -> Any:
    """Return the registry of the declarative base that a class derives from: the farthest one."""
    found = [
        own
        for base in cls.__mro__
        if isinstance(base, DeclarativeMeta)
        for name in ("registry", KNOWN_REGISTRY)
        if getattr(own := base.__dict__.get(name), "_session_is_registry", False)
    ]
    return found[-1] if found else None
