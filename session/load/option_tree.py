"""From a statement's loader options to what its translation looks up.

In: the options of a statement and the entities that it selects.  Out: an :class:`OptionSet`: one
:class:`Scope` per root entity, and below each relationship another, like the paths of the options.
Who translates an entity carries the scope that belongs to it and asks :meth:`Scope.find` for each
attribute.  Next on the way: ``load/entity.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.exc import ArgumentError

from session.load.loader_option import (
    COLUMN,
    ENTITY,
    RELATIONSHIP,
    AtPath,
    Load,
    LocalLoad,
    OnlyKeys,
    OwnClass,
    Setting,
    Step,
    entity_key,
    label,
    links,
    same_alias,
)
from session.mapping.path import Path

__all__ = ["Directive", "OptionSet", "Scope", "owning", "resolve_options"]


class Directive:
    """What the options say about one attribute of one entity.

    :param step: the attribute; ``None`` when it is for all attributes of its kind.
    :param default: it comes from a ``"*"``, so the attribute was not named.
    """

    __slots__ = ("default", "name", "params", "scope", "step")

    def __init__(self, step: Step | None, default: bool = False) -> None:
        self.step = step
        self.default = default
        self.name = ""
        self.params: dict[str, Any] = {}
        self.scope = Scope()

    @property
    def target(self) -> Any:
        """The entity of ``of_type()``, or ``None``."""
        return None if self.step is None else self.step.target

    @property
    def criteria(self) -> tuple[Any, ...]:
        """The conditions of ``and_()``."""
        return () if self.step is None else self.step.criteria

    def told(self, setting: Setting) -> None:
        """Take what one more option says; it wins over those before."""
        if setting.name:
            self.name = setting.name
            self.params = dict(setting.params)
            self.scope.recurring = self if setting.name == "peers" and refers_to_itself(self.step) else None


class Scope:
    """What the options say about the attributes of one entity at one place of the statement."""

    __slots__ = ("attributes", "defaults", "groups", "inherited", "only_keys", "own_class", "polymorphic", "recurring")

    def __init__(self) -> None:
        self.attributes: dict[str, list[Directive]] = {}
        self.defaults: dict[str, Directive] = {}
        self.groups: frozenset[str] = frozenset()
        self.polymorphic: tuple[Any, ...] = ()
        self.only_keys: frozenset[str] | None = None
        self.own_class = False
        #: the defaults of the whole statement
        self.inherited: dict[str, Directive] | None = None
        #: the directive of the relationship that led here, where it holds for all further levels
        self.recurring: Directive | None = None

    def __bool__(self) -> bool:
        return bool(self.attributes or self.defaults or self.groups or self.polymorphic or self.recurring)

    def child(self, step: Step) -> Directive:
        """Give the directive of an attribute, made if there is none."""
        entries = self.attributes.setdefault(step.key, [])
        for entry in entries:
            held = entry.step
            if held is not None and held.owner is step.owner and held.target is step.target:
                if step.criteria and held.criteria is not step.criteria:
                    entry.step = held._replace(criteria=step.criteria)
                return entry
        made = Directive(step)
        entries.append(made)
        return made

    def find(self, entity: Any, mapper: Any, key: str, kind: str) -> Directive | None:
        """Give what was said about an attribute.

        :param entity: the mapper or alias that is being translated.
        :param mapper: the class whose attribute it is: the entity's, or a subclass.
        :param key: the attribute's name.
        :param kind: "relationship" or "column".
        """
        found: Directive | None = None
        for entry in self.attributes.get(key, ()):
            owner = entry.step.owner  # type: ignore[union-attr]
            if owner is entity or owner is mapper:
                found = entry
            elif owner.is_aliased_class:
                if entity.is_aliased_class and same_alias(entity, owner) and mapper.isa(owner.mapper):
                    found = entry
            elif mapper.isa(owner):
                found = entry
        recurring = self.recurring
        if found is None and recurring is not None and recurring.step is not None and recurring.step.key == key:
            found = recurring
        if found is not None and (found.name or kind == RELATIONSHIP):
            if not found.name:
                default = self.default(kind)
                if default is not None:
                    merged = Directive(found.step, default=True)
                    merged.name, merged.params, merged.scope = default.name, default.params, found.scope
                    return merged
            return found
        return self.default(kind)

    def default(self, kind: str) -> Directive | None:
        """Give what was said about all attributes of a kind, here or for the whole statement."""
        own = self.defaults.get(kind)
        if own is None and self.inherited is not None:
            own = self.inherited.get(kind)
        return own

    def targets(self, entity: Any, mapper: Any, key: str) -> list[Directive]:
        """Give the directives of an attribute one by one, where options name several ``of_type()`` of it."""
        return [
            entry
            for entry in self.attributes.get(key, ())
            if entry.name
            and entry.step is not None
            and (entry.step.owner is entity or mapper.isa(entry.step.owner.mapper))
        ]


class OptionSet:
    """The resolved options of one statement."""

    __slots__ = ("at", "criteria", "defaults", "groups", "local", "only_keys", "own_class", "roots")

    def __init__(self) -> None:
        self.roots: dict[Any, Scope] = {}
        self.defaults: dict[str, Directive] = {}
        self.criteria: tuple[Any, ...] = ()
        self.groups: frozenset[str] = frozenset()
        self.only_keys: frozenset[str] | None = None
        self.own_class = False
        #: options of the loader whose statement it is
        self.local: list[LocalLoad] = []
        #: the path of an earlier statement at which this one goes on
        self.at: Any = None

    def start(self, entity: Any) -> tuple[Any, Scope]:
        """Give the path and the scope of an entity that the statement selects."""
        path = self.at
        if path is None or not entity.mapper.isa(path.steps[-1].mapper):
            stands_for_class = entity.is_aliased_class and entity.use_mapper_path
            path, scope = Path.root(entity.mapper if stands_for_class else entity), self.scope(entity)
        else:
            scope = self.scope_at(path.steps)
        if self.only_keys is not None:
            scope.only_keys = self.only_keys
        scope.own_class = self.own_class
        for option in self.local:
            for setting in option.settings:
                if setting.step is not None and not scope.attributes.get(setting.step.key):
                    self.enter(scope, setting)
        return path, scope

    def scope(self, entity: Any) -> Scope:
        """Give the scope of an entity that the statement selects."""
        key = entity_key(entity)
        found = self.roots.get(key)
        if found is None:
            found = self.roots[key] = self.new_scope()
            found.groups = self.groups
            found.only_keys = self.only_keys
        return found

    def new_scope(self) -> Scope:
        made = Scope()
        made.inherited = self.defaults or None
        return made

    def scope_at(self, steps: Sequence[Any]) -> Scope:
        """Give the scope at the end of a path.

        :param steps: entity, property, entity, property, ..., entity.
        """
        scope = self.scope(steps[0])
        entity = steps[0]
        for prop, target in zip(steps[1::2], steps[2::2], strict=False):
            scope = self.below(scope.find(entity, owning(entity, prop), prop.key, RELATIONSHIP))
            entity = target
        return scope

    def below(self, directive: Directive | None) -> Scope:
        """Give the scope behind a relationship."""
        if directive is None or directive.step is None:
            return self.new_scope()
        directive.scope.inherited = self.defaults or None
        return directive.scope

    def take(self, option: Load) -> None:
        """Enter one option."""
        for setting in option.settings:
            root = option.root if not setting.path else setting.path[0].owner
            if root is None:
                self.take_default(setting)
                continue
            scope = self.scope(root)
            for step in setting.path:
                directive = scope.child(step)
                scope = directive.scope
            self.enter(scope, setting)

    def enter(self, scope: Scope, setting: Setting) -> None:
        """Enter a setting at the scope that its path leads to."""
        if setting.step is not None:
            scope.child(setting.step).told(setting)
        elif setting.kind == ENTITY:
            values = dict(setting.params)
            if setting.name == "undefer_group":
                scope.groups = scope.groups | {values["group"]}
            else:
                scope.polymorphic = (*scope.polymorphic, *values["mappers"])
        else:
            default = scope.defaults.setdefault(setting.kind, Directive(None, default=True))
            default.told(setting)

    def take_default(self, setting: Setting) -> None:
        """Enter a setting that belongs to no entity."""
        if setting.kind == ENTITY:
            self.groups = self.groups | {dict(setting.params)["group"]}
            for scope in self.roots.values():
                scope.groups = scope.groups | self.groups
            return
        default = self.defaults.setdefault(setting.kind, Directive(None, default=True))
        default.told(setting)
        for scope in self.roots.values():
            scope.inherited = self.defaults


def owning(entity: Any, prop: Any) -> Any:
    """Give the class whose attribute a step of a path is: the entity's, or that of a subclass."""
    return prop.parent if prop.parent.isa(entity.mapper) else entity.mapper


