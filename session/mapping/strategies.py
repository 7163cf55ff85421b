"""Where loading plugs in: factories of strategies by name, and the hooks that expired attributes call.

``mapping`` is below ``load``: it knows the *names* of strategies only.  ``load`` registers a factory for
each at its import, and sets the functions of :data:`hooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from session.exc import LoaderStrategyException

__all__ = ["factories", "hooks", "load_scalars", "register", "strategy_for"]

#: ``(kind of property, name of strategy)`` -> function of the property that makes the strategy.
factories: dict[tuple[str, str], Callable[[Any], Any]] = {}


def register(kind: str, *names: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register a factory of strategies, as a decorator.

    :param kind: ``"column"`` or ``"relationship"``; a property's ``strategy_kind``.
    :param names: the names by which mappings and options ask for it.
    """

    def keep(factory: Callable[[Any], Any]) -> Callable[[Any], Any]:
        for name in names:
            factories[kind, name] = factory
        return factory

    return keep


def strategy_for(prop: Any, name: str | None = None) -> Any:
    """Return the strategy of a property, made when first asked for.

    :param prop: a mapped property.
    :param name: the strategy's name; the property's own by default.
    :raises LoaderStrategyException: if there is no such strategy for this kind of property.
    """
    if name is None:
        name = prop.strategy
    found = prop.strategies.get(name)
    if found is not None:
        return found
    factory = factories.get((prop.strategy_kind, name))
    if factory is None:
        raise LoaderStrategyException(
            f"{prop} is a {prop.strategy_kind or 'mapped'} attribute, which cannot be loaded with {name!r}; "
            f"known are {sorted(n for k, n in factories if k == prop.strategy_kind)}",
            cls=prop.parent.class_,
            key=prop.key,
            strategy=name,
        )
    return prop.strategies.setdefault(name, factory(prop))


class _Hooks:
    """The functions that ``load`` provides to what is below it."""

    __slots__ = ("column_loader", "lazy_loader", "load_scalars", "relationship_loader")

    #: ``(state, keys, passive)``: load the expired or deferred columns of one object.
    load_scalars: Callable[[Any, Any, int], Any]
    #: ``(prop, mapper)`` -> attribute loader of a column that is not loaded with its row, or ``None``.
    column_loader: Callable[[Any, Any], Any]
    relationship_loader: Callable[[Any, Any], Any]
    lazy_loader: Callable[..., Any]

    def __init__(self) -> None:
        self.load_scalars = _no_loading
        self.column_loader = _deferred_loader


def _no_loading(state: Any, keys: Any, passive: int) -> Any:
    raise RuntimeError("session.load is not imported, so no attribute can be loaded")


def _deferred_loader(prop: Any, mapper: Any) -> Any:
    key = prop.key

    def load(state: Any, passive: int) -> Any:
        return hooks.load_scalars(state, {key}, passive)

    return load


hooks = _Hooks()


def load_scalars(state: Any, keys: Any, passive: int) -> Any:
    """Load columns of one object now; the function that class managers call for expired attributes.

    :param state: the object's state.
    :param keys: keys of the column attributes to load.
    :param passive: what the look-up may do.
    """
    return hooks.load_scalars(state, keys, passive)
