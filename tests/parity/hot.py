"""Small mapped classes made by hand from the hot modules of one implementation.

The package picks one implementation when it is imported; the parity tests need both in one process.  So a
:class:`World` does in a few lines what the instrumentation does for real: class managers, event dispatch, the map of
a Session that only counts.  Collections are the real ones: they do not care which implementation they serve.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from session.constants import ATTR_EMPTY, ATTR_WAS_SET, CLASS_MANAGER, INSTANCE_STATE, NO_VALUE, PASSIVE_NO_RESULT
from session.instrument.collections import adapt_collection, prepare_factory
from tests.conftest import Implementation

CPYTHON = sys.implementation.name == "cpython"

MARKERS = (ATTR_EMPTY, ATTR_WAS_SET, NO_VALUE, PASSIVE_NO_RESULT)

ATTRIBUTE_EVENTS = (
    "set",
    "remove",
    "append",
    "append_wo_mutation",
    "bulk_replace",
    "init_scalar",
    "init_collection",
    "dispose_collection",
)
INSTANCE_EVENTS = ("load", "refresh", "expire", "init", "init_failure", "first_init")


def collect() -> None:
    """Have everything that is garbage go, wherever the interpreter is in no hurry."""
    for _ in range(1 if CPYTHON else 4):
        gc.collect()


class Listeners(list[Callable[..., Any]]):
    """Listeners of one event: to be walked, or called all at once."""

    def __call__(self, *args: Any) -> None:
        for listener in self:
            listener(*args)


class Dispatch:
    def __init__(self, names: Iterable[str]) -> None:
        for name in names:
            setattr(self, name, Listeners())

    def __getattr__(self, name: str) -> Listeners:  # for type checkers: every event is there
        raise AttributeError(name)


class Mapper:
    """As much of a mapper as a row loader asks for."""

    def __init__(self, manager: Manager, primary_key: Sequence[str]) -> None:
        self.class_manager = manager
        self.identity_class = manager.identity_class
        self.primary_key = tuple(primary_key)
        self.allow_partial_pks = True
        self.configured = 0

    def ensure_configured(self) -> None:
        self.configured += 1


class Manager(dict[str, Any]):
    """As much of a class manager as the hot modules ask for."""

    def __init__(self, world: World, class_: type[Any], primary_key: Sequence[str]) -> None:
        self.world = world
        self.class_ = class_
        self.identity_class = class_
        self.composite_key = len(primary_key) > 1
        self.mapper: Any = Mapper(self, primary_key)
        self.dispatch = Dispatch(INSTANCE_EVENTS)
        self.expire_listened = False
        self.init_listened = False
        self.first_init_done = False
        self.on_init: tuple[Callable[..., None], ...] = ()
        self.expirable: frozenset[str] = frozenset()
        self.keys_tuple: tuple[str, ...] = ()
        self.collection_keys: tuple[str, ...] = ()
        self.row: dict[str, Any] = {}
        """What the next load of expired attributes finds in the database."""
        for base in class_.__mro__[1:]:
            above = base.__dict__.get(CLASS_MANAGER)
            if above is not None:
                self.update(above)
                break
        self.refresh()

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def refresh(self) -> None:
        self.keys_tuple = tuple(self)
        self.expirable = frozenset(key for key, attribute in self.items() if attribute.impl.accepts_row_loader)
        self.collection_keys = tuple(key for key, attribute in self.items() if attribute.impl.collection)

    def new_instance(self) -> Any:
        obj = self.class_.__new__(self.class_)
        obj.__dict__[INSTANCE_STATE] = self.world.state.InstanceState(obj, self)
        return obj

    def expired_loader(self, state: Any, keys: set[str], passive: int) -> Any:
        self.world.note("load expired", sorted(keys), passive)
        dict_ = state.dict
        for key in sorted(keys):
            dict_[key] = self.row.get(key)
        state.commit(dict_, keys)
        return ATTR_WAS_SET

    def invalidate_collection(self, collection: Any) -> None:
        collection._sa_adapter.invalidated = True

    def attribute_states(self, state: Any) -> Any:
        return ("attribute states of", state)

    @staticmethod
    def dump_state(state: Any) -> tuple[Any, ...]:
        return (state.class_, state(), state.ident, state.committed)

    @staticmethod
    def restore_state(cls: type[Any], obj: Any, ident: Any, committed: Any) -> Any:
        manager = cls.__dict__[CLASS_MANAGER]
        state = obj.__dict__[INSTANCE_STATE] = manager.world.state.InstanceState(obj, manager)
        state.ident = ident
        state.committed = committed
        return state


class Owner:
    """In place of a Session: counts how often a change asked for a transaction."""

    def __init__(self) -> None:
        self.begun = 0
        self._transaction = None

    def _autobegin_for_change(self) -> None:
        self.begun += 1


class Context:
    """In place of the context of a load."""

    def __init__(self, identity_map: Any, **settings: Any) -> None:
        self.identity_map = identity_map
        self.identity_token: Any = None
        self.plain = True
        self.run_id = 1
        self.populate_existing = False
        self.refresh_state: Any = None
        self.only_keys: Any = None
        self.watches_new: Any = None
        self.carried_options: Any = None
        self.peers = False
        self.together: list[Any] = []
        self.session: Any = "session"
        self.kept: list[Any] = []
        self.posts: list[Any] = []
        self._gathered: dict[int, dict[int, Any]] = {}
        for name, value in settings.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def gathered(self, pairing: Any) -> dict[int, Any]:
        return self._gathered.setdefault(id(pairing), {})

    def keep(self, obj: Any) -> None:
        self.kept.append(obj)

    def later(self, post: Any, objects: list[Any]) -> None:
        self.posts.append((list(post), objects))

    def came_together(self, loader: Any, objects: list[Any]) -> None:
        self.together.append((loader, objects))


class World:
    """The hot modules of one implementation, and what is made of them."""

    def __init__(self, implementation: Implementation) -> None:
        self.name = implementation.name
        self.state = implementation.state
        self.state_loops = implementation.state_loops
        self.histories = implementation.histories
        self.identity = implementation.identity
        self.attributes = implementation.attributes
        self.scalars = implementation.scalars
        self.references = implementation.references
        self.collected = implementation.collected
        self.descriptors = implementation.descriptors
        self.listening = implementation.listening
        self.followers = implementation.followers
        self.adapters = implementation.adapters
        self.mutators = implementation.mutators
        self.construct = implementation.construct
        self.loading = implementation.loading
        self.pairings = implementation.pairings
        self.gather = implementation.gather
        self.linking = implementation.linking
        self.cascading = implementation.cascading
        self.merging = implementation.merging
        self.owner = Owner()
        self.home = self.identity.IdentityMap(self.owner)
        self.log: list[Any] = []
        self._labels = count(1)

    def note(self, *what: Any) -> None:
        self.log.append(show(what))

    # -- classes -----------------------------------------------------------------------------

    def map(
        self,
        cls: type[Any] | None = None,
        columns: Sequence[str] = ("id", "name"),
        references: Sequence[str] = (),
        collections: Sequence[str] = (),
        primary_key: Sequence[str] = ("id",),
        init: Callable[..., None] | None = None,
        **options: Any,
    ) -> Any:
        """Map a class: instrumented attributes, and an ``__init__`` that makes the state.

        :param options: for every implementation of an attribute.
        """
        if cls is None:
            cls = type("Thing", (), {"__repr__": lambda self: label(self)})
        manager = Manager(self, cls, primary_key)
        setattr(cls, CLASS_MANAGER, manager)
        for key in columns:
            self.add(manager, key, "scalar", **options)
        for key in references:
            self.add(manager, key, "object", trackparent=True, **options)
        for key in collections:
            self.add(manager, key, "collection", trackparent=True, **options)
        if init is None:
            init = by_keywords
        cls.__init__ = self.construct.make_init(manager, init, self.instrument)
        return cls

    def instrument(self, cls: type[Any], base: Manager) -> Manager:
        """Give a subclass that was never mapped a manager of its own."""
        manager = Manager(self, cls, base.mapper.primary_key)
        manager.identity_class = base.identity_class
        setattr(cls, CLASS_MANAGER, manager)
        return manager

    def add(self, manager: Manager, key: str, kind: str, **options: Any) -> Any:
        descriptor = self.descriptors.AttributeDescriptor()
        descriptor.key = key
        dispatch = Dispatch(ATTRIBUTE_EVENTS)
        cls = manager.class_
        if kind == "scalar":
            options.setdefault("accepts_row_loader", True)
            impl = self.scalars.ScalarAttribute(cls, key, manager, dispatch, **options)
        elif kind == "object":
            impl = self.references.ObjectAttribute(cls, key, manager, dispatch, **options)
        else:
            factory, duplicates = prepare_factory(cls, key, options.pop("collection_class", list))
            impl = self.collected.CollectionAttribute(cls, key, manager, dispatch, factory, adapt_collection, **options)
            impl.duplicates = duplicates
        descriptor.impl = impl
        manager[key] = descriptor
        setattr(cls, key, descriptor)
        manager.refresh()
        return impl

    def manager(self, cls: type[Any]) -> Any:
        return cls.__dict__[CLASS_MANAGER]

    def impl(self, cls: type[Any], key: str) -> Any:
        return self.manager(cls)[key].impl

    def listen(self, cls: type[Any], key: str, event: str, listener: Callable[..., Any] | None = None) -> None:
        """Listen to an attribute; without a listener, what happens is only noted."""
        impl = self.impl(cls, key)
        getattr(impl.dispatch, event).append(listener or self.listener(event))
        impl.note_listeners()

    def listener(self, event: str) -> Callable[..., Any]:
        def note(state: Any, value: Any, *args: Any, **keywords: Any) -> Any:
            self.note(event, state, value, args, keywords)
            return value

        return note

    # -- objects -----------------------------------------------------------------------------

    def make(self, cls: type[Any], **values: Any) -> Any:
        """Make an object with a label by which it can be told in both worlds."""
        obj = cls(**values)
        obj.__dict__["label"] = f"{cls.__name__}-{next(self._labels)}"
        return obj

    def file(self, obj: Any, ident: Any) -> Any:
        """Make an object persistent in the world's identity map; give its state."""
        state = state_of(obj)
        state.ident = ident
        self.home.add(state)
        return state

    def loader(self, cls: type[Any], columns: Sequence[str], primary_key: Sequence[str] = ("id",)) -> Any:
        """A row loader for rows that have these columns in this order."""
        made = self.loading.RowLoader(self.manager(cls).mapper)
        made.positions = [(key, position) for position, key in enumerate(columns)]
        made.pk_positions = tuple(columns.index(key) for key in primary_key)
        made.composite = len(primary_key) > 1
        return made


