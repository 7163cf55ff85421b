"""Where a loader option or a loaded object stands: a chain of entities and attributes.

``User -> User.addresses -> Address`` is a path.  Paths are immutable, compare by their steps and, as long as
somebody holds one, there is only one of each, so that they are cheap as keys.  Loader options are kept by path,
and each object remembers the path by which it was loaded.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from session.mapping.inspect import class_mapper

__all__ = ["Path"]

_ROOT = "_root_path"
"""Where an entity keeps the path that begins with it, so that both go together."""


class Path:
    """A chain that alternates between entities and attributes, beginning with an entity.

    Made by :meth:`root`, lengthened by indexing.

    >>> Path.root(inspect(User))[User.addresses.property][inspect(Address)].length  # doctest: +SKIP
    3
    """

    __slots__ = ("__weakref__", "_children", "_hash", "length", "parent", "steps")

    #: the entities and attributes in order, alternating
    steps: tuple[Any, ...]
    #: the path without its last step; ``None`` for a path of one entity
    parent: Path | None
    #: the number of steps
    length: int

    def __init__(self, steps: tuple[Any, ...], parent: Path | None) -> None:
        self.steps = steps
        self.parent = parent
        self.length = len(steps)
        self._hash = hash(steps)
        self._children: weakref.WeakValueDictionary[Any, Path] = weakref.WeakValueDictionary()

    @classmethod
    def root(cls, entity: Any) -> Path:
        """Return the path that begins and ends with an entity.

        :param entity: a mapper or aliased entity.
        """
        found: Path | None = entity.__dict__.get(_ROOT)
        if found is None:
            found = entity.__dict__.setdefault(_ROOT, cls((entity,), None))
        return found

    @classmethod
    def of(cls, *steps: Any) -> Path:
        """Return the path of the given steps."""
        path = cls.root(steps[0])
        for step in steps[1:]:
            path = path[step]
        return path

    def __getitem__(self, step: Any) -> Path:
        found = self._children.get(step)
        if found is None:
            found = self._children.setdefault(step, type(self)((*self.steps, step), self))
        return found

    def child(self, prop: Any, entity: Any) -> Path:
        """Return the path that goes on by an attribute to an entity."""
        return self[prop][entity]

    @property
    def last(self) -> Any:
        """The last step."""
        return self.steps[-1]

    @property
    def entity(self) -> Any:
        """The last entity: the one that the path ends with, or that has the attribute it ends with."""
        return self.steps[-1] if self.length % 2 else self.steps[-2]

    @property
    def prop(self) -> Any:
        """The last attribute; ``None`` for a path of one entity."""
        if self.length % 2 == 0:
            return self.steps[-1]
        return self.steps[-2] if self.length > 1 else None

    @property
    def start(self) -> Any:
        """The entity that the path begins with."""
        return self.steps[0]

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield each entity with the attribute that leads on from it; ``None`` after the last."""
        for position in range(0, self.length, 2):
            following = self.steps[position + 1] if position + 1 < self.length else None
            yield self.steps[position], following

    def starts_with(self, other: Path) -> bool:
        """Tell whether ``other`` is the beginning of this path, or the whole of it."""
        return self.steps[: other.length] == other.steps

    def contains_mapper(self, mapper: Any) -> bool:
        """Tell whether the path goes through a mapper, or an alias of it."""
        return any(entity.mapper is mapper for entity in self.steps[::2])

    def times_through(self, prop: Any) -> int:
        """Count how often the path goes by an attribute; more than once in self-referential loads."""
        return self.steps[1::2].count(prop)

    def unaliased(self) -> Path:
        """Return the path through the mappers of its entities."""
        return self.of(*(step if index % 2 else step.mapper for index, step in enumerate(self.steps)))

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        return True

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Path) and self.steps == other.steps)

    def __repr__(self) -> str:
        return f"Path({' -> '.join(str(step) for step in self.steps)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_portable, (tuple(_portable(step) for step in self.steps),)


def _portable(step: Any) -> Any:
    """Say a step of a path in a form that can be pickled."""
    if isinstance(step, str) or getattr(step, "is_aliased_class", False):
        return step
    if getattr(step, "is_mapper", False):
        return ("class", step.class_)
    return ("attribute", step.parent.class_, step.key)


def _from_portable(steps: tuple[Any, ...]) -> Path:
    return Path.of(*(_step(step) for step in steps))


def _step(portable: Any) -> Any:
    if not isinstance(portable, tuple):
        return portable
    mapper = class_mapper(portable[1], configure=False)
    return mapper if portable[0] == "class" else mapper.props[portable[2]]