def refers_to_itself(step: Step | None) -> bool:
    """Tell whether a relationship leads from a class to the same class or one of its hierarchy."""
    if step is None:
        return False
    prop = step.owner.mapper.get_property(step.key)
    return bool(prop.mapper.common_parent(prop.parent))


def resolve_options(options: Iterable[Any], entities: Iterable[Any] | None = None) -> OptionSet:
    """Work out what a statement's options say.

    :param options: the options, in the order in which they were given.
    :param entities: the mappers and aliases that the statement selects or joins; ``None`` to
        take the options as they are.
    :raises ArgumentError: an option is for an entity that the statement does not have.
    """
    made = OptionSet()
    options = tuple(options)
    known = None if entities is None else list(entities)
    for option in options:
        if isinstance(option, AtPath):
            made.at = option.path
            known = None
    loads = []
    for option in options:
        if isinstance(option, LocalLoad):
            made.local.append(option)
        elif isinstance(option, Load):
            if known is not None:
                _check_root(option, known)
            loads.append(option)
        elif isinstance(option, OnlyKeys):
            made.only_keys = option.keys
        elif isinstance(option, OwnClass):
            made.own_class = True
        elif getattr(option, "is_loader_criteria", False):
            made.criteria = (*made.criteria, option)
    for option in loads:
        made.take(option)
    return made