def by_keywords(self: Any, **values: Any) -> None:
    """In place of the constructor that declarative classes have."""
    for key, value in values.items():
        if not hasattr(type(self), key):
            raise TypeError(f"{key!r} is not an attribute")
        setattr(self, key, value)


by_keywords._session_sets_keywords = True  # type: ignore[attr-defined]


def state_of(obj: Any) -> Any:
    return obj.__dict__[INSTANCE_STATE]


def dead(world: World, cls: Any) -> Any:
    """Give the state of an object that has been collected."""
    obj = world.make(cls)
    state = state_of(obj)
    del obj
    collect()
    assert state() is None
    return state


# -- comparing -------------------------------------------------------------------------------


def label(obj: Any) -> str:
    return obj.__dict__.get("label", f"a {type(obj).__name__}")


def show(value: Any) -> Any:
    """Give a value in a form that is equal in both worlds where the value is."""
    if value in MARKERS if type(value) in {type(marker) for marker in MARKERS} else False:
        return repr(value)
    if value is None or isinstance(value, (str, int, float, bool, bytes)):
        return value
    if isinstance(value, dict):
        return {str(show(key)): show(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return ("set", sorted(map(repr, map(show, value))))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *map(show, value))
    name = type(value).__name__
    if name == "InstanceState":
        obj = value()
        return "state of the dead" if obj is None else f"state of {label(obj)}"
    if name == "AttributeEventToken":
        return f"token {value.op} of {value.key}"
    if name == "PendingCollection":
        return ("queued", show(value.added_items), show(value.deleted_items))
    if name == "CollectionAdapter":
        return ("adapter", value.empty, value.invalidated, value.impl.key)
    if isinstance(value, BaseException):
        return outcome_of(value)
    if hasattr(value, "__dict__") and INSTANCE_STATE in value.__dict__:
        return label(value)
    return f"a {name}"


def picture(state: Any) -> dict[str, Any]:
    """All that can be seen of a state, in a form that compares."""
    obj = state()
    tokens = {}
    if obj is not None:
        tokens = {id(attribute.impl.parent_token): key for key, attribute in state.manager.items()}
    extras = state.extras
    return {
        "dict": None if obj is None else {k: show(v) for k, v in obj.__dict__.items() if k != INSTANCE_STATE},
        "committed": None if state.committed is None else list(show(state.committed).items()),
        "expired_keys": None if state.expired_keys is None else sorted(state.expired_keys),
        "expired": state.expired,
        "modified": state.modified,
        "deleted": state._deleted,
        "_strong_obj": None if state._strong_obj is None else label(state._strong_obj),
        "ident": show(state.ident),
        "token": state.identity_token,
        "at home": state.home is not None,
        "on a shelf": state.shelf is not None and state.shelf.get(state.ident) is state,
        "options": show(state.load_options),
        "extras": extras and {name: show(value) for name, value in extras.items() if name != "parents"},
        "parents": {tokens.get(token, "?"): show(parent) for token, parent in state.parents.items()},
        "life": [
            name
            for name in ("transient", "pending", "persistent", "deleted", "detached", "was_deleted", "has_identity")
            if getattr(state, name)
        ],
    }


def outcome_of(error: BaseException) -> tuple[str, ...]:
    return ("raised", type(error).__name__, re.sub("0x[0-9a-f]+", "0x", str(error)))


def outcome(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """What a call gives, or its error, in a form that compares."""
    try:
        return show(function(*args, **keywords))
    except Exception as error:
        return outcome_of(error)
