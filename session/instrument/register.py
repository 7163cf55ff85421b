"""Putting instrumentation on classes, and attributes with their implementations on those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from session._accel import collected, references, scalars
from session.constants import CLASS_MANAGER
from session.core.shapes import lasting
from session.exc import UnmappedClassError
from session.instrument.attributes import InstrumentedAttribute
from session.instrument.base import class_label
from session.instrument.class_events import INSTRUMENTATION
from session.instrument.collections import adapt_collection, prepare_factory
from session.instrument.events import apply_held_listeners
from session.instrument.manager import ClassManager, install_init

__all__ = [
    "finish_class",
    "register_attribute",
    "register_class",
    "register_impl",
    "unregister_attribute",
    "unregister_class",
]


def register_class(cls: type[Any]) -> ClassManager:
    """Give a class its manager; :func:`finish_class` completes the instrumentation.

    :return: the manager; the present one if the class itself is instrumented already.
    """
    present = cls.__dict__.get(CLASS_MANAGER)
    if present is not None and present.is_mapped:
        return present  # type: ignore[no-any-return]
    manager = ClassManager(cls)
    manager.take_its_place()
    manager.refresh_keys()
    apply_held_listeners(manager)
    return manager


def finish_class(manager: ClassManager) -> None:
    """Let new instances of the class have a state, and tell the listeners of ``class_instrument``."""
    install_init(manager)
    INSTRUMENTATION.dispatch.class_instrument(manager.class_)


def unregister_class(cls: type[Any]) -> None:
    """Take the instrumentation off a class; its existing instances are left as they are."""
    manager = _manager(cls)
    INSTRUMENTATION.dispatch.class_uninstrument(cls)
    manager.unregister()


def _manager(cls: type[Any]) -> ClassManager:
    manager = cls.__dict__.get(CLASS_MANAGER)
    if manager is None:
        raise UnmappedClassError(cls, f"Class {class_label(cls)} is not instrumented.")
    return manager  # type: ignore[no-any-return]


def register_attribute(
    cls: type[Any],
    key: str,
    *,
    comparator: Any,
    parententity: Any,
    doc: str | None = None,
) -> InstrumentedAttribute:
    """Put an attribute on an instrumented class; listeners of the bases' attribute carry over.

    :param comparator: a comparator, or a callable without arguments that makes it at first use.
    :param parententity: the mapper of the class.
    """
    manager = _manager(cls)
    attribute = lasting(InstrumentedAttribute(cls, key, parententity, comparator, doc=doc))
    manager.put(key, attribute)
    INSTRUMENTATION.dispatch.attribute_instrument(cls, key, attribute)
    for base in manager.bases:
        inherited = base.get(key)
        if inherited is not None and inherited is not attribute:
            attribute.dispatch._update(inherited.dispatch)
            if inherited.__dict__.get("_active_history"):
                attribute._request_active_history()
            attribute._note_listeners()
    return attribute


def unregister_attribute(cls: type[Any], key: str) -> None:
    """Take an attribute off a class."""
    _manager(cls).take_out(key)


def register_impl(
    cls: type[Any],
    key: str,
    kind: str = "scalar",
    *,
    loader: Callable[..., Any] | None = None,
    active_history: bool = False,
    defers_history: bool = False,
    trackparent: bool = False,
    collection_class: Any = None,
    compare: Callable[[Any, Any], Any] | None = None,
    expire_missing: bool = True,
    send_modified: bool = True,
    parent_token: Any = None,
    impl_class: Any = None,
    **options: Any,
) -> Any:
    """Give an attribute its implementation on objects.

    :param kind: ``"scalar"``, ``"object"`` or ``"collection"``.
    :param loader: see :class:`session._py.attributes.AttributeImpl`.
    :param defers_history: see :class:`session._py.references.ObjectAttribute`.
    :param collection_class: for collections, a class or factory; ``list`` by default.
    :param expire_missing: a scalar's value comes with the row and expires with it.
    :param parent_token: what identifies the relationship across subclasses.
    :param impl_class: an implementation of another kind, called like the built-in ones.
    :return: the implementation.
    """
    manager = _manager(cls)
    attribute = manager[key]
    shared: dict[str, Any] = {
        "loader": loader,
        "active_history": active_history or attribute.__dict__.get("_active_history", False),
        "trackparent": trackparent,
        "compare": compare,
        "accepts_row_loader": kind == "scalar" and expire_missing,
        "send_modified": send_modified,
        "parent_token": parent_token,
        **options,
    }
    if impl_class is not None:
        impl = impl_class(cls, key, manager, attribute.dispatch, **shared)
    elif kind == "collection":
        factory, duplicates = prepare_factory(cls, key, collection_class)
        impl = collected.CollectionAttribute(cls, key, manager, attribute.dispatch, factory, adapt_collection, **shared)
        impl.duplicates = duplicates
    elif kind == "object":
        impl = references.ObjectAttribute(
            cls, key, manager, attribute.dispatch, defers_history=defers_history, **shared
        )
    else:
        impl = scalars.ScalarAttribute(cls, key, manager, attribute.dispatch, **shared)
    attribute.impl = impl
    manager.refresh_keys()
    for sub in manager.subclass_managers():
        if sub.get(key) is attribute:
            sub.refresh_keys()
    return impl
