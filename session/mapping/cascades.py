"""Which operations go from an object on to the ones it refers to, and how.

:class:`CascadeOptions` is what ``relationship(cascade=...)`` says.  :func:`related` gives the objects that an
operation reaches next along one relationship (``Mapper.cascade_iterator`` walks on from there); :func:`orphaned`
tells of an object whether it has lost the parent it cannot be without.  :func:`track_cascades` puts the listeners on
an attribute by which an object joins, or leaves, the Session of the one it is added to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.util import warn

from session._accel import followers
from session.constants import NO_RAISE, NO_VALUE, PASSIVE_NO_INITIALIZE, PASSIVE_NO_RESULT, PASSIVE_OFF
from session.instrument.base import instance_state, state_label

__all__ = ["CascadeOptions", "allow_one_parent", "check_member", "orphaned", "orphans", "related", "track_cascades"]

Reached = tuple[Any, Any, Any, dict[str, Any]]


class CascadeOptions(frozenset[str]):
    """The operations that a relationship passes on; a set of their names.

    :param value_list: ``"save-update, merge"``, ``"all, delete-orphan"``, ``"none"``, a collection of names,
        or ``None`` for none.
    :raises ArgumentError: if a name is unknown.
    """

    __slots__ = ("delete", "delete_orphan", "expunge", "merge", "refresh_expire", "save_update")

    ALL: ClassVar[frozenset[str]] = frozenset({"save-update", "delete", "merge", "expunge", "refresh-expire"})
    KNOWN: ClassVar[frozenset[str]] = ALL | {"all", "none", "delete-orphan"}
    READING: ClassVar[frozenset[str]] = frozenset({"merge", "expunge", "refresh-expire"})

    save_update: bool
    delete: bool
    refresh_expire: bool
    merge: bool
    expunge: bool
    delete_orphan: bool

    def __new__(cls, value_list: Iterable[str] | str | None) -> CascadeOptions:
        if isinstance(value_list, str):
            names = {name.strip() for name in value_list.split(",")} - {""}
        else:
            names = set(value_list or ())
        unknown = names - cls.KNOWN
        if unknown:
            raise ArgumentError(
                f"No cascade is named {', '.join(map(repr, sorted(unknown)))}; there are {', '.join(sorted(cls.KNOWN))}"
            )
        if "all" in names:
            names |= cls.ALL
        if "none" in names:
            names.clear()
        self = super().__new__(cls, names - {"all"})
        for name in cls.__slots__:
            setattr(self, name, name.replace("_", "-") in self)
        if self.delete_orphan and not self.delete:
            warn("The cascade 'delete-orphan' is of use together with 'delete' only; add it")
        return self

    @classmethod
    def from_string(cls, arg: str) -> CascadeOptions:
        """Read the options from their text."""
        return cls(arg)

    def reading(self) -> CascadeOptions:
        """Return those of the options that write nothing."""
        return CascadeOptions(self & self.READING)

    def __reduce__(self) -> tuple[Any, ...]:
        return CascadeOptions, (",".join(sorted(self)),)

    def __repr__(self) -> str:
        return f"CascadeOptions({','.join(sorted(self))!r})"


# -- the next step -------------------------------------------------------------------------------


def related(
    prop: Any,
    type_: str,
    state: Any,
    dict_: dict[str, Any],
    visited: set[Any],
    halt_on: Callable[[Any], bool] | None = None,
) -> list[Reached]:
    """Return the objects that an operation goes on to along one relationship, and enter them in ``visited``.

    :raises AssertionError: if an object is not of the class that the relationship is for.
    """
    key = prop.key
    impl = state.manager[key].impl
    if type_ == "delete" and not prop.passive_deletes:
        passive = PASSIVE_OFF | NO_RAISE
    else:
        if key not in dict_ and not impl.dynamic and _nothing_pending(state, key):
            return []
        passive = PASSIVE_NO_INITIALIZE
    if type_ == "save-update":
        pairs = impl.get_all_pending(state, dict_)
    else:
        pairs = _present(impl, state, dict_, passive)
    skip_pending = type_ == "refresh-expire" and not prop.cascade.delete_orphan
    target = prop.mapper
    found: list[Reached] = []
    for item_state, item in pairs:
        if item is None or item_state in visited or (halt_on is not None and halt_on(item_state)):
            continue
        mapper = item_state.manager.mapper
        if mapper is not target:
            check_member(prop, item_state)
        if skip_pending and item_state.ident is None:
            continue
        visited.add(item_state)
        found.append((item, mapper, item_state, item.__dict__))
    return found


def check_member(prop: Any, state: Any) -> None:
    """Refuse an object of a class that a relationship is not for.

    :raises AssertionError: its class neither is the target nor inherits from it.
    """
    if not state.manager.mapper.isa(prop.mapper):
        raise AssertionError(
            f"{prop} holds an object of {state.class_.__name__}; it is for objects of {prop.mapper.class_.__name__}"
        )


def _nothing_pending(state: Any, key: str) -> bool:
    committed = state.committed
    if committed is not None and key in committed:
        return False
    queued = state.peek("pending")
    return not queued or key not in queued


def _present(impl: Any, state: Any, dict_: dict[str, Any], passive: int) -> list[tuple[Any, Any]]:
    value = impl.get(state, dict_, passive)
    if value is None or value is PASSIVE_NO_RESULT or value is NO_VALUE:
        return []
    objects = list(impl.get_collection(state, dict_, value, passive)) if impl.collection else [value]
    return [(instance_state(obj), obj) for obj in objects if obj is not None]


# -- orphans -------------------------------------------------------------------------------------


def orphaned(mapper: Any, state: Any) -> bool:
    """Tell whether an object has lost the parent that it cannot be without; see :func:`orphans`."""
    return bool(orphans(mapper, (state,)))


def orphans(mapper: Any, states: Iterable[Any]) -> list[Any]:
    """Find the objects that have lost the parent that they cannot be without.

    Each ``delete-orphan`` relationship that leads to the objects' class counts; one is an orphan as soon as
    one of them has let it go, or with the mapper's ``legacy_is_orphan`` once all have.

    :param mapper: the mapper of the objects.
    :param states: their states.
    """
    tests = [
        prop.parent.class_manager[prop.key].impl.hasparent
        for ancestor in mapper.iterate_to_root()
        for prop in ancestor.orphan_parents
    ]
    if not tests:
        return []
    if len(tests) == 1:
        [has_parent] = tests
        return [state for state in states if not has_parent(state, state.ident is not None)]
    lost = all if mapper.legacy_is_orphan else any
    return [state for state in states if lost(not has_parent(state, state.ident is not None) for has_parent in tests)]


# -- listeners -----------------------------------------------------------------------------------


def track_cascades(attribute: Any, prop: Any) -> None:
    """Let objects follow their parent into its Session when they are added to it, and leave it as orphans.

    Only the side on which a change was made brings an object in; the other side of a two-way
    relationship, which follows by itself, does not.

    :param attribute: the instrumented attribute of the relationship.
    :param prop: the relationship.
    """
    key = prop.key

    def part(session: Any, item: Any, outside: bool) -> None:
        item_state = instance_state(item)
        pending = session is not None and item_state in session._new
        if not (pending or outside) or not orphaned(prop.mapper, item_state):
            return
        if pending:
            session.expunge(item)
        else:
            item_state.extra("orphaned", dict)[key] = True

    on_append, on_set, on_remove = followers.cascade_followers(
        key, bool(prop.uselist), prop.cascade.save_update, prop.cascade.delete_orphan, instance_state, part
    )
    event.listen(attribute, "append", on_append, own=True)
    event.listen(attribute, "append_wo_mutation", on_append, own=True)
    event.listen(attribute, "remove", on_remove, own=True)
    event.listen(attribute, "set", on_set, own=True)


def allow_one_parent(attribute: Any, prop: Any) -> None:
    """Refuse an object that has another parent by the same relationship."""

    def check(state: Any, value: Any, previous: Any, initiator: Any) -> Any:
        if value is None or value is previous or initiator.key != prop.key:
            return value
        value_state = instance_state(value)
        if initiator.hasparent(value_state):
            raise InvalidRequestError(
                f"{state_label(value_state)} belongs to another {prop.parent.class_.__name__} by {prop} already, and "
                f"can have one parent only; remove it there first",
                code="bbf1",
            )
        return value

    def on_append(state: Any, value: Any, initiator: Any) -> Any:
        return check(state, value, None, initiator)

    event.listen(attribute, "append", on_append, raw=True, retval=True, active_history=True)
    event.listen(attribute, "set", check, raw=True, retval=True, active_history=True)
