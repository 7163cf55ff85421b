"""Which relationships a flush of one mapper's objects concerns.

:class:`Dependencies` is made once for each mapper: it gives the dependencies (``dependency.py``, ``association.py``) of
its relationships, and those that the changes of an object touch.  Next on the way: ``unitofwork.py``, which has each
bring in further objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from session._accel import linking
from session.constants import MANYTOMANY, MANYTOONE, ONETOMANY
from session.flush.association import KeySwitch, ManyToMany
from session.flush.dependency import Dependency, ManyToOne, OneToMany
from session.flush.order import Schedule

__all__ = ["SCHEDULES", "Dependencies", "dependencies_of", "dependency_for"]

SCHEDULES = 100
"""So many orders of steps, and sets of changed attributes, are kept for each class."""


class Dependencies:
    """The relationships that concern a flush of objects of one mapper.

    :param mapper: a configured mapper.
    """

    def __init__(self, mapper: Any) -> None:
        self.made_of = mapper.relationship_props
        self.mapper = mapper
        self.all = tuple(
            dependency_for(prop)
            for prop in mapper.relationship_props
            if not prop.viewonly and prop.direction is not None
        )
        self.by_key: dict[str, tuple[Dependency, ...]] = {}
        for dependency in self.all:
            for key in dependency.watched_keys:
                self.by_key[key] = (*self.by_key.get(key, ()), dependency)
        self.keys = tuple([dependency.key for dependency in self.all])
        self.key_keys = frozenset(mapper.pk_keys)
        self.watched = frozenset(self.by_key) | self.key_keys
        self._incoming: tuple[int, tuple[Dependency, ...]] | None = None
        self._of_changes: dict[frozenset[str], tuple[Dependency, ...]] = {}
        #: orders of steps by what takes part, of flushes that begin with this mapper
        self.schedules: dict[Any, Schedule] = {}

    def concerned(self, states: Iterable[Any]) -> dict[Dependency, list[Any]]:
        """The relationships that saving objects concerns, and which: those that changed; of a new object all it has."""
        holding, changed = linking.concerned(states, self.keys, self.watched)
        found = {dependency: holders for dependency, holders in zip(self.all, holding, strict=True) if holders}
        for keys, members in changed.items():
            for dependency in self._changed_with(keys):
                found.setdefault(dependency, []).extend(members)
            if not keys.isdisjoint(self.key_keys):
                for dependency in self.incoming():
                    found.setdefault(dependency, []).extend(members)
        return found

    def _changed_with(self, keys: frozenset[str]) -> tuple[Dependency, ...]:
        """The relationships that changes of some watched attributes concern."""
        found = self._of_changes.get(keys)
        if found is None:
            if len(self._of_changes) >= SCHEDULES:
                self._of_changes.clear()
            concerned = {dependency for key in keys for dependency in self.by_key.get(key, ())}
            found = self._of_changes[keys] = tuple([one for one in self.all if one in concerned])
        return found

    def incoming(self) -> tuple[Dependency, ...]:
        """The many-to-ones that lead to this class and have no other direction that would update them."""
        registry = self.mapper.registry
        count = len(registry.managers)
        if self._incoming is None or self._incoming[0] != count:
            family = set(self.mapper.iterate_to_root())
            found = [
                _switch_for(prop)
                for mapper in registry.mappers_in_order
                for prop in mapper.relationship_props
                if prop.parent is mapper
                and prop.direction is MANYTOONE
                and not prop.viewonly
                and prop.mapper in family
                and KeySwitch.concerns(prop)
            ]
            self._incoming = count, tuple(found)
        return self._incoming[1]


_KINDS = {ONETOMANY: OneToMany, MANYTOONE: ManyToOne, MANYTOMANY: ManyToMany}


def dependencies_of(mapper: Any) -> Dependencies:
    """Give the dependencies of a mapper, made when asked for first; the mapper keeps them."""
    found = mapper.__dict__.get("_flush_dependencies")
    if found is None or found.made_of is not mapper.relationship_props:
        found = mapper.__dict__["_flush_dependencies"] = Dependencies(mapper)
    return found  # type: ignore[no-any-return]


def dependency_for(prop: Any) -> Dependency:
    """Give the dependency of a relationship, made when asked for first; the relationship keeps it."""
    found = prop.__dict__.get("_flush_dependency")
    if found is None:  # one for all threads: a flush knows its work by it
        found = prop.__dict__.setdefault("_flush_dependency", _KINDS[prop.direction](prop))
    return found  # type: ignore[no-any-return]


def _switch_for(prop: Any) -> Dependency:
    found = prop.__dict__.get("_flush_key_switch")
    if found is None:
        found = prop.__dict__.setdefault("_flush_key_switch", KeySwitch(prop))
    return found  # type: ignore[no-any-return]
