"""``with_loader_criteria``: a condition on every SELECT of an entity, wherever it is loaded.

Who translates a statement asks each such option whether it applies to an entity, and adds its criterion
to the WHERE clause, or to the ON clause of the join that brings the entity in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import ArgumentError, NoInspectionAvailable

from session.core.sql import coercions, roles
from session.load.loader_option import LoaderOption, portable

__all__ = ["LoaderCriteriaOption", "with_loader_criteria"]

MADE_FOR_LOADING = "made_for_loading"
"""Name of the mark on an alias that eager loading has made: it stands for the class itself."""


class LoaderCriteriaOption(LoaderOption):
    """A condition on an entity, or on all classes that share a base; see :func:`with_loader_criteria`."""

    is_loader_criteria = True
    has_values = True
    inherit_cache = False

    def __init__(
        self,
        entity_or_base: Any,
        where_criteria: Any,
        loader_only: bool = False,
        include_aliases: bool = False,
        propagate_to_loaders: bool = True,
        track_closure_variables: bool = True,
    ) -> None:
        try:
            found = inspect(entity_or_base)
        except NoInspectionAvailable:
            found = None
        if found is not None and (getattr(found, "is_mapper", False) or getattr(found, "is_aliased_class", False)):
            self.entity: Any = found
            self.base: type[Any] | None = None
        elif isinstance(entity_or_base, type):
            self.entity = None
            self.base = entity_or_base
        else:
            raise ArgumentError(
                f"with_loader_criteria() takes a mapped class, an alias or a base class, not {entity_or_base!r}"
            )
        self.make: Callable[[Any], Any] | None = where_criteria if _is_function(where_criteria) else None
        self.where: Any = None
        if self.make is None:
            self.where = coercions.expect(roles.WhereHavingRole, where_criteria)
        self.loader_only = loader_only
        self.include_aliases = include_aliases
        self.propagate_to_loaders = propagate_to_loaders
        self.track_closure_variables = track_closure_variables
        self._made: dict[Any, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        target = self.base if self.entity is None else portable(self.entity)
        where = self.where if self.make is None else self.make
        return (
            LoaderCriteriaOption,
            (target, where, self.loader_only, self.include_aliases, self.propagate_to_loaders),
        )

    def applies_to(self, entity: Any) -> bool:
        """Tell whether an entity of a statement is concerned.

        A subclass of a mapped class is so under an alias only, or if aliases are.

        :param entity: a mapper or aliased entity.
        """
        if entity.is_aliased_class and not self.include_aliases and not getattr(entity, MADE_FOR_LOADING, False):
            return self.entity is entity
        mine = self.entity
        if mine is None:
            return self.base is not None and issubclass(entity.mapper.class_, self.base)
        if mine.is_aliased_class:
            return mine is entity
        if self.include_aliases or entity.is_aliased_class:
            return bool(entity.mapper.isa(mine))
        return entity.mapper is mine

    def criterion(self, entity: Any) -> Any:
        """Give the condition, in terms of an entity's own columns.

        :param entity: a mapper or aliased entity that :meth:`applies_to` accepted.
        """
        clause = self.clause_for(entity.mapper)
        if entity.is_aliased_class and self.entity is not entity:
            clause = entity.adapt(clause)
        return clause

    criteria_for = criterion

    def clause_for(self, mapper: Any) -> Any:
        """Give the condition in terms of a mapper's columns, made once."""
        if self.make is None:
            return self.where
        found = self._made.get(mapper)
        if found is None:
            target = mapper.class_ if self.entity is None or not self.entity.is_aliased_class else self.entity.entity
            found = self._made[mapper] = coercions.expect(roles.WhereHavingRole, self.make(target))
        return found

    def mappers(self) -> Iterator[Any]:
        """Yield the mappers of the classes that the condition is for, in a constant order."""
        if self.entity is not None:
            yield self.entity.mapper
            return
        seen: set[type[Any]] = set()
        todo: list[type[Any]] = [] if self.base is None else [self.base]
        while todo:
            cls = todo.pop()
            if cls in seen:
                continue
            seen.add(cls)
            todo.extend(cls.__subclasses__())
            manager = cls.__dict__.get("_session_manager_")
            if manager is not None and manager.mapper is not None:
                yield manager.mapper

    def cache_parts(self) -> Iterable[Any]:
        parts: list[Any] = [self.base, self.entity, self.loader_only, self.include_aliases]
        if self.make is None:
            parts.append(self.where)
        else:
            for mapper in self.mappers():
                parts.extend((mapper, self.clause_for(mapper)))
        return parts


def _is_function(value: Any) -> bool:
    return callable(value) and not hasattr(value, "__clause_element__") and not hasattr(value, "_gen_cache_key")


def with_loader_criteria(
    entity_or_base: Any,
    where_criteria: Any,
    loader_only: bool = False,
    include_aliases: bool = False,
    propagate_to_loaders: bool = True,
    track_closure_variables: bool = True,
) -> LoaderCriteriaOption:
    """Put a condition on every occurrence of an entity in a statement, eager and lazy loads included.

    :param entity_or_base: a mapped class, for itself alone; for its subclasses with ``include_aliases``, and where a
        join loads them. Or a class that is not mapped, for all mapped classes that derive from it.
    :param where_criteria: a SQL expression, or a function of the class that gives one.
    :param loader_only: only for relationship loads, not where the statement itself names the entity.
    :param include_aliases: also for aliases of the class.
    :param propagate_to_loaders: also for lazy loads from the objects that the statement loads.
    :param track_closure_variables: accepted; the function is called anew for every option, so that what it
        refers to is always up to date.
    :return: an option for ``select().options(...)``.
    """
    return LoaderCriteriaOption(
        entity_or_base, where_criteria, loader_only, include_aliases, propagate_to_loaders, track_closure_variables
    )
