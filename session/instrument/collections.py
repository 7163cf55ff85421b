"""Collections of mapped objects: any list, set, dictionary or class of that kind.

A collection class is *prepared* once: its mutators are wrapped so that they report to the
collection's :class:`CollectionAdapter`, which ties it to the owning object and fires the events of
the attribute.  What a class's appender, remover and iterator are is told by the decorators of
:class:`collection`, or by its being a list, set or dictionary (``mutators.py`` knows those).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, ref

from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import warn

from session.constants import NO_VALUE
from session.instrument.mutators import DICT, LIST, SET, roles_of_builtin, wrap_builtin

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
            f"collection_class of {what} must be a class or a callable that gives an empty "
            f"collection, not {wanted!r}."
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
        if role not in roles:
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
    if not hasattr(cls, "_sa_adapter"):
        cls._sa_adapter = None
    _prepared[cls] = None


def _reporting(
    fn: Callable[..., Any], before: tuple[str, int | str] | None, after: str | None
) -> Callable[..., Any]:
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


class CollectionAdapter:
    """Ties one collection to the object that owns it.

    :param impl: the attribute's implementation.
    :param owner_state: state of the owning object.
    :param data: the collection; held weakly, since it holds the adapter.
    """

    __slots__ = ("__weakref__", "_data", "empty", "impl", "invalidated", "owner_state")

    def __init__(self, impl: Any, owner_state: Any, data: Any) -> None:
        self.impl = impl
        self.owner_state = owner_state
        self._data: Callable[[], Any] = ref(data)
        self.invalidated = False
        self.empty = False

    @property
    def data(self) -> Any:
        """The collection itself."""
        return self._data()

    @property
    def attr(self) -> Any:
        return self.impl

    @property
    def _key(self) -> str:
        return self.impl.key  # type: ignore[no-any-return]

    @property
    def owner(self) -> Any:
        return self.owner_state()

    def _role(self, name: str) -> Any:
        data = self._data()
        return getattr(data, type(data)._session_roles[name])

    # -- the collection's content ------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        data = self._data()
        if type(data)._session_kind is LIST and isinstance(data, list):
            return list.__iter__(data)
        return iter(self._role("iterator")())

    def __len__(self) -> int:
        data = self._data()
        return len(data) if isinstance(data, (list, set, dict)) else sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    def append_with_event(self, item: Any, initiator: Any = None) -> None:
        self._role("appender")(item, _sa_initiator=initiator)

    def append_without_event(self, item: Any) -> None:
        self._role("appender")(item, _sa_initiator=False)

    def append_multiple_without_event(self, items: Iterable[Any]) -> None:
        data = self._data()
        cls = type(data)
        if cls is InstrumentedList:
            list.extend(data, items)
            return
        if cls is InstrumentedSet:
            set.update(data, items)
            return
        append = self._role("appender")
        for item in items:
            append(item, _sa_initiator=False)

    def remove_with_event(self, item: Any, initiator: Any = None) -> None:
        self._role("remover")(item, _sa_initiator=initiator)

    def remove_without_event(self, item: Any) -> None:
        self._role("remover")(item, _sa_initiator=False)

    def clear_with_event(self, initiator: Any = None) -> None:
        remove = self._role("remover")
        for item in list(self):
            remove(item, _sa_initiator=initiator)

    def clear_without_event(self) -> None:
        remove = self._role("remover")
        for item in list(self):
            remove(item, _sa_initiator=False)

    # -- replacing all of it -----------------------------------------------------------------

    def incoming(self, value: Any, adapt: bool = True) -> Any:
        """Check a value assigned to the attribute and give the objects in it.

        :raises TypeError: the value is not of the collection's kind.
        """
        data = self._data()
        cls = type(data)
        if not adapt:
            return list(value)
        if "converter" in cls._session_roles:
            return list(getattr(data, cls._session_roles["converter"])(value))
        kind = cls._session_kind
        if kind is DICT:
            if not isinstance(value, Mapping):
                raise self._wrong_kind(value, "dictionary")
            return list(value.values())
        if kind is LIST:
            if not isinstance(value, (list, tuple)) and not _is_kind(value, LIST):
                raise self._wrong_kind(value, "list")
            return list(value)
        if kind is SET:
            if not isinstance(value, (set, frozenset)) and not _is_kind(value, SET):
                raise self._wrong_kind(value, "set")
            return list(value)
        try:
            return list(collection_iterator(value))
        except TypeError:
            raise self._wrong_kind(value, cls.__name__) from None

    def _wrong_kind(self, value: Any, kind: str) -> TypeError:
        impl = self.impl
        return TypeError(
            f"Incompatible collection type: {type(value).__name__} can't be assigned to "
            f"{impl.class_.__name__}.{impl.key}, which is a {kind} collection."
        )

    def keys_of(self, value: Any) -> list[Any] | None:
        """Give the keys that go with the objects of an assigned dictionary; ``None`` for others."""
        if type(self._data())._session_kind is DICT and isinstance(value, Mapping):
            return list(value.keys())
        return None

    def replace_from(
        self, items: list[Any], old: CollectionAdapter, token: Any, keys: list[Any] | None
    ) -> None:
        """Fill this new collection in place of an old one: events for what came and what left."""
        before = {id(item): item for item in old}
        staying = {id(item) for item in items if id(item) in before}
        append = self._role("appender")
        if keys is not None and self._keyed_by_hand():
            data = self._data()
            for key, item in zip(keys, items):
                silent = id(item) in staying
                data.__setitem__(key, item, _sa_initiator=False if silent else token)
        else:
            for item in items:
                append(item, _sa_initiator=False if id(item) in staying else token)
        for item_id, item in before.items():
            if item_id in staying:
                old.fire_append_wo_mutation_event(item, token)
            else:
                old.fire_remove_event(item, token)

    def _keyed_by_hand(self) -> bool:
        return not hasattr(self._data(), "keyfunc")

    # -- events ------------------------------------------------------------------------------

    def _own(self) -> None:
        """At the first change, an empty collection given out by a read becomes the object's own."""
        if self.empty:
            state, key = self.owner_state, self.impl.key
            data = self._data()
            self.empty = False
            dict_ = state.dict
            if key not in dict_:
                dict_[key] = data
            empty = state.peek("empty")
            if empty:
                empty.pop(key, None)

    def fire_append_event(self, item: Any, initiator: Any = None, key: Any = None) -> Any:
        if initiator is False:
            return item
        if self.invalidated:
            warn_stale_collection(self)
        state = self.owner_state
        dict_ = state.dict
        if self.empty:
            self._own_after_event(dict_)
        return self.impl.fire_append_event(state, dict_, item, initiator, key)

    def fire_append_wo_mutation_event(
        self, item: Any, initiator: Any = None, key: Any = None
    ) -> Any:
        if initiator is False:
            return item
        if self.invalidated:
            warn_stale_collection(self)
        state = self.owner_state
        dict_ = state.dict
        if self.empty:
            self._own_after_event(dict_)
        return self.impl.fire_append_wo_mutation_event(state, dict_, item, initiator, key)

    def fire_remove_event(self, item: Any, initiator: Any = None, key: Any = None) -> None:
        if initiator is False:
            return
        if self.invalidated:
            warn_stale_collection(self)
        state = self.owner_state
        dict_ = state.dict
        if self.empty:
            self._own_after_event(dict_)
        self.impl.fire_remove_event(state, dict_, item, initiator, key)

    def fire_pre_remove_event(self, initiator: Any = None, key: Any = None) -> None:
        if initiator is False:
            return
        if self.invalidated:
            warn_stale_collection(self)
        state = self.owner_state
        self.impl.fire_pre_remove_event(state, state.dict, initiator, key)

    def _own_after_event(self, dict_: dict[str, Any]) -> None:
        key = self.impl.key
        state = self.owner_state
        if self.impl.send_modified:
            state.modified_event(dict_, key, NO_VALUE, self.impl.copy)
        self._own()

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
        self.owner_state = values["owner_state"]
        self.impl = values["owner_cls"].__dict__["_session_manager_"][values["key"]].impl
        self._data = ref(values["data"])
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


def collection_iterator(value: Any) -> Iterable[Any]:
    """Give the objects of a collection of any prepared class."""
    roles = getattr(type(value), "_session_roles", None)
    items: Iterable[Any] = iter(value) if roles is None else getattr(value, roles["iterator"])()
    return items


def _is_kind(value: Any, kind: Any) -> bool:
    return getattr(type(value), "_session_kind", None) is kind or getattr(
        type(value), "__emulates__", None
    ) is kind


def warn_stale_collection(adapter: CollectionAdapter) -> None:
    """Warn that a collection changes whose object has loaded, or will load, another one."""
    warn(
        f"This collection of {adapter.impl.class_.__name__}.{adapter.impl.key} has been invalidated: "
        "its object was expired or refreshed; changes to it are lost."
    )
