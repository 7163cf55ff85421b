"""From a statement's loader options to what its translation looks up.

In: the options of a statement and the entities that it selects.  Out: an :class:`OptionSet`: one
:class:`Scope` per root entity, and below each relationship another, like the paths of the options.
Who translates an entity carries the scope that belongs to it and asks :meth:`Scope.find` for each
attribute.  Next on the way: ``load/entity.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError

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


OF_MANY = ("joined", "selectin", "subquery")
"""What loads the objects that a relationship of many refers to at once."""


class Directive:
    """What the options say about one attribute of one entity.

    :param step: the attribute; ``None`` when it is for all attributes of its kind.
    :param default: it comes from a ``"*"``, so the attribute was not named.
    """

    __slots__ = ("alias", "classes", "criteria", "default", "name", "params", "place", "scope", "step", "subclasses")

    def __init__(self, step: Step | None, default: bool = False) -> None:
        self.step = step
        #: the entity that the attribute is looked up on: an alias, or the mapper that it comes from
        self.place: Any = None if step is None else place_of(step)
        #: the alias in ``of_type()``
        self.alias: Any = None if step is None else alias_in(step)
        #: the mapped classes in ``of_type()``
        self.subclasses: tuple[Any, ...] = ()
        #: of a default: what ``of_type()`` named on the way there, ``None`` for all classes
        self.classes: tuple[Any, ...] = ()
        #: the conditions of ``and_()``
        self.criteria: tuple[Any, ...] = ()
        self.default = default
        self.name = ""
        self.params: dict[str, Any] = {}
        self.scope = Scope()

    @property
    def rank(self) -> tuple[bool, bool]:
        """What says how to load goes before what only passes through; an alias before the class."""
        return bool(self.name), self.alias is not None

    @property
    def says_more(self) -> bool:
        """Whether it names classes of the target, or what is to be loaded behind it."""
        return bool(self.alias is not None or self.subclasses or self.scope.attributes)

    def passed(self, step: Step) -> None:
        """Take what one more option says on its way through the attribute, or to it."""
        target = step.target
        if target is not None and self.alias is None and target not in self.subclasses:
            self.subclasses = (*self.subclasses, target)
        if step.criteria:
            self.criteria = step.criteria

    def told(self, setting: Setting) -> None:
        """Take the way of loading that one more option says."""
        if setting.name:
            self.name = setting.name
            self.params = dict(setting.params)
            if setting.step is not None:
                self.criteria = setting.step.criteria
            self.scope.recurring = self if setting.name == "peers" and refers_to_itself(self.step) else None

    def concerns(self, mapper: Any, key: str) -> bool:
        """Tell whether what is said of all attributes of some classes is said of one, which others may have."""
        if None in self.classes:
            return True
        parent = mapper.get_property(key).parent
        return any(each.mapper.isa(parent) or parent.isa(each.mapper) for each in self.classes)

    def by_default(self, default: Directive) -> Directive:
        """Give a directive for the attribute whose way of loading is what was said about all."""
        made = Directive(self.step, default=True)
        made.subclasses, made.criteria, made.scope = self.subclasses, self.criteria, self.scope
        made.name, made.params = default.name, default.params
        return made

    def agrees(self, setting: Setting) -> bool:
        """Tell whether an option says of the attribute what was said of it before, or nothing."""
        if not self.name or not setting.name or setting.name == "expression":
            return True
        return self.name == setting.name and self.params == dict(setting.params)


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
        """Give the directive of an attribute, made if there is none.

        Options that name several subclasses in ``of_type()`` are for one loading of all of them; that of an alias
        is another one.
        """
        entries = self.attributes.setdefault(step.key, [])
        place, alias = place_of(step), alias_in(step)
        for entry in entries:
            if entry.place is place and entry.alias is alias:
                break
        else:
            entry = Directive(step)
            entries.append(entry)
        entry.passed(step)
        return entry

    def tell(self, setting: Setting) -> None:
        """Take what an option says of an attribute.

        :raises InvalidRequestError: another option says something else.
        """
        step = setting.step
        assert step is not None
        told = self.child(step)
        for entry in self.attributes[step.key]:
            if entry.place is told.place and not entry.agrees(setting):
                raise InvalidRequestError(
                    f"The options of the statement contradict each other: {step} is to be loaded as "
                    f"{shown(entry.name, entry.params)}, and as {shown(setting.name, dict(setting.params))}; leave one "
                    "of them out"
                )
        told.told(setting)

    def find(self, entity: Any, mapper: Any, key: str, kind: str) -> Directive | None:
        """Give what was said about an attribute.

        :param entity: the mapper or alias that is being translated.
        :param mapper: the class whose attribute it is: the entity's, or a subclass.
        :param key: the attribute's name.
        :param kind: "relationship" or "column".
        """
        found: Directive | None = None
        for entry in self.attributes.get(key, ()):
            if is_for(entry, entity, mapper) and (found is None or entry.rank >= found.rank):
                found = entry
        recurring = self.recurring
        if found is None and recurring is not None and recurring.step is not None and recurring.step.key == key:
            found = recurring
        if found is not None and (found.name or kind == RELATIONSHIP):
            if not found.name:
                default = self.default(kind, mapper, key)
                if default is not None:
                    return found.by_default(default)
            return found
        return self.default(kind, mapper, key)

    def others(self, found: Directive | None, entity: Any, mapper: Any) -> list[Directive]:
        """List what was said of the same relationship with other aliases or classes in ``of_type()``.

        :param found: what goes first.
        :param entity: the mapper or alias that is being translated.
        :param mapper: the class whose attribute it is.
        """
        if found is None or found.step is None or found.name not in OF_MANY or found.params.get("contains"):
            return []
        return [
            entry
            for entry in self.attributes.get(found.step.key, ())
            if entry is not found and entry.name and entry.says_more and is_for(entry, entity, mapper)
        ]

    def leading(self, entity: Any, prop: Any, target: Any) -> Directive | None:
        """Give what was said about a relationship on the way to one of its targets."""
        mapper = owning(entity, prop)
        found = self.find(entity, mapper, prop.key, RELATIONSHIP)
        if found is None or found.alias is None or found.alias is target:
            return found
        entries = [entry for entry in self.attributes.get(prop.key, ()) if is_for(entry, entity, mapper)]
        for alias in (target, None):
            for entry in entries:
                if entry.alias is alias:
                    return entry
        return found

    def default(self, kind: str, mapper: Any, key: str) -> Directive | None:
        """Give what was said about all attributes of a kind, here or for the whole statement."""
        own = self.defaults.get(kind)
        if own is not None:
            return own if own.concerns(mapper, key) else None
        return None if self.inherited is None else self.inherited.get(kind)


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
            scope = self.below(scope.leading(entity, prop, target))
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
            scope.tell(setting)
        elif setting.kind == ENTITY:
            values = dict(setting.params)
            if setting.name == "undefer_group":
                scope.groups = scope.groups | {values["group"]}
            else:
                scope.polymorphic = (*scope.polymorphic, *values["mappers"])
        else:
            default = scope.defaults.setdefault(setting.kind, Directive(None, default=True))
            default.told(setting)
            default.classes = (*default.classes, setting.path[-1].target if setting.path else None)

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


def place_of(step: Step) -> Any:
    """Give the entity that an attribute is looked up on.

    What a subclass has inherited is the attribute of the class that it comes from, and an option for it is for all
    objects that have it.
    """
    owner = step.owner
    return owner if owner.is_aliased_class else owner.get_property(step.key).parent


def alias_in(step: Step) -> Any:
    """Give the alias that is named in ``of_type()``, ``None`` where there is none."""
    return step.target if step.target is not None and step.target.is_aliased_class else None


def is_for(directive: Directive, entity: Any, mapper: Any) -> bool:
    """Tell whether a directive is about an attribute.

    :param entity: the mapper or alias that is being translated.
    :param mapper: the class whose attribute it is.
    """
    place = directive.place
    if place is entity:
        return True
    if not place.is_aliased_class:
        return bool(mapper.isa(place))
    if not (entity.is_aliased_class and same_alias(entity, place)):
        return False
    return bool(mapper.isa(place.mapper.get_property(directive.step.key).parent))  # type: ignore[union-attr]


def shown(name: str, params: Mapping[str, Any]) -> str:
    """Name a way of loading for a message."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in params.items())})" if params else repr(name)


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
