"""Dependencies: what a relationship means to a flush, for one-to-many and many-to-one.

Each relationship that is written has a ``Dependency``.  While the unit of work gathers, it brings in
objects that have to be saved, emptied or deleted along (``gather_saves``, ``gather_deletes``); it says what
has to come before what (``task_edges``, and ``object_edges`` inside a cycle of mappers); and while the unit of
work executes, it carries keys over to foreign keys (``process_saves``, ``process_deletes``).
Only objects whose relationship has changed are ever looked at.
Next on the way: ``association.py`` (many-to-many) and ``order.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from session._accel import cascading, gather, linking
from session.constants import (
    CALLABLES_OK,
    INCLUDE_PENDING_MUTATIONS,
    LOAD_AGAINST_COMMITTED,
    NO_AUTOFLUSH,
    NO_RAISE,
    NO_VALUE,
    PASSIVE_NO_FETCH_RELATED,
    PASSIVE_NO_INITIALIZE,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
    SQL_OK,
)
from session.exc import FlushError
from session.flush import sync
from session.history import HISTORY_BLANK

__all__ = ["Change", "Dependency", "ManyToOne", "OneToMany", "Task"]

LOADED = PASSIVE_NO_INITIALIZE | INCLUDE_PENDING_MUTATIONS
LOAD = PASSIVE_OFF | INCLUDE_PENDING_MUTATIONS | LOAD_AGAINST_COMMITTED | NO_AUTOFLUSH | NO_RAISE
#: the flags that tell loading from looking
LOAD_BIT = CALLABLES_OK | SQL_OK
NEAR = PASSIVE_NO_FETCH_RELATED | LOAD_AGAINST_COMMITTED | NO_AUTOFLUSH | NO_RAISE


class Task(NamedTuple):
    """One step of a flush: what is done, and to the rows of which mapper or relationship.

    The kinds, in the order in which steps that do not depend on each other are taken:
    ``unlink`` (before deletes), ``save``, ``link`` (after saves), ``post_update``, ``pre_update`` (before deletes),
    ``delete``.
    """

    kind: str
    subject: Any


class Change(NamedTuple):
    """States that came to a relationship, stayed, and left; ``None`` stands for a ``None`` in it."""

    added: Sequence[Any] = ()
    unchanged: Sequence[Any] = ()
    deleted: Sequence[Any] = ()


NO_CHANGE = Change()


class ObjectSteps:
    """The steps of single objects inside a cycle of mappers: numbers in a graph, by state."""

    def __init__(self) -> None:
        self.graph = linking.Steps()
        self.saves: dict[Any, int] = {}
        self.deletes: dict[Any, int] = {}
        self.links: dict[Dependency, dict[Any, int]] = {}

    def numbers_of(self, task: Task) -> dict[Any, int]:
        """The numbers of what a task does for each object."""
        if task.kind == "save":
            return self.saves
        if task.kind == "delete":
            return self.deletes
        return self.links.setdefault(task.subject, {}) if task.kind == "link" else {}


class Dependency:
    """What one relationship means to a flush.

    :param prop: a configured relationship that is not ``viewonly``.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop
        self.key: str = prop.key
        self.parent = prop.parent
        self.target = prop.mapper
        self.parent_base = self.parent.base_mapper
        self.target_base = self.target.base_mapper
        self.post_update: bool = prop.post_update
        self.passive_updates: bool = prop.passive_updates
        self.passive_deletes: Any = prop.passive_deletes
        self.delete_orphan: bool = prop.cascade.delete_orphan
        self.cascades_delete: bool = prop.cascade.delete
        self.pairs = self.find_pairs()
        #: the attribute to read and the one to write, for each pair
        self.key_pairs = tuple([(str(pair.source_key), str(pair.target_key)) for pair in self.pairs])
        #: only who sets the referenced attributes can change them
        self.sources_stay = all(pair.source.primary_key and not pair.source.foreign_keys for pair in self.pairs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.prop}>"

    def find_pairs(self) -> tuple[sync.Pair, ...]:
        """The column pairs, with attribute keys."""
        raise NotImplementedError

    @property
    def watched_keys(self) -> frozenset[str]:
        """Attributes of the parent whose change concerns this relationship."""
        return frozenset((self.key,))

    # -- what has changed ----------------------------------------------------------------

    def change(self, uow: Any, state: Any, passive: int = LOADED) -> Change:
        """Give what has changed in one object; worked out once in a flush.

        :param passive: whether what is not loaded may be loaded.
        """
        changes = uow.changes.get(self)
        if changes is None:
            changes = uow.changes[self] = {}
        known = changes.get(state)
        if known is not None and (known[1] or not passive & LOAD_BIT):
            return known[0]  # type: ignore[no-any-return]
        history = linking.collected(state, self.key) if self.prop.uselist else None
        if history is not None:
            found = Change(linking.states_of(history))
        else:
            history = added, unchanged, deleted = self._history(state, passive)
            found = Change(
                linking.states_of(added) if added else (),
                linking.states_of(unchanged) if unchanged else (),
                linking.states_of(deleted) if deleted else (),
            )
        # The objects are kept with it: those of a dynamic relationship are held by nobody else.
        changes[state] = found, bool(passive & LOAD_BIT), history
        return found

    def is_untouched(self, state: Any) -> bool:
        """Tell whether the relationship is loaded and has not changed."""
        committed = state.committed
        return (committed is None or self.key not in committed) and self.key in state().__dict__

    def children_can_be_written(self, manager: Any) -> bool:
        """Tell whether foreign keys can be written to new objects of a class without any further question."""
        return not self.post_update and not any(manager[pair.target_key].impl.listened for pair in self.pairs)

    def _history(self, state: Any, passive: int) -> Any:
        obj = state()
        if obj is None:
            return HISTORY_BLANK
        return state.manager[self.key].impl.get_history(state, obj.__dict__, passive)

    @property
    def delete_passive(self) -> int:
        """Whether a delete loads a relationship that is not loaded."""
        return LOADED if self.passive_deletes else LOAD

    def has_parent(self, state: Any) -> bool:
        """Tell whether the object belongs to any parent by this relationship."""
        return bool(self.parent.class_manager[self.key].impl.hasparent(state))

    def is_lost(self, uow: Any, state: Any) -> bool:
        """Tell whether an object that has left a parent belongs to none now.

        One that has expired does not know any more to which it came: the parents that this flush saves do.
        """
        return not self.has_parent(state) and state not in uow.gained(self)

    def check_class(self, state: Any) -> None:
        """Refuse an object of a class that the relationship is not for.

        :raises FlushError: also for a ``None`` in a collection.
        """
        if state is None:
            if self.prop.uselist:
                raise FlushError(f"The collection {self.prop} holds a None, which no row can stand for; remove it")
            return
        mapper = state.manager.mapper
        if mapper is self.target:
            return
        fits = mapper.isa(self.target) if self.prop.enable_typechecks else mapper.common_parent(self.target)
        if not fits:
            raise FlushError(
                f"{self.prop} holds a {state.class_.__name__} object; it is for objects of "
                f"{self.target.class_.__name__} and of classes that inherit from it",
                state=state,
            )

    # -- parts that subclasses fill in -----------------------------------------------------

    def gather_saves(self, uow: Any, states: Iterable[Any]) -> None:
        """Bring in what saving these parents touches."""

    def gather_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        """Bring in what deleting these parents touches."""

    def process_saves(self, uow: Any, states: Iterable[Any]) -> None:
        """Carry keys over, after the referenced rows are there."""

    def process_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        """Empty foreign keys, before the referenced rows go."""

    def task_edges(self, saves: bool, deletes: bool) -> Iterator[tuple[Task, Task]]:
        """Yield which step comes before which.

        :param saves: a saved parent has changes in this relationship.
        :param deletes: a parent is deleted.
        """
        raise NotImplementedError

    def order_objects(self, uow: Any, steps: ObjectSteps, saved: list[Any], deleted: list[Any]) -> None:
        """Enter which object's step comes before which, inside a cycle of mappers.

        :param steps: the steps of the cycle.
        :param saved: saved parents with changes in this relationship.
        :param deleted: deleted parents.
        """

    # -- shared ----------------------------------------------------------------------------

    def can_be_referred_to(self, state: Any) -> bool:
        """Tell whether the row is there with the key that it will have, so that others need not wait for its UPDATE."""
        return self.sources_stay and state.ident is not None and not sync.key_changed(self.pairs, state)

    def delete_with_cascades(self, uow: Any, child: Any) -> None:
        """Have an object deleted, and what its own relationships delete with it."""
        if not uow.register(child, delete=True, operation="delete", prop=self.prop):
            return
        for state, _ in cascading.walk("delete", child):
            uow.register(state, delete=True)

    def _referring_edges(self, referred: Any, holder: Any, saves: bool) -> Iterator[tuple[Task, Task]]:
        """The order of rows where ``holder`` has the foreign key to ``referred``."""
        if saves:
            link = Task("link", self)
            yield Task("save", referred), link
            yield link, Task("save", holder)
            yield link, Task("delete", holder)
        yield Task("save", holder), Task("delete", referred)
        yield Task("delete", holder), Task("delete", referred)