def _check_root(option: Load, entities: list[Any]) -> None:
    """Refuse an option that no entity of the statement is concerned with."""
    root = option.root
    if root is None or any(links(entity, root) and _goes_by(entity, option) for entity in entities):
        return
    names = ", ".join(sorted({label(entity) for entity in entities}))
    first = option.settings[0].step if option.settings else None
    if option.settings and option.settings[0].path:
        first = option.settings[0].path[0]
    what = f"The loader option for {first}" if first is not None else f"The loader option for {label(root)}"
    if not entities:
        raise ArgumentError(
            f"{what} does not apply: the statement selects columns only, and no objects that it could be for"
        )
    raise ArgumentError(
        f"{what} does not apply: the statement selects {names}, and {label(root)} is none of these. "
        f"Begin the option at one of them and name every relationship on the way, "
        f"as in joinedload(Parent.children).joinedload(Child.toys)"
    )


def _goes_by(entity: Any, option: Load) -> bool:
    """Tell whether an option that begins at a class can be meant for an entity.

    What is for the attributes of an alias begins at the alias; of attributes that only subclasses have, and of
    the subclasses to be loaded, an alias may know nothing.
    """
    root = option.root
    if root.is_aliased_class or not entity.is_aliased_class or entity.use_mapper_path:
        return True
    if all(setting.kind == ENTITY for setting in option.settings):
        return True
    return not (entity.is_with_polymorphic or entity.mapper.isa(root.mapper))


#: kinds of attribute settings, by the flag of the property
KINDS = {True: RELATIONSHIP, False: COLUMN}
