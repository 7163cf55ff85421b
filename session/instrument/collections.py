"""Collections of mapped objects: any list, set, dictionary or class of that kind.

A collection class is *prepared* once: its mutators are wrapped so that they report to the
collection's :class:`CollectionAdapter`, which ties it to the owning object and fires the events of
the attribute.  What a class's appender, remover and iterator are is told by the decorators of
:class:`collection`, or by its being a list, set or dictionary (``mutators.py`` knows those).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.exc import ArgumentError

from session._accel import adapters
from session.instrument.mutators import LIST, roles_of_builtin, wrap_builtin

__all__ = [
    "CollectionAdapter",
    "InstrumentedDict",
    "InstrumentedList",
    "InstrumentedSet",
    "adapt_collection",
    "collection",
    "collection_adapter",
    "prepare_factory",
    "prepare_instrumentation",
]


class InstrumentedList(list[Any]):
    """The list that a collection attribute holds by default."""


class InstrumentedSet(set[Any]):
    """The set of a collection attribute with ``collection_class=set``."""


class InstrumentedDict(dict[Any, Any]):
    """The dictionary of a collection attribute with ``collection_class=dict``."""


_INSTRUMENTED: dict[Any, type[Any]] = {
    list: InstrumentedList,
    set: InstrumentedSet,
    dict: InstrumentedDict,
}


#: How many objects go into a collection at once without a report, where no code of a user's has a part in it.
_FILLS: dict[type[Any], Callable[[Any, Any], None]] = {InstrumentedList: list.extend, InstrumentedSet: set.update}


class collection:
    """Decorators that tell which methods of a collection class do what."""

    @staticmethod
    def appender(fn: Callable[..., Any]) -> Callable[..., Any]:
        """The method adds one object, its first argument."""
        return _mark(fn, role="appender")

    @staticmethod
    def remover(fn: Callable[..., Any]) -> Callable[..., Any]:
        """The method removes one object, its first argument."""
        return _mark(fn, role="remover")

    @staticmethod
    def iterator(fn: Callable[..., Any]) -> Callable[..., Any]:
        """The method gives an iterator over the objects."""
        return _mark(fn, role="iterator")

    @staticmethod
    def converter(fn: Callable[..., Any]) -> Callable[..., Any]:
        """The method turns a value assigned to the attribute into the objects to hold."""
        return _mark(fn, role="converter")

    @staticmethod
    def linker(fn: Callable[..., Any]) -> Callable[..., Any]:
        """The method is told the adapter when the collection joins its object, ``None`` when it leaves."""
        return _mark(fn, role="linker")

    link = linker

    @staticmethod
    def internally_instrumented(fn: Callable[..., Any]) -> Callable[..., Any]:
        """The method fires its events itself: leave it alone."""
        return _mark(fn, instrumented=True)

    @staticmethod
    def adds(arg: int | str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The method adds the object in argument ``arg``."""
        return lambda fn: _mark(fn, before=("append", arg))

    @staticmethod
    def replaces(arg: int | str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The method adds the object in argument ``arg`` and returns the one that left."""
        return lambda fn: _mark(fn, before=("append", arg), after="remove")

    @staticmethod
    def removes(arg: int | str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The method removes the object in argument ``arg``."""
        return lambda fn: _mark(fn, before=("remove", arg))

    @staticmethod
    def removes_return() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The method removes the object that it returns."""
        return lambda fn: _mark(fn, after="remove")


def _mark(fn: Callable[..., Any], **marks: Any) -> Callable[..., Any]:
    for name, value in marks.items():
        setattr(fn, "_collection_" + name, value)
    return fn


def collection_adapter(instance: Any) -> CollectionAdapter | None:
    """Give the adapter of a collection that belongs to a mapped object."""
    return getattr(instance, "_sa_adapter", None)


# -- preparing a class -----------------------------------------------------------------------

_prepared: WeakKeyDictionary[type[Any], None] = WeakKeyDictionary()


def prepare_factory(cls: type[Any], key: str, wanted: Any) -> tuple[Callable[[], Any], bool]:
    """Make the factory of an attribute's collections.

    :param wanted: a collection class, or a callable that gives a new empty collection.
    :return: the factory, and whether its collections may hold an object twice.
    :raises ArgumentError: the collection can't be used; the message says what it lacks.
    """
    if wanted is None:
        wanted = list
    factory = prepare_instrumentation(wanted, f"{cls.__name__}.{key}")
    sample: Any = factory if isinstance(factory, type) else type(factory())
    return factory, sample._session_kind is LIST


def prepare_instrumentation(wanted: Any, what: str = "a relationship") -> Callable[[], Any]:
    """Prepare the class of a collection, and give the factory of instrumented collections."""
    if wanted in _INSTRUMENTED:
        factory: Any = _INSTRUMENTED[wanted]
    else:
        factory = wanted
    if isinstance(factory, type):
        _prepare(factory, what)
        return factory
    if not callable(factory):
        raise ArgumentError(
            f"collection_class of {what} must be a class or a callable that gives an empty collection, not {wanted!r}."
        )
    sample_type = type(factory())
    if sample_type in _INSTRUMENTED:
        plain_factory, made_type = factory, _INSTRUMENTED[sample_type]
        _prepare(made_type, what)
        return lambda: made_type(plain_factory())
    _prepare(sample_type, what)
    return factory  # type: ignore[no-any-return]


def _prepare(cls: type[Any], what: str) -> None:
    if cls in _prepared:
        return
    if cls.__module__ == "builtins":
        raise ArgumentError(
            f"{cls.__name__} can't be instrumented as collection_class of {what}: derive a class from it."
        )
    kind, roles = roles_of_builtin(cls)
    marked: dict[str, Callable[..., Any]] = {}
    for base in cls.__mro__:
        for name, fn in vars(base).items():
            if not callable(fn):
                continue
            role = getattr(fn, "_collection_role", None)
            if role is not None and role not in marked:
                marked[role] = fn
                roles[role] = name
    for role in ("appender", "remover", "iterator"):
        if role not in roles or not hasattr(cls, roles[role]):
            raise ArgumentError(
                f"{cls.__name__}, the collection_class of {what}, has no {role}: derive it from list, "
                f"set or dict, or mark a method with @collection.{role}."
            )
    done: set[str] = set()
    for base in cls.__mro__:
        for name, fn in list(vars(base).items()):
            if name in done or not callable(fn):
                continue
            if getattr(fn, "_collection_instrumented", False):
                done.add(name)
                continue
            before = getattr(fn, "_collection_before", None)
            after = getattr(fn, "_collection_after", None)
            if before is not None or after is not None:
                setattr(cls, name, _reporting(fn, before, after))
                done.add(name)
    wrap_builtin(cls, kind, skip=done)
    for role, operation in (("appender", "append"), ("remover", "remove")):
        fn = getattr(cls, roles[role])
        if not getattr(fn, "_collection_instrumented", False):
            setattr(cls, roles[role], _reporting(fn, (operation, 1), None))
    cls._session_kind = kind
    cls._session_roles = roles
    cls._session_fill = _FILLS.get(cls)
    if not hasattr(cls, "_sa_adapter"):
        cls._sa_adapter = None
    _prepared[cls] = None


def _reporting(fn: Callable[..., Any], before: tuple[str, int | str] | None, after: str | None) -> Callable[..., Any]:
    """Wrap a method of a user's collection so that it reports what its marks say."""

    @wraps(fn)
    def method(self: Any, *args: Any, _sa_initiator: Any = None, **kw: Any) -> Any:
        adapter = self._sa_adapter
        if adapter is None or _sa_initiator is False:
            return fn(self, *args, **kw)
        if before is not None:
            operation, arg = before
            if isinstance(arg, str):
                value, given = kw.get(arg), arg in kw
            else:
                given = len(args) >= arg
                value = args[arg - 1] if given else next(iter(kw.values()), None)
            if operation == "append":
                changed = adapter.fire_append_event(value, _sa_initiator)
                if changed is not value:
                    if isinstance(arg, str):
                        kw[arg] = changed
                    elif given:
                        args = (*args[: arg - 1], changed, *args[arg:])
            else:
                adapter.fire_remove_event(value, _sa_initiator)
        if after is None:
            return fn(self, *args, **kw)
        adapter.fire_pre_remove_event(_sa_initiator)
        left = fn(self, *args, **kw)
        if left is not None:
            adapter.fire_remove_event(left, _sa_initiator)
        return left

    return _mark(method, instrumented=True)


# -- a collection in use ---------------------------------------------------------------------


class CollectionAdapter(adapters.CollectionAdapter):
    """Ties one collection to the object that owns it; here with what pickling needs.

    :param impl: the attribute's implementation.
    :param owner_state: state of the owning object.
    :param data: the collection; held weakly, since it holds the adapter.
    """

    __slots__ = ()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "key": self.impl.key,
            "owner_state": self.owner_state,
            "owner_cls": self.owner_state.class_,
            "data": self.data,
            "invalidated": self.invalidated,
            "empty": self.empty,
        }

    def __setstate__(self, values: dict[str, Any]) -> None:
        impl = values["owner_cls"].__dict__["_session_manager_"][values["key"]].impl
        super().__init__(impl, values["owner_state"], values["data"])
        values["data"]._sa_adapter = self
        self.invalidated = values["invalidated"]
        self.empty = values.get("empty", False)


def adapt_collection(impl: Any, state: Any, data: Any) -> CollectionAdapter:
    """Tie a collection to its owner."""
    adapter = CollectionAdapter(impl, state, data)
    data._sa_adapter = adapter
    linker = type(data)._session_roles.get("linker")
    if linker is not None:
        getattr(data, linker)(adapter)
    return adapter
