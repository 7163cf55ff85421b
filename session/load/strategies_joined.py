"""Relationships that come with the rows of their parents, through a JOIN.

``joinedload`` joins an anonymous alias of the target; ``contains_eager`` takes columns that the statement
has joined itself.  Either way a nested row loader reads the same rows, and a pairing puts what it finds
beside the parents.  Next on the way: ``load/eager.py`` for the JOIN, ``_py/pairings.py`` for the pairing.
"""

from __future__ import annotations

from typing import Any

from session._accel import pairings
from session.core.sql import ColumnAdapter
from session.load.criteria import MADE_FOR_LOADING
from session.load.entity import entity_loader
from session.load.lazy_parts import target_entity
from session.load.loader_option import NoEagerJoins
from session.load.strategies_lazy import compile_late
from session.load.strategies_selectin import directed_entity, ends_here
from session.mapping.aliased import alias_of
from session.mapping.strategies import factories, register

__all__ = ["JoinedStrategy"]


@register("relationship", "joined")
class JoinedStrategy:
    """The related objects are in the same rows as their parents.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop

    def attribute_loader(self) -> Any:
        """Objects that were not loaded by a query with eager loads load when the attribute is read."""
        return factories["relationship", "select"](self.prop).attribute_loader()

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Join the target, or find it in the statement, and pair it with its parents."""
        part.reset = True
        if directive is not None and directive.params.get("contains"):
            if build.options.at is None:
                self.compile_contained(build, part, directive)
            else:
                # the statement is one of the loaders', without the joins of the statement that began it
                compile_late(self.prop, part, "select")
        elif (
            not available or not can_join(build.builder) or ends_here(build, self.prop, directive, statement_only=True)
        ):
            compile_late(self.prop, part, "select")
        else:
            self.compile_joined(build, part, mapper, directive)

    def compile_contained(self, build: Any, part: Any, directive: Any) -> None:
        """Take the target from what the statement has joined."""
        prop = self.prop
        target = directive.alias
        if target is None and directive.subclasses:
            target = directive.subclasses[0] if len(directive.subclasses) == 1 else directed_entity(prop, directive)
        adapter = None
        if target is None:
            target = target_entity(prop)
            alias = directive.params.get("alias")
            if alias is not None:
                if getattr(alias, "is_aliased_class", False) or getattr(alias, "is_mapper", False):
                    target = alias
                else:
                    adapter = ColumnAdapter(alias, equivalents=prop.mapper.equivalent_columns).traverse
        scope = build.options.below(directive)
        path = build.path.child(prop, target)
        nested = entity_loader(build.builder, target, path, scope, adapter=adapter, eager=False)
        part.pairing = pairing(prop, nested)
        if prop.uselist:
            build.builder.needs_unique = True

    def compile_joined(self, build: Any, part: Any, mapper: Any, directive: Any) -> None:
        """Join an anonymous alias of the target."""
        prop = self.prop
        named = directed_entity(prop, directive, aliased=True)
        if named.is_aliased_class and named is not target_entity(prop):
            target = named
        else:
            target = alias_of(named, flat=True)
            # stands for the class itself, so conditions on the class are for it as well
            setattr(target, MADE_FOR_LOADING, True)
        innerjoin = prop.innerjoin
        criteria: tuple[Any, ...] = ()
        if directive is not None:
            innerjoin = directive.params.get("innerjoin", innerjoin)
            criteria = tuple(directive.criteria)
        entity = build.entity
        if entity.is_aliased_class and mapper is not entity.mapper and hasattr(entity, "entity_for"):
            entity = entity.entity_for(mapper)
        if criteria:
            criteria = tuple(target.adapt(each) for each in criteria)
        build.builder.eager_join(entity, prop, target, innerjoin=innerjoin, extra_criteria=criteria)
        scope = build.options.below(directive)
        # the path goes through the mapper, so that lazy loads from the objects find their options by it
        path = build.path.child(prop, named)
        nested = entity_loader(build.builder, target, path, scope, eager=True)
        part.pairing = pairing(prop, nested)


def can_join(builder: Any) -> bool:
    """Tell whether joins can be added to the statement: not where the user has written all of it."""
    if not hasattr(builder, "eager") or not builder.toplevel:
        return False
    return not any(isinstance(option, NoEagerJoins) for option in builder.given_options)


def pairing(prop: Any, nested: Any) -> Any:
    """Give what puts the related objects beside their parents."""
    kind = pairings.CollectionPairing if prop.uselist else pairings.ScalarPairing
    return kind(prop.key, nested)
