"""The last step of mapping a class, declaratively or not: its mapper is made and put on it.

Before it: ``scan.py`` or ``registry.py``, which have found the class's table and properties; after it: ``mapper.py``.
"""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy import event

from session.instrument import register_class
from session.instrument.base import opt_manager_of_class
from session.mapping import clsregistry, configure
from session.mapping.mapper import Mapper

__all__ = ["install_mapper"]


def install_mapper(registry: Any, cls: type[Any], table: Any, arguments: dict[str, Any], mapper: Any = None) -> Any:
    """Call the mapper of a class whose parts are known; ``__mapper__`` and ``__table__`` are set on it.

    No other thread configures the mapper before strings in its mapping find the class.
    """
    with configure.lock:
        return _install(registry, cls, table, arguments, mapper or Mapper)


def _install(registry: Any, cls: type[Any], table: Any, arguments: dict[str, Any], mapper: Any) -> Any:
    manager = opt_manager_of_class(cls)
    if cls.__init__ is object.__init__ and registry.constructor is not None:
        type.__setattr__(cls, "__init__", registry.constructor)
    if manager is None or not manager.is_mapped:
        manager = register_class(cls)
        manager.registry = registry
    try:
        made = mapper(cls, table, **arguments)
    except Exception:
        if not manager.is_mapped or manager.mapper.configured is False:
            Mapper.undo(cls)
        raise
    type.__setattr__(cls, "__mapper__", made)
    made.names_on_class.append("__mapper__")
    if made.local_table is not None and getattr(cls, "__table__", None) is not made.local_table:
        type.__setattr__(cls, "__table__", made.local_table)
        made.names_on_class.append("__table__")
    clsregistry.add_class(registry._class_registry, cls)
    _listen_for_hooks(registry, cls)
    return made


def _listen_for_hooks(registry: Any, cls: type[Any]) -> None:
    """Have ``__declare_first__`` and ``__declare_last__`` of a class called around the configuration of mappers."""
    for hook, moment in (("__declare_first__", "before_configured"), ("__declare_last__", "after_configured")):
        if not callable(getattr(cls, hook, None)):
            continue
        held = weakref.ref(cls)

        def call(registry: Any, held: Any = held, hook: str = hook) -> None:
            target = held()
            if target is not None and "__mapper__" in target.__dict__:
                getattr(target, hook)()

        event.listen(registry, moment, call)
