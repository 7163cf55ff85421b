"""``@validates`` and ``@reconstructor``: methods of a mapped class that its mapper calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError

from session._accel import attributes
from session.constants import CLASS_MANAGER

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["collect_decorated", "reconstructor", "validates", "watch_with_validators"]

_F = TypeVar("_F", bound=Callable[..., Any])
OP_BULK_REPLACE = attributes.OP_BULK_REPLACE
_VALIDATES = "_session_validates_"
_RECONSTRUCTS = "_session_reconstructs_"


def validates(*names: str, include_removes: bool = False, include_backrefs: bool = True) -> Callable[[_F], _F]:
    """Have a method check, and perhaps replace, values that are set on attributes or added to collections.

    ::

        class User(Base):
            ...
            @validates("email")
            def check_email(self, key, address):
                if "@" not in address:
                    raise ValueError(f"{address!r} is no e-mail address")
                return address

    :param names: the attributes.
    :param include_removes: call it for removals too, with a third argument ``is_remove``.
    :param include_backrefs: call it for changes that come from the other side of a relationship.
    """

    def mark(method: _F) -> _F:
        setattr(method, _VALIDATES, (names, {"include_removes": include_removes, "include_backrefs": include_backrefs}))
        return method

    return mark


def reconstructor(fn: _F) -> _F:
    """Have a method without arguments called when an object has been loaded, where ``__init__`` is not run."""
    setattr(fn, _RECONSTRUCTS, True)
    return fn


def collect_decorated(mapper: Mapper[Any]) -> None:
    """Find the decorated methods of the mapper's class; ``load`` listeners for reconstructors are set up."""
    validators: dict[str, tuple[Any, dict[str, Any]]] = {}
    if mapper.inherits is not None:
        validators.update(mapper.inherits.validators)
    own: dict[str, tuple[Any, dict[str, Any]]] = {}
    seen: set[str] = set()
    inherited = False
    for cls in mapper.class_.__mro__:
        above = cls.__dict__.get(CLASS_MANAGER)
        inherited = inherited or (above is not None and cls is not mapper.class_ and above.mapper is not None)
        for name, method in list(cls.__dict__.items()):
            if name in seen or not callable(method):
                continue
            seen.add(name)
            if getattr(method, "_session_init", False):  # the class's own, which the instrumented one wraps
                method = getattr(method, "__wrapped__", method)
            if getattr(method, _RECONSTRUCTS, False):
                event.listen(mapper.class_manager, "load", _reconstruct(method), raw=True)
            marked = getattr(method, _VALIDATES, None)
            if marked is None or inherited:
                continue
            for key in marked[0]:
                if key in own:
                    raise InvalidRequestError(
                        f"Two methods of {mapper.class_.__name__} validate the attribute {key!r}, {method.__name__!r} "
                        f"among them; an attribute has one validator"
                    )
                own[key] = (method, marked[1])
    validators.update(own)
    mapper.validators = validators


def _reconstruct(method: Any) -> Callable[..., None]:
    def on_load(state: Any, context: Any) -> None:
        method(state())

    return on_load


def watch_with_validators(mapper: Mapper[Any], key: str) -> None:
    """Put the validator of an attribute, if it has one, on the attribute's events."""
    found = mapper.validators.get(key)
    prop = mapper.props.get(key)
    if found is None or prop is None:
        return
    attribute = mapper.class_manager.get(key)
    if attribute is None or not hasattr(attribute, "dispatch") or key in mapper.validated:
        return
    mapper.validated.add(key)
    method, options = found
    removes, backrefs = options["include_removes"], options["include_backrefs"]

    def from_elsewhere(initiator: Any) -> bool:
        return not backrefs and initiator is not None and initiator.parent_token is not attribute.impl.parent_token

    def on_add(state: Any, value: Any, initiator: Any) -> Any:
        if from_elsewhere(initiator):
            return value
        return method(state(), key, value, False) if removes else method(state(), key, value)

    def on_append(state: Any, value: Any, initiator: Any) -> Any:
        if initiator is not None and initiator.op == OP_BULK_REPLACE:  # on_bulk has seen it
            return value
        return on_add(state, value, initiator)

    def on_set(state: Any, value: Any, old: Any, initiator: Any) -> Any:
        return on_add(state, value, initiator)

    def on_bulk(state: Any, values: Any, initiator: Any, keys: Any = None) -> None:
        if not from_elsewhere(initiator):
            values[:] = [on_add(state, value, initiator) for value in values]

    def on_remove(state: Any, value: Any, initiator: Any) -> None:
        if not from_elsewhere(initiator):
            method(state(), key, value, True)

    many = prop.is_relationship and bool(getattr(prop, "uselist", False))
    event.listen(attribute, "append", on_append, raw=True, retval=True)
    event.listen(attribute, "set", on_set, raw=True, retval=True)
    if many:
        event.listen(attribute, "bulk_replace", on_bulk, raw=True)
    if removes:
        event.listen(attribute, "remove", on_remove, raw=True)
