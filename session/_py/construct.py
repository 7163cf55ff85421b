"""The ``__init__`` of mapped classes: a state first, then the class's own code.  Pure reference version.

``make_init`` wraps the ``__init__`` that a class has.  Where that is the keyword constructor of
declarative classes, plain column attributes are set without the detour through their descriptors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from session._py.scalars import ScalarAttribute
from session._py.state import InstanceState
from session.constants import CLASS_MANAGER, INSTANCE_STATE, NO_VALUE

__all__ = ["make_init"]


def make_init(
    manager: Any, original: Callable[..., None], instrument: Callable[[type[Any], Any], Any]
) -> Callable[..., None]:
    """Make the ``__init__`` of an instrumented class.

    The listeners of ``init`` run before the class's own code, those of ``init_failure`` if it
    raises; ``first_init`` runs once per class, before its first instance is made.

    :param manager: the class manager.
    :param original: the class's own ``__init__``.
    :param instrument: gives the manager of a subclass that was never instrumented itself.
    """
    class_ = manager.class_
    by_keywords: bool = getattr(original, "_session_sets_keywords", False)

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        dict_ = self.__dict__
        if INSTANCE_STATE in dict_:
            original(self, *args, **kwargs)
            return
        cls = type(self)
        own = manager
        if cls is not class_:
            own = cls.__dict__.get(CLASS_MANAGER)
            if own is None:
                own = instrument(cls, manager)
        mapper = own.mapper
        if mapper is not None:
            mapper.ensure_configured()
        state = dict_[INSTANCE_STATE] = InstanceState(self, own)
        for prepare in own.on_init:
            prepare(state, dict_)
        if own.init_listened:
            _init_with_listeners(own, state, original, self, args, kwargs)
        elif by_keywords and not args:
            _set_keywords(own, state, dict_, original, self, kwargs)
        else:
            original(self, *args, **kwargs)

    return __init__


def _set_keywords(
    manager: Any,
    state: InstanceState,
    dict_: dict[str, Any],
    original: Callable[..., None],
    obj: Any,
    kwargs: dict[str, Any],
) -> None:
    cls = type(obj)
    for key, value in kwargs.items():
        attribute = manager.get(key)
        if attribute is not None:
            impl = attribute.impl
            if (
                type(impl) is ScalarAttribute
                and not impl.listened
                and not impl.active_history
                and impl.send_modified
                and state.home is None
                and getattr(cls, key, None) is attribute
            ):
                committed = state.committed
                if committed is None:
                    committed = state.committed = {}
                if key not in committed:
                    committed[key] = dict_.get(key, NO_VALUE)
                state.modified = True
                dict_[key] = value
                continue
        original(obj, **{key: value})


def _init_with_listeners(
    manager: Any,
    state: Any,
    original: Callable[..., None],
    obj: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    dispatch = manager.dispatch
    if not manager.first_init_done:
        manager.first_init_done = True
        dispatch.first_init(manager, manager.class_)
    dispatch.init(state, args, kwargs)
    try:
        original(obj, *args, **kwargs)
    except BaseException:
        dispatch.init_failure(state, args, kwargs)
        raise
