"""The manager of one mapped class: its attributes, its instances' states, its events.

A ``ClassManager`` is a dictionary of attribute key to class-bound attribute.  The tuples and
frozensets that hot code walks (``keys_tuple``, ``expirable``, ...) are worked out once per change
of the attributes.  Next on the way: ``register.py``, which fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import event

from session._accel import construct
from session._accel import state as state_module
from session.constants import CLASS_MANAGER, INSTANCE_STATE, KNOWN_CLASS_MANAGER
from session.instrument.attribute_state import AttributeStates
from session.instrument.base import class_label
from session.instrument.events import InstanceEvents
from session.instrument.pickling import dump_state, restore_state

__all__ = ["ClassManager", "install_init"]

InstanceState = state_module.InstanceState


class ClassManager(dict[str, Any]):
    """What the ORM knows about one instrumented class.

    :param class_: the class; its direct instrumented bases hand their attributes and listeners on.
    """

    dispatch: Any = event.dispatcher(InstanceEvents)

    restore_state = staticmethod(restore_state)
    dump_state = staticmethod(dump_state)
    attribute_states = staticmethod(AttributeStates)

    def __init__(self, class_: type[Any]) -> None:
        self.class_ = class_
        self.mapper: Any = None
        self.registry: Any = None
        self.identity_class: type[Any] = class_
        self.composite_key = False
        self.expired_loader: Callable[..., Any] = self._cannot_load
        self.invalidate_collection: Callable[[Any], None] = _invalidate
        self.expire_listened = False
        self.load_listened = False
        self.init_listened = False
        self.first_init_done = False
        self.on_init: tuple[Callable[[Any, dict[str, Any]], None], ...] = ()
        self.original_init: Any = None
        self.local_attributes: dict[str, Any] = {}
        self.expirable: frozenset[str] = frozenset()
        self.keys_tuple: tuple[str, ...] = ()
        self.collection_keys: tuple[str, ...] = ()
        self.info: dict[Any, Any] = {}
        self.bases: tuple[ClassManager, ...] = tuple(
            manager for base in class_.__bases__ if (manager := _nearest_manager(base)) is not None
        )
        for base_manager in self.bases:
            self.update(base_manager)
            self.dispatch._update(base_manager.dispatch)
        self.note_listeners()

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __repr__(self) -> str:
        return f"<ClassManager of {class_label(self.class_)}>"

    @property
    def manager(self) -> ClassManager:
        """The manager itself, as every inspected part of a class has one."""
        return self

    @property
    def is_mapped(self) -> bool:
        """True once a mapper has taken the class."""
        return self.mapper is not None

    # -- attributes --------------------------------------------------------------------------

    def put(self, key: str, attribute: Any, inherited: bool = False) -> None:
        """Set an attribute on the class, and on every instrumented subclass that lacks its own."""
        if inherited and key in self.local_attributes:
            return
        self[key] = attribute
        if not inherited:
            self.local_attributes[key] = attribute
            setattr(self.class_, key, attribute)
        self.refresh_keys()
        for manager in self.subclass_managers():
            manager.put(key, attribute, inherited=True)

    def take_out(self, key: str, inherited: bool = False) -> None:
        """Remove an attribute from the class and its subclasses."""
        if inherited and key in self.local_attributes:
            return
        attribute = self.pop(key, None)
        if not inherited and self.local_attributes.pop(key, None) is not None:
            if self.class_.__dict__.get(key) is attribute:
                delattr(self.class_, key)
        self.refresh_keys()
        for manager in self.subclass_managers():
            manager.take_out(key, inherited=True)

    def refresh_keys(self) -> None:
        """Work out again what hot code walks."""
        impls = [(key, attr.impl) for key, attr in self.items() if attr.impl is not None]
        self.keys_tuple = tuple(key for key, _ in impls)
        self.expirable = frozenset(key for key, impl in impls if impl.accepts_row_loader)
        self.collection_keys = tuple(key for key, impl in impls if impl.collection)

    @property
    def attributes(self) -> Iterable[Any]:
        """The class-bound attributes, one after the other."""
        return iter(self.values())

    def subclass_managers(self) -> list[ClassManager]:
        """Managers of the direct subclasses that are instrumented."""
        return [
            manager for cls in self.class_.__subclasses__() if (manager := cls.__dict__.get(CLASS_MANAGER)) is not None
        ]

    def get_impl(self, key: str) -> Any:
        """Give the implementation of an attribute."""
        return self[key].impl

    def has_parent(self, state: Any, key: str, optimistic: bool = False) -> bool:
        """True if the object of a state belongs to a parent by an attribute; ``optimistic`` where it is not known."""
        return self[key].impl.hasparent(state, optimistic)  # type: ignore[no-any-return]

    # -- instances ---------------------------------------------------------------------------

    def new_instance(self, state: Any = None) -> Any:
        """Give a new instance with a state; its ``__init__`` is not run."""
        class_: Any = self.class_
        obj = class_.__new__(class_)
        obj.__dict__[INSTANCE_STATE] = InstanceState(obj, self) if state is None else state
        return obj

    def setup_instance(self, obj: Any) -> Any:
        """Give the state of an instance, made now if it has none."""
        dict_ = obj.__dict__
        try:
            return dict_[INSTANCE_STATE]
        except KeyError:
            made = dict_[INSTANCE_STATE] = InstanceState(obj, self)
            return made

    def has_state(self, obj: Any) -> bool:
        """True if an object has a state."""
        return INSTANCE_STATE in obj.__dict__

    def state_of(self, obj: Any) -> Any:
        """Give the state of an object."""
        return obj.__dict__[INSTANCE_STATE]

    def dict_of(self, obj: Any) -> dict[str, Any]:
        """Give the dictionary of an object."""
        return obj.__dict__  # type: ignore[no-any-return]

    def _cannot_load(self, state: Any, keys: Any, passive: int) -> Any:
        raise RuntimeError(
            f"{class_label(self.class_)} has expired attributes, but no loader was configured; "
            "is the class still mapped?"
        )

    # -- events ------------------------------------------------------------------------------

    def note_listeners(self) -> None:
        """Look again which instance events anybody listens to, here and in subclasses."""
        dispatch = self.dispatch
        self.expire_listened = bool(dispatch.expire)
        self.load_listened = bool(dispatch.load or dispatch.refresh)
        self.init_listened = bool(dispatch.init or dispatch.init_failure or dispatch.first_init)
        for manager in self.subclass_managers():
            manager.note_listeners()

    def take_its_place(self) -> None:
        """Become what is found on the class, by this package and by tools."""
        setattr(self.class_, CLASS_MANAGER, self)
        setattr(self.class_, KNOWN_CLASS_MANAGER, self)

    def unregister(self) -> None:
        """Take the instrumentation off the class again."""
        for key in list(self.local_attributes):
            self.take_out(key)
        cls = self.class_
        if "__init__" in cls.__dict__ and getattr(cls.__dict__["__init__"], "_session_init", False):
            if self.original_init is None:
                del cls.__init__
            else:
                cls.__init__ = self.original_init
        for name in (CLASS_MANAGER, KNOWN_CLASS_MANAGER):
            if cls.__dict__.get(name) is self:
                delattr(cls, name)
        self.mapper = None


def _invalidate(collection: Any) -> None:
    adapter = collection._sa_adapter
    if adapter is not None:
        adapter.invalidated = True


def _nearest_manager(cls: type[Any]) -> ClassManager | None:
    for base in cls.__mro__:
        manager = base.__dict__.get(CLASS_MANAGER)
        if manager is not None:
            return manager  # type: ignore[no-any-return]
    return None


def install_init(manager: ClassManager) -> None:
    """Wrap the class's ``__init__`` so that an instance has its state before its own code runs."""
    cls = manager.class_
    own = cls.__dict__.get("__init__")
    manager.original_init = own
    original: Any = cls.__init__
    while getattr(original, "_session_init", False):
        original = original._session_wraps

    __init__: Any = construct.make_init(manager, original, _unmapped_subclass)
    __init__._session_init = True
    __init__._session_wraps = original
    __init__.__doc__ = original.__doc__
    __init__.__wrapped__ = original
    cls.__init__ = __init__


def _unmapped_subclass(cls: type[Any], manager: ClassManager) -> ClassManager:
    """A subclass that was never mapped itself is instrumented as its mapped base is."""
    made = ClassManager(cls)
    made.take_its_place()
    made.identity_class = manager.identity_class
    made.composite_key = manager.composite_key
    made.refresh_keys()
    return made
