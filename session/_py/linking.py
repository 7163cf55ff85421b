"""The loops of a flush that follow relationships, one turn for each object.

In come states, the *statuses* of a flush (what is done with which state) and attribute keys; out come the same states
sorted into what has to be done, or foreign keys that have been carried over.  A loop does the usual
case only and hands back what it leaves alone: an object of a subclass, one that the flush does not know,
an attribute that is not loaded.  ``flush/dependency.py`` knows what to do with these.

No loop here runs user code.  ``cext/linking.pyx`` is the compiled twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import is_
from types import NoneType
from typing import Any, TypeGuard

from session.constants import INSTANCE_STATE, NO_VALUE

__all__ = [
    "DELETE",
    "LISTED_DELETE",
    "LISTED_SAVE",
    "SAVE",
    "Steps",
    "by_base",
    "by_class",
    "by_manager",
    "collected",
    "concerned",
    "lacking",
    "outcome",
    "refer_children",
    "refer_parents",
    "states_of",
    "unchanged",
    "unsaved",
]

# What is done with a state; LISTED ones take part in relationships but are not written themselves.
SAVE, DELETE, LISTED_SAVE, LISTED_DELETE = range(4)

_CONSTANTS = (NoneType, bool, float)

Statuses = dict[Any, int]
Pairs = Sequence[tuple[str, str]]


def by_manager(states: Iterable[Any]) -> list[tuple[Any, list[Any]]]:
    """Sort states by class.

    :return: class manager and states.
    """
    found: dict[Any, list[Any]] = {}
    manager: Any = None
    members: list[Any] = []
    for state in states:
        if state.manager is not manager:
            manager = state.manager
            members = found.setdefault(manager, [])
        members.append(state)
    return list(found.items())


def by_class(states: Iterable[Any], statuses: Statuses) -> list[tuple[Any, list[Any], list[Any]]]:
    """Sort states by class and by what is done with them.

    :return: class manager, the states to be saved and those to be deleted; listed ones are left out.
    """
    found: dict[Any, tuple[Any, list[Any], list[Any]]] = {}
    manager: Any = None
    saves: list[Any] = []
    deletes: list[Any] = []
    for state in states:
        if state.manager is not manager:
            manager = state.manager
            _, saves, deletes = found.setdefault(manager, (manager, [], []))
        status = statuses[state]
        if status == SAVE:
            saves.append(state)
        elif status == DELETE:
            deletes.append(state)
    return list(found.values())


def by_base(statuses: Statuses) -> tuple[dict[Any, list[Any]], dict[Any, list[Any]]]:
    """Sort what is written by base mapper.

    :return: the states to be saved, and those to be deleted, of each base mapper.
    """
    saves: dict[Any, list[Any]] = {}
    deletes: dict[Any, list[Any]] = {}
    manager: Any = None
    base: Any = None
    for state, status in statuses.items():
        if state.manager is not manager:
            manager = state.manager
            base = manager.mapper.base_mapper
        if status == SAVE:
            saves.setdefault(base, []).append(state)
        elif status == DELETE:
            deletes.setdefault(base, []).append(state)
    return saves, deletes


def outcome(statuses: Statuses) -> tuple[list[Any], list[Any]]:
    """Give the states that are there after the flush, and those that are gone."""
    saved = [state for state, status in statuses.items() if status in (SAVE, LISTED_SAVE)]
    gone = [state for state, status in statuses.items() if status in (DELETE, LISTED_DELETE)]
    return saved, gone


def concerned(
    states: Iterable[Any], keys: Sequence[str], watched: frozenset[str]
) -> tuple[list[list[Any]], dict[frozenset[str], list[Any]]]:
    """Find out which relationships saving the states concerns.

    :param states: states of one class.
    :param keys: the keys of its relationships.
    :param watched: attributes whose change concerns a relationship of a persistent object.
    :return: for each key the new states that hold something there or have held it, and the persistent states by
        those attributes in ``watched`` that have changed. One that has the number, text or object that it had has not,
        nor has a list of the same objects.
    """
    holding: list[list[Any]] = [[] for _ in keys]
    places = list(zip(keys, holding, strict=True))
    changed: dict[frozenset[str], list[Any]] = {}
    for state in states:
        committed = state.committed
        if state.ident is None:
            dict_ = state().__dict__
            for key, holders in places:
                if key in dict_ or (committed is not None and key in committed):
                    holders.append(state)
        elif committed:
            dict_ = state().__dict__
            those = [key for key, old in committed.items() if key in watched and not _is_back(old, dict_.get(key))]
            if those:
                changed.setdefault(frozenset(those), []).append(state)
    return holding, changed


def _is_same(old: Any, value: Any) -> bool:
    """Tell whether an attribute was set to the number or text that it had."""
    return (type(old) is int or type(old) is str) and type(value) is type(old) and value == old


def _is_back(old: Any, value: Any) -> bool:
    """Tell whether an attribute holds the number, text or object that it held, or a list the objects."""
    if type(old) is not list:
        return old is value or _is_same(old, value)
    return _is_list(value) and len(old) == len(value) and all(map(is_, old, value))


def _is_list(collection: Any) -> TypeGuard[list[Any]]:
    """Tell whether a collection is a list, and keeps its objects in itself."""
    return isinstance(collection, list) and getattr(type(collection), "_session_kind", None) is list


def unchanged(states: Iterable[Any], keys: frozenset[str]) -> list[Any]:
    """Give the persistent states that were modified, but whose values are all what they were.

    :param states: states of one class.
    :param keys: the attributes that count; a state with any other in its changes is left out.
    :return: those with nothing but values in ``keys`` set to the number, text or ``None`` that was there before.
    """
    found = []
    for state in states:
        committed = state.committed
        if not committed or state.ident is None:
            continue
        dict_ = state().__dict__
        for key, old in committed.items():
            value = dict_.get(key, NO_VALUE)
            if key not in keys or not (_is_same(old, value) or (old is value and type(old) in _CONSTANTS)):
                break
        else:
            found.append(state)
    return found


def states_of(objects: Iterable[Any]) -> list[Any]:
    """Give the states of mapped objects, ``None`` for ``None``."""
    return [None if obj is None else obj.__dict__[INSTANCE_STATE] for obj in objects]


def collected(state: Any, key: str) -> list[Any] | None:
    """Give what came to a new object's collection, all of it since the object was made.

    :param key: the attribute that holds the collection.
    :return: the members; ``None`` if there is more to it: it is not a list, or has had members before.
    """
    committed = state.committed
    if state.ident is not None or committed is None or (state.extras is not None and "pending" in state.extras):
        return None
    before = committed.get(key)
    if before is not NO_VALUE and not (type(before) is list and not before):
        return None
    obj = state()
    collection = None if obj is None else obj.__dict__.get(key)
    if _is_list(collection):
        return list.copy(collection)
    return None


def unsaved(states: Iterable[Any], statuses: Statuses) -> list[Any]:
    """Give those of the states, and not ``None``, that are not to be saved yet."""
    return [state for state in states if state is not None and statuses.get(state) != SAVE]


def refer_children(parent: Any, children: Iterable[Any], pairs: Pairs, statuses: Statuses, manager: Any) -> list[Any]:
    """Give new objects the key of the object that they belong to.

    :param parent: the state of that object.
    :param children: states, or ``None``.
    :param pairs: the attribute to read and the attribute to write, for each column of the key.
    :param manager: the class manager of children that can be written to without any further question.
    :return: those that were left alone.
    """
    source = parent().__dict__
    values = [(target, source.get(key, NO_VALUE)) for key, target in pairs]
    if any(value is NO_VALUE for _, value in values):
        return list(children)
    left = []
    for child in children:
        if child is None or child.manager is not manager or child.ident is not None or statuses.get(child) != SAVE:
            left.append(child)
            continue
        obj = child()
        if obj is None:
            left.append(child)
            continue
        obj.__dict__.update(values)
    return left


def refer_parents(
    states: Iterable[Any], key: str, pairs: Pairs, statuses: Statuses, manager: Any, home: Any
) -> list[Any]:
    """Give new objects the keys of the objects that they refer to.

    :param states: states of one class.
    :param key: the attribute that holds the object referred to.
    :param pairs: the attribute to read and the attribute to write, for each column of the key.
    :param manager: the class manager of objects that can be referred to without any further question.
    :param home: the identity map of the flush's Session.
    :return: those that were left alone.
    """
    left = []
    for state in states:
        obj = state()
        committed = state.committed
        if (
            obj is None
            or state.ident is not None
            or committed is None
            or statuses.get(state) != SAVE
            or committed.get(key) is not NO_VALUE
        ):
            left.append(state)
            continue
        dict_ = obj.__dict__
        target = dict_.get(key)
        target_state = None if target is None else target.__dict__.get(INSTANCE_STATE)
        if (
            target_state is None
            or target_state.manager is not manager
            or not (target_state in statuses or (target_state.shelf is not None and target_state.home is home))
        ):
            left.append(state)
            continue
        source = target.__dict__
        values = [(name, source.get(read, NO_VALUE)) for read, name in pairs]
        if any(value is NO_VALUE for _, value in values):
            left.append(state)
            continue
        dict_.update(values)
    return left


def lacking(states: Iterable[Any], key: str) -> list[Any]:
    """Give those of the states whose objects are alive and hold no value under the key."""
    found = []
    for state in states:
        obj = state()
        if obj is not None and key not in obj.__dict__:
            found.append(state)
    return found


class Steps:
    """The steps of a flush inside a cycle of mappers, as numbers, and which comes before which.

    A step is a whole task, or what one task does for one object.
    """

    def __init__(self) -> None:
        #: for each number the task, and the state, or ``None`` for a whole task
        self.names: list[tuple[Any, Any]] = []
        #: pairs of numbers
        self.edges: list[tuple[int, int]] = []

    def add(self, task: Any) -> int:
        """Number a whole task."""
        self.names.append((task, None))
        return len(self.names) - 1

    def add_each(self, task: Any, states: Iterable[Any], numbers: dict[Any, int]) -> None:
        """Number what a task does for each state.

        :param numbers: to write into, by state.
        """
        names = self.names
        for state in states:
            numbers[state] = len(names)
            names.append((task, state))

    def join(self, before: int | None, after: int | None) -> None:
        """Let one step come before another, if both are steps of this flush."""
        if before is not None and after is not None:
            self.edges.append((before, after))

    def precede(self, before: int | None, states: Iterable[Any], numbers: dict[Any, int]) -> None:
        """Let one step come before those of the states; ``None`` among them is passed over."""
        if before is None:
            return
        for state in states:
            after = numbers.get(state)
            if after is not None:
                self.edges.append((before, after))

    def follow(self, states: Iterable[Any], numbers: dict[Any, int], after: int | None) -> None:
        """Let one step come after those of the states; ``None`` among them is passed over."""
        if after is None:
            return
        for state in states:
            before = numbers.get(state)
            if before is not None:
                self.edges.append((before, after))

    def refer(self, states: Iterable[Any], key: str, links: dict[Any, int], saves: dict[Any, int]) -> list[Any]:
        """Let objects be saved after those that they refer to by an attribute set for the first time.

        For each state: save the object referred to, link, save the state.

        :param links: the numbers of the steps that carry the key over.
        :param saves: the numbers of the steps that save.
        :return: the states with any other change in the attribute, which were left alone.
        """
        left = []
        join = self.join
        for state in states:
            committed = state.committed
            obj = state()
            if obj is None or committed is None or committed.get(key) is not NO_VALUE or state.ident is not None:
                left.append(state)
                continue
            target = obj.__dict__.get(key)
            target_state = None if target is None else target.__dict__.get(INSTANCE_STATE)
            if target_state is None:
                left.append(state)
                continue
            link = links.get(state)
            join(link, saves.get(state))
            join(saves.get(target_state), link)
        return left
