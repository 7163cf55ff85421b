"""From classes and objects to their mappers, and ``sqlalchemy.inspect()`` for both.

``inspect(User)`` is the mapper and ``inspect(user)`` the state, beside whatever other libraries register for
``type`` and ``object`` in the same process.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from sqlalchemy import inspect as core_inspect
from sqlalchemy.exc import ArgumentError

from session.constants import CLASS_MANAGER, INSTANCE_STATE, WAITING
from session.core.inspection import share
from session.exc import UnmappedClassError, UnmappedInstanceError

__all__ = ["class_mapper", "entity_of", "mapper_or_none", "object_mapper"]


def class_mapper(class_: Any, configure: bool = True) -> Any:
    """Return the mapper of a class.

    :param class_: a mapped class, or a mapper.
    :param configure: configure new mappers first.
    :raises UnmappedClassError: if the class is not mapped.
    :raises sqlalchemy.exc.ArgumentError: if it is no class.
    """
    mapper = mapper_or_none(class_)
    if mapper is None:
        if not isinstance(class_, type):
            raise ArgumentError(f"Expected a mapped class, got {class_!r}, which is no class")
        raise _not_yet(class_) if WAITING in class_.__dict__ else UnmappedClassError(class_)
    if configure:
        mapper.ensure_configured()
    return mapper


def object_mapper(instance: Any) -> Any:
    """Return the mapper of an object.

    :raises UnmappedInstanceError: if its class is not mapped.
    """
    state = _state_of(instance)
    if state is None or state.manager.mapper is None:
        raise UnmappedInstanceError(instance)
    return state.manager.mapper


def mapper_or_none(subject: Any) -> Any:
    """Return the mapper of a mapped class or of a mapper; ``None`` for anything else."""
    if isinstance(subject, type):
        manager = subject.__dict__.get(CLASS_MANAGER)
        return None if manager is None else manager.mapper
    return subject if getattr(subject, "is_mapper", False) is True else None


def entity_of(subject: Any) -> Any:
    """Return the mapper or aliased entity that something stands for.

    :param subject: a mapped class, a mapper, an alias, or what ``inspect()`` gives of one.
    :return: ``None`` if it is none of these.
    """
    mapper = mapper_or_none(subject)
    if mapper is not None:
        return mapper
    if getattr(subject, "is_aliased_class", False) is True:
        return subject
    found = core_inspect(subject, raiseerr=False)
    if found is None:
        return None
    if getattr(found, "is_mapper", False) is True or getattr(found, "is_aliased_class", False) is True:
        return found
    return None


def _state_of(instance: Any) -> Any:
    dictionary = getattr(instance, "__dict__", None)
    return None if dictionary is None or isinstance(instance, type) else dictionary.get(INSTANCE_STATE)


def _inspect_object(instance: Any) -> Any:
    state = _state_of(instance)
    return state if state is not None and hasattr(state, "manager") and hasattr(state.manager, "expirable") else None


def _inspect_class(cls: Any) -> Any:
    mapper = mapper_or_none(cls)
    if mapper is None and WAITING in cls.__dict__:
        raise _not_yet(cls)
    return mapper


def _not_yet(cls: Any) -> UnmappedClassError:
    return UnmappedClassError(
        cls, f"Class {cls.__name__} is declared, and will be mapped by {cls._session_mapped_by_}; call that first"
    )


def _inspect_alias(alias: Any) -> Any:
    return mapper_or_none(typing.get_origin(alias))


share(type, _inspect_class)
share(types.GenericAlias, _inspect_alias)
share(type(typing.List[int]), _inspect_alias)  # noqa: UP006
share(object, _inspect_object)