class OneToMany(Dependency):
    """The target has the foreign key."""

    def find_pairs(self) -> tuple[sync.Pair, ...]:
        return sync.pairs_of(self.prop, self.prop.synchronize_pairs, self.parent, self.target)

    @property
    def watched_keys(self) -> frozenset[str]:
        return frozenset((self.key, *[str(pair.source_key) for pair in self.pairs]))

    def gather_saves(self, uow: Any, states: Iterable[Any]) -> None:
        empties = not self.delete_orphan and self.passive_deletes != "all"
        for state in states:
            switched = sync.key_changed(self.pairs, state)
            change = self.change(uow, state, LOAD if switched and not self.passive_updates else LOADED)
            uow.register_added(change.added, self.prop)
            for child in change.deleted:
                if child is None:
                    continue
                if not self.delete_orphan:
                    if empties:
                        uow.register(child, operation="delete", prop=self.prop)
                elif self.is_lost(uow, child):
                    self.delete_with_cascades(uow, child)
            if switched:
                for child in change.unchanged:
                    if child is not None:
                        uow.register(child, list_only=self.passive_updates, operation="pk change", prop=self.prop)

    def gather_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        empties = not self.cascades_delete and self.passive_deletes != "all"
        for state in states:
            if self.cascades_delete and self.is_untouched(state):
                continue
            change = self.change(uow, state, self.delete_passive)
            for child in change.deleted:
                if child is not None and not self.has_parent(child):
                    if self.delete_orphan:
                        uow.register(child, delete=True)
                    else:
                        uow.register(child)
            if empties:
                for child in change.unchanged:
                    if child is not None:
                        uow.register(child, operation="delete", prop=self.prop)
            for child in change.added:
                if child is not None and empties and child.ident is not None:
                    uow.register(child, operation="delete", prop=self.prop)

    def process_saves(self, uow: Any, states: Iterable[Any]) -> None:
        empties = not self.delete_orphan and self.passive_deletes != "all"
        manager = self.target.class_manager
        pairs = self.key_pairs if self.children_can_be_written(manager) else None
        for state in states:
            change = self.change(uow, state)
            added = change.added
            if pairs is not None and added:
                added = linking.refer_children(state, added, pairs, uow.states, manager)
            for child in added:
                self._refer(uow, state, child)
            if empties:
                for child in change.deleted:
                    if child is not None and self.is_lost(uow, child):
                        self._forget(uow, child, False)
            if change.unchanged and sync.key_changed(self.pairs, state):
                for child in change.unchanged:
                    self._refer(uow, state, child, self.passive_updates)

    def process_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        if not self.post_update and self.passive_deletes == "all":
            return
        keeps_children = self.post_update or not self.cascades_delete
        added_elsewhere = uow.gained(self) if keeps_children else frozenset()
        for state in states:
            if not keeps_children and self.is_untouched(state):
                continue
            change = self.change(uow, state, self.delete_passive)
            for child in change.deleted:
                if child is not None and self.is_lost(uow, child):
                    self._forget(uow, child, True)
            if keeps_children:
                for child in change.unchanged:
                    if child is not None and child not in added_elsewhere:
                        self._forget(uow, child, True)

    def _refer(self, uow: Any, state: Any, child: Any, by_database: bool = False) -> None:
        self.check_class(child)
        if child is None or child() is None or (not self.post_update and uow.is_deleted(child)):
            return
        sync.populate(uow, self.pairs, state, child, by_database)
        if self.post_update:
            uow.post_update(child, self.pairs)

    def _forget(self, uow: Any, child: Any, before_delete: bool) -> None:
        self.check_class(child)
        deleted = uow.is_deleted(child)
        if child() is None or (deleted and not (self.post_update and before_delete)):
            return
        sync.clear(self.pairs, child, self.prop)
        if self.post_update:
            uow.post_update(child, self.pairs, delete=before_delete)

    def task_edges(self, saves: bool, deletes: bool) -> Iterator[tuple[Task, Task]]:
        link, unlink = Task("link", self), Task("unlink", self)
        parent, target = self.parent_base, self.target_base
        if self.post_update:
            if saves:
                yield Task("save", target), link
                yield Task("save", parent), link
                yield link, Task("post_update", target)
            if deletes:
                yield Task("save", target), unlink
                yield unlink, Task("pre_update", target)
                yield Task("pre_update", target), Task("delete", parent)
                yield Task("pre_update", target), Task("delete", target)
            return
        if deletes:
            yield unlink, Task("save", target)
            yield unlink, Task("delete", target)
        yield from self._referring_edges(parent, target, saves)

    def order_objects(self, uow: Any, steps: ObjectSteps, saved: list[Any], deleted: list[Any]) -> None:
        graph, links = steps.graph, steps.links[self]
        for state in saved:
            link = links.get(state)
            if state.ident is None or not self.can_be_referred_to(state):
                graph.join(steps.saves.get(state), link)
            for part in self.change(uow, state):
                if part:
                    graph.precede(link, part, steps.saves)
        for state in deleted:
            last = steps.deletes.get(state)
            for part in self.change(uow, state, self.delete_passive):
                if part:
                    graph.follow(part, steps.saves, last)
                    graph.follow(part, steps.deletes, last)


