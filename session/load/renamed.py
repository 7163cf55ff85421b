"""Aliases of a statement that runs with the plan of another one of its shape.

Two statements that are alike but for their ``aliased()`` entities share a plan, whose paths go through the aliases of
the one that came first.  What is loaded after the rows, or when it is read, looks its options up by such a path:
it has to be taken for the path through the aliases that these options name.  In: the options of a run and the
aliases of the plan.  Out: the options with a :class:`Renamed` among them.  Next on the way: ``load/context.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from session.load.loader_option import AtPath, Load, LoaderOption, LocalLoad
from session.mapping.path import Path

__all__ = ["Renamed", "aliases_of", "handed_on", "path_of", "renamed", "renaming_of"]


class Renamed(LoaderOption):
    """Says which aliases of a statement stand for those of its plan; goes along with the statement's options.

    :param pairs: each alias of the plan with that of the statement.
    """

    inherit_cache = False
    propagate_to_loaders = True

    def __init__(self, pairs: tuple[tuple[Any, Any], ...]) -> None:
        self.pairs = pairs

    def cache_parts(self) -> Iterable[Any]:
        return ()

    def entity(self, entity: Any) -> Any:
        """Give the entity of the statement that stands where the plan has ``entity``."""
        if not entity.is_aliased_class:
            return entity
        for before, now in self.pairs:
            if before is entity:
                return now
        for before, now in self.pairs:
            if before.base_alias is entity.base_alias:
                return now.base_alias.entity_for(entity.mapper)
        return entity

    def path(self, path: Any) -> Any:
        """Give the path of the statement for one of the plan."""
        return Path.of(*(step if index % 2 else self.entity(step) for index, step in enumerate(path.steps)))


def aliases_of(options: Iterable[Any]) -> tuple[Any, ...]:
    """Give the aliases that the loader options of a statement name, in their order, each once."""
    found: dict[int, Any] = {}
    for option in options:
        if not isinstance(option, Load) or isinstance(option, LocalLoad):
            continue
        named = [option.root]
        for setting in option.settings:
            for step in (*setting.path, setting.step):
                if step is not None:
                    named += (step.owner, step.target)
        for entity in named:
            if entity is not None and entity.is_aliased_class:
                found.setdefault(id(entity), entity)
    return tuple(found.values())


def renamed(options: Sequence[Any], before: tuple[Any, ...]) -> tuple[Any, ...]:
    """Give the options of a run with what they have to say about the plan that it runs with.

    :param options: the options.
    :param before: the aliases in the options that the plan was made with.
    """
    now = aliases_of(options)
    own = tuple([option for option in options if not isinstance(option, Renamed)])
    if len(now) != len(before) or all(one is other for one, other in zip(before, now, strict=True)):
        return own
    return (*own, Renamed(tuple(zip(before, now, strict=True))))


def renaming_of(options: Iterable[Any]) -> Renamed | None:
    """Give what the options of a run say about the aliases of its plan; ``None`` if they are the same."""
    for option in options:
        if isinstance(option, Renamed):
            return option
    return None


def handed_on(options: Iterable[Any]) -> list[Any]:
    """Give the options that are those of a statement which loads more for the same objects."""
    return [option for option in options if not isinstance(option, (AtPath, Renamed))]


def path_of(state: Any) -> Any:
    """Give the path by which an object was loaded, through the aliases that the options it carries name."""
    path, held = state.load_path, state.load_options
    if path is None or not held:
        return path
    names = renaming_of(held)
    return path if names is None else names.path(path)