class ManyToOne(Dependency):
    """The parent has the foreign key."""

    def find_pairs(self) -> tuple[sync.Pair, ...]:
        return sync.pairs_of(self.prop, self.prop.synchronize_pairs, self.target, self.parent)

    def gather_saves(self, uow: Any, states: Iterable[Any]) -> None:
        if not self.delete_orphan and self.prop.use_get:
            return
        for state in states:
            # what was replaced unread is loaded here, as long as its row is as it was
            left = self.change(uow, state, self.delete_passive).deleted
            for child in left if self.delete_orphan else ():
                if child is not None and self.is_lost(uow, child):
                    self.delete_with_cascades(uow, child)

    def gather_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        if not self.cascades_delete and not self.post_update:
            return
        for state in states:
            change = self.change(uow, state, self.reference_passive)
            if not self.cascades_delete:
                continue
            leaving: Iterable[Any] = change.unchanged
            if self.delete_orphan:
                leaving = [*change.added, *change.unchanged, *change.deleted]
            else:
                leaving = [*change.added, *change.unchanged]
            for child in leaving:
                if child is not None:
                    self.delete_with_cascades(uow, child)

    def change(self, uow: Any, state: Any, passive: int = LOADED) -> Change:
        """As in the base; a change that was made is read straight from the object."""
        if self.prop.uselist:
            return super().change(uow, state, passive)
        committed = state.committed
        if committed is None or self.key not in committed:
            if not passive & LOAD_BIT:
                return NO_CHANGE
            return super().change(uow, state, passive)
        old = committed[self.key]
        new = state().__dict__.get(self.key, NO_VALUE)
        if old is PASSIVE_NO_RESULT or (old is NO_VALUE and passive & LOAD_BIT and state.ident is not None):
            return super().change(uow, state, passive)
        if new is old:
            return Change(unchanged=(gather.state_of(new),)) if new is not NO_VALUE else NO_CHANGE
        if old is NO_VALUE:
            return Change(added=(gather.state_of(new),))
        if new is NO_VALUE:
            return Change(deleted=(gather.state_of(old),))
        return Change(added=(gather.state_of(new),), deleted=(gather.state_of(old),))

    def process_saves(self, uow: Any, states: Iterable[Any]) -> None:
        for state in self._without_usual(uow, list(states)):
            change = self.change(uow, state)
            written = self._written(state) if self.post_update else None
            if change.added:
                for child in change.added:
                    self._refer(uow, state, child)
            elif change.deleted:
                self._forget(uow, state)
            if self.post_update and (change.added or change.deleted):
                if written is None or written != [state().__dict__.get(key) for _, key in self.key_pairs]:
                    uow.post_update(state, self.pairs)

    def _written(self, state: Any) -> list[Any] | None:
        """Give the foreign key as the row has it, ``None`` where only the database knows, or there is no row yet."""
        dict_, committed = state().__dict__, state.committed or ()
        keys = [key for _, key in self.key_pairs]
        if state.ident is None or any(key in committed or key not in dict_ for key in keys):
            return None
        return [dict_[key] for key in keys]

    def _without_usual(self, uow: Any, states: list[Any]) -> list[Any]:
        """Carry the keys over where new objects refer to one of the usual class; give the other states."""
        if self.prop.uselist or not all(map(self.children_can_be_written, {state.manager for state in states})):
            return states
        return linking.refer_parents(
            states, self.key, self.key_pairs, uow.states, self.target.class_manager, uow.session.identity_map
        )

    def process_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        if not self.post_update or self.delete_orphan or self.passive_deletes == "all":
            return
        for state in states:
            change = self.change(uow, state, self.reference_passive)
            holds = any(child is not None for part in change for child in part) or self._deleted_late(uow, state)
            sync.clear(self.pairs, state, self.prop)
            if holds:
                uow.post_update(state, self.pairs, delete=True)

    @property
    def reference_passive(self) -> int:
        """Whether a delete loads a reference that is not loaded: not to write it once more before the row goes.

        What the flush deletes along with the row is in the Session.
        """
        return self.delete_passive if self.cascades_delete or not self.prop.use_get else NEAR

    def _deleted_late(self, uow: Any, state: Any) -> bool:
        """Tell whether what a deleted object refers to came into the Session in this flush, and is deleted too."""
        found = linking.states_of([obj for part in self._history(state, self.reference_passive) for obj in part or ()])
        return any(child is not None and uow.is_deleted(child) for child in found)

    def _refer(self, uow: Any, state: Any, child: Any) -> None:
        if not self.post_update and uow.is_deleted(state):
            return
        if child is None:
            sync.clear(self.pairs, state, self.prop)
            return
        self.check_class(child)
        if not uow.knows(child):
            uow.warn_of_stranger(child, "add", self.prop)
            return
        sync.populate(uow, self.pairs, child, state)

    def _forget(self, uow: Any, state: Any) -> None:
        if self.post_update or not uow.is_deleted(state):
            sync.clear(self.pairs, state, self.prop)

    def task_edges(self, saves: bool, deletes: bool) -> Iterator[tuple[Task, Task]]:
        link, unlink = Task("link", self), Task("unlink", self)
        parent, target = self.parent_base, self.target_base
        if self.post_update:
            if saves:
                yield Task("save", target), link
                yield Task("save", parent), link
                yield link, Task("post_update", parent)
                yield link, Task("pre_update", parent)
            if deletes:
                yield unlink, Task("pre_update", parent)
            yield Task("pre_update", parent), Task("delete", target)
            yield Task("pre_update", parent), Task("delete", parent)
            return
        yield from self._referring_edges(target, parent, saves)

    def order_objects(self, uow: Any, steps: ObjectSteps, saved: list[Any], deleted: list[Any]) -> None:
        graph, links, saves, deletes = steps.graph, steps.links[self], steps.saves, steps.deletes
        for state in saved if self.prop.uselist else graph.refer(saved, self.key, links, saves):
            save, link = saves.get(state), links.get(state)
            graph.join(link, save)
            change = self.change(uow, state)
            for part in (change.added, change.unchanged):
                graph.follow([s for s in part if s is not None and not self.can_be_referred_to(s)], saves, link)
            graph.precede(save, change.deleted, deletes)
        passive = NEAR if self.prop.use_get else self.delete_passive
        for state in deleted:
            first = deletes.get(state)
            for part in self._history(state, passive):
                if part:
                    graph.precede(first, linking.states_of(part), deletes)
