"""Translate one entity of a SELECT: its columns into the statement, its attributes into a row loader.

In: the builder of the statement, an entity, and what the options say at this place.  Each attribute's
strategy fills a :class:`Part`; the parts make the :class:`RowLoader` of the entity, and of each subclass
whose objects may come in the same rows.  All of it happens once per statement shape.
Next on the way: ``_py/loading.py``, which runs over the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column
from sqlalchemy.exc import InvalidRequestError, NoSuchColumnError

from session._accel import loading
from session.core.selects import locks_rows
from session.load.loader_option import COLUMN, RELATIONSHIP
from session.load.option_tree import Directive, OptionSet, Scope
from session.mapping.aliased import entity_adapter
from session.mapping.strategies import factories, strategy_for

__all__ = ["EntityBuild", "Part", "entity_loader"]


NEVER_WITH_ROWS = ("dynamic", "write_only")
"""Strategies of relationships that are no part of any load."""

PUT_OFF = ("deferred", "raise_deferred")
"""What an option says of a column that is to be loaded when it is read, if at all."""


class Part:
    """What one attribute contributes to a row loader.

    :param key: the attribute's name.
    """

    __slots__ = ("again", "callable", "key", "late", "pairing", "peers", "position", "post", "reset")

    def __init__(self, key: str) -> None:
        self.key = key
        #: the column's position in the row
        self.position: int | None = None
        #: the value belongs to the row, but this statement does not select it
        self.late = False
        #: a loader that only the objects of this statement have
        self.callable: Any = None
        #: the eager load out of the same rows
        self.pairing: Any = None
        #: the load that follows the rows
        self.post: Any = None
        #: loads of the same objects after that, for what options say with other aliases
        self.again: list[Any] = []
        #: the first read loads it for all objects that came together
        self.peers = False
        #: overwriting an object drops the value
        self.reset = False


class EntityBuild:
    """One entity while it is translated; strategies get it as ``build``.

    :param builder: the builder of the statement.
    :param entity: the mapper or aliased entity.
    :param path: where it stands.
    :param scope: what the options say about its attributes.
    :param adapter: adapts the entity's columns to what the statement selects from, ``None`` if they are selected
        as they are.
    :param eager: the entity was brought in by eager loading.
    """

    __slots__ = (
        "adapter",
        "builder",
        "eager",
        "entity",
        "included",
        "mapper",
        "parts",
        "path",
        "scope",
        "subclass_loads",
    )

    def __init__(self, builder: Any, entity: Any, path: Any, scope: Scope, adapter: Any, eager: bool) -> None:
        self.builder = builder
        self.entity = entity
        self.mapper = entity.mapper
        self.path = path
        self.scope = scope
        self.adapter = adapter
        self.eager = eager
        self.parts: dict[Any, Part] = {}
        self.included: list[Any] = [self.mapper]
        self.subclass_loads: dict[Any, Any] = {}

    @property
    def options(self) -> OptionSet:
        """The options of the whole statement."""
        return self.builder.options  # type: ignore[no-any-return]

    def adapt(self, expression: Any) -> Any:
        """Express a column of the mapping by what the statement selects from."""
        return expression if self.adapter is None else self.adapter(expression)

    def position(self, expression: Any) -> int | None:
        """Select a column, and give its position; ``None`` where the rows do not have it."""
        found: int | None = self.builder.add_column(self.adapt(expression))
        return None if found is None or found < 0 else found

    def part(self, prop: Any, mapper: Any, available: bool = True) -> Part:
        """Give the part of an attribute, translated when first asked for.

        :param mapper: the class whose attribute it is.
        :param available: the statement selects from the tables of that class.
        """
        found = self.parts.get((prop, available))
        if found is not None:
            return found
        part = self.parts[prop, available] = Part(prop.key)
        directive = self.directive(prop, mapper)
        if not available and directive is self.scope.defaults.get(COLUMN):  # what load_only() says is about its class
            directive = None
        name = self.strategy(prop, directive)
        if prop.is_column and self.scope.only_keys is not None and name in ("deferred", "raise_deferred"):
            # it was asked for by name
            name, directive = "column", None
        if not available and prop.is_column and name not in PUT_OFF:
            part.late = name == "column"
            part.reset = not part.late
            return part
        if name == "column" and not self.builder.takes_expressions and not isinstance(prop.columns[0], Column):
            part.late = True
            return part
        if name in NEVER_WITH_ROWS:
            return part
        strategy_for(prop, name).compile(self, part, mapper, directive, available)
        if prop.is_relationship and (part.post is not None or part.pairing is not None):
            others = self.scope.others(directive, self.entity, mapper)
            part.again = [strategy_for(prop, "selectin").again(self, mapper, other) for other in others]
        return part

    def strategy(self, prop: Any, directive: Directive | None) -> str:
        """Give the name of the strategy that mapping and options choose for an attribute."""
        if directive is None or not directive.name or (directive.default and not accepts_default(prop, directive.name)):
            return prop.strategy  # type: ignore[no-any-return]
        return directive.name

    def is_put_off(self, prop: Any, mapper: Any) -> bool:
        """Tell whether a column is to be loaded when it is first read, by its mapping or an option for it alone."""
        if not prop.is_column:
            return False
        directive = self.directive(prop, mapper)
        if directive is self.scope.defaults.get(COLUMN):
            directive = None
        return self.strategy(prop, directive) in PUT_OFF

    def directive(self, prop: Any, mapper: Any) -> Directive | None:
        """Give what the options say about an attribute."""
        scope = self.scope
        if prop.is_relationship:
            return scope.find(self.entity, mapper, prop.key, RELATIONSHIP)
        found = scope.find(self.entity, mapper, prop.key, COLUMN)
        if (found is None or found.default) and scope.groups and getattr(prop, "group", None) in scope.groups:
            made = Directive(None)
            made.name = "column"
            return made
        if found is not None and (found.default or found.name in PUT_OFF) and is_key(prop, mapper):
            return None
        return found


def accepts_default(prop: Any, name: str) -> bool:
    """Tell whether an option for all attributes is meant for this one."""
    if prop.is_relationship:
        return prop.strategy not in NEVER_WITH_ROWS
    return name in ("column", "deferred", "raise_deferred")


def is_key(prop: Any, mapper: Any) -> bool:
    """Tell whether a column attribute is part of the primary key, or tells the class: these are always loaded."""
    keys = mapper.primary_key
    tells = mapper.polymorphic_on
    return prop.key in mapper.pk_keys or any(column is tells or column in keys for column in prop.columns)


def attributes(mapper: Any) -> Iterator[Any]:
    """Yield what can be loaded of a class: columns first, so that objects share their key order."""
    later = []
    for prop in mapper.props.values():
        if prop.is_column:
            yield prop
        elif prop.is_relationship:
            later.append(prop)
    yield from later


def entity_loader(
    builder: Any,
    entity: Any,
    path: Any = None,
    scope: Scope | None = None,
    *,
    adapter: Any = None,
    eager: bool = False,
) -> Any:
    """Translate an entity of a SELECT.

    :param builder: the statement's builder; gets the columns.
    :param entity: a mapper or aliased entity.
    :param path: where the entity stands, the root of its own by default.
    :param scope: what the options say there.
    :param adapter: ``adapter(column)`` expresses a column by what is selected from; an alias has its own.
    :param eager: the entity comes in by eager loading.
    :return: the loader of its rows.
    :raises NoSuchColumnError: the rows do not have the primary key.
    """
    if path is None or scope is None:
        path, scope = builder.options.start(entity)
    if adapter is None:
        adapter = entity_adapter(entity)
    build = EntityBuild(builder, entity, path, scope, adapter, eager)
    mapper = build.mapper
    included = list(getattr(entity, "with_polymorphic_mappers", ()) or ())
    if mapper not in included:
        included.insert(0, mapper)
    build.included = included
    base = row_loader(build, mapper)
    identity = base.pk_positions
    if mapper.polymorphic_on is None or scope.own_class:
        return base
    position = build.position(getattr(entity, "polymorphic_on", mapper.polymorphic_on))
    if position is None:
        return base
    explain = Explain(mapper, base)
    loader = loading.PolymorphicLoader(base, position, explain)
    for value, other in mapper.polymorphic_map.items():
        if other is mapper:
            loader.loaders[value] = base
        elif (other.isa(mapper) and not other.concrete) or (other.isa(mapper) and other in included):
            loader.loaders[value] = row_loader(build, other, identity)
    explain.loaders = loader.loaders
    return loader


def identity_positions(build: EntityBuild, mapper: Any) -> tuple[int, ...]:
    """Select the primary key."""
    positions = []
    for column in mapper.primary_key:
        position = build.position(column)
        if position is None:
            raise NoSuchColumnError(
                f"Cannot make {mapper.class_.__name__} objects: the rows have no column {column}, "
                "which is needed for the primary key; select it too"
            )
        positions.append(position)
    return tuple(positions)


def row_loader(build: EntityBuild, mapper: Any, identity: tuple[int, ...] | None = None) -> Any:
    """Make the loader of one class: the entity's own, or a subclass whose objects have the same identity."""
    made = loading.RowLoader(mapper, build.path)
    source = nearest_included(build, mapper)
    scope = build.scope
    only = scope.only_keys
    made.carries_path = carries_path(mapper)
    wanted = [
        prop
        for prop in attributes(mapper)
        if (only is None or prop.key in only) and not (prop.is_column and not getattr(prop, "instrument", True))
    ]
    if only is not None and identity is None and not only.intersection(mapper.pk_keys):
        identity = identity_positions(build, mapper)
    parts = {prop.key: part_of(build, mapper, source, prop) for prop in in_select_order(build, mapper, wanted)}
    for prop in wanted:
        take(made, parts[prop.key])
    made.pk_positions = identity_positions(build, mapper) if identity is None else identity
    for post in subclass_loads(build, mapper, source):
        made.post.append(post)
    if mapper.version_id_col is not None and locks_rows(build.builder.statement) and not build.eager:
        made.version_key = mapper.get_property_by_column(mapper.version_id_col).key
    return made


def part_of(build: EntityBuild, mapper: Any, source: Any, prop: Any) -> Part:
    """Translate an attribute, by the property of the most derived class that is selected from."""
    if source is mapper:
        return build.part(prop, mapper)
    inherited = source.props.get(prop.key)
    if inherited is not None and inherited.is_relationship == prop.is_relationship:
        return build.part(inherited, source)
    return build.part(prop, mapper, available=False)


def in_select_order(build: EntityBuild, mapper: Any, props: list[Any]) -> list[Any]:
    """Sort attributes as their columns stand in the SELECT.

    Columns come before what is joined to them, unless the entity is itself joined, or the statement
    has joined the relationship's target.
    """
    if build.eager:
        return sorted(props, key=lambda prop: prop.is_column)

    def rank(prop: Any) -> int:
        if prop.is_column:
            return 1
        directive = build.directive(prop, mapper)
        return 0 if directive is not None and directive.params.get("contains") else 2

    return sorted(props, key=rank)


def take(made: Any, part: Part) -> None:
    """Enter a part into a row loader."""
    if part.position is not None:
        made.positions.append((part.key, part.position))
    if part.late:
        made.late_keys.append(part.key)
    if part.callable is not None:
        made.callables.append((part.key, part.callable))
    if part.pairing is not None:
        made.nested.append(part.pairing)
    if part.post is not None:
        made.post.append(part.post)
    made.post.extend(part.again)
    if part.peers:
        made.peers = True
    if part.reset:
        made.reset_keys.append(part.key)


def nearest_included(build: EntityBuild, mapper: Any) -> Any:
    """Give the most derived class, among those whose tables are selected from, that ``mapper`` is or derives from."""
    for candidate in mapper.iterate_to_root():
        if candidate in build.included:
            return candidate
    return build.mapper


def carries_path(mapper: Any) -> bool:
    """Tell whether lazy loads from the objects need to know the path: to end cycles of eager loads."""
    return any(prop.is_relationship and prop.strategy == "immediate" for prop in mapper.props.values())


def subclass_loads(build: EntityBuild, mapper: Any, source: Any) -> list[Any]:
    """Give the follow-up loads that bring the columns of a subclass."""
    if source is mapper or build.scope.only_keys is not None:
        return []
    wanted = [each for each in mapper.iterate_to_root() if each is not source and each.isa(source)]
    named = build.scope.polymorphic
    for each in wanted:
        if each in named or getattr(each, "polymorphic_load", None) == "selectin":
            found = build.subclass_loads.get(each)
            if found is None:
                make: Any = factories["mapper", "selectin_polymorphic"]
                found = build.subclass_loads[each] = make(build, each, source)
            return [found]
    return []


class Explain:
    """Finds the loader for a discriminator value that was not known when the statement was translated.

    :param mapper: the mapper of the selected class.
    :param base: its loader.
    """

    __slots__ = ("base", "loaders", "mapper")

    def __init__(self, mapper: Any, base: Any) -> None:
        self.mapper = mapper
        self.base = base
        self.loaders: dict[Any, Any] = {}

    def __call__(self, value: Any, ident: Any) -> Any:
        """Make the loader of a class that was mapped since, or say what is wrong with the row.

        :raises InvalidRequestError: the value names a class that is no subclass of the selected one, or is NULL.
        :raises AssertionError: the value names no class.
        """
        mapper = self.mapper
        if value is None:
            raise InvalidRequestError(
                f"The row of {mapper.class_.__name__} with primary key {ident!r} has NULL in the discriminator "
                f"{mapper.polymorphic_on}, so nothing says of which class its object is; give it a polymorphic_identity"
            )
        found = mapper.polymorphic_map.get(value)
        if found is None:
            raise AssertionError(
                f"The row of {mapper.class_.__name__} with primary key {ident!r} has {value!r} in the discriminator "
                f"{mapper.polymorphic_on}, and no mapped class has that polymorphic_identity"
            )
        if not found.isa(mapper):
            raise InvalidRequestError(
                f"The row with primary key {ident!r} is one of {found.class_.__name__} by its discriminator {value!r}, "
                f"and {found.class_.__name__} is no subclass of {mapper.class_.__name__}, which was selected"
            )
        made = loading.RowLoader(found, self.base.path)
        base = self.base
        made.pk_positions, made.pk_processors = base.pk_positions, base.pk_processors
        made.positions = [pair for pair in base.positions if pair[0] in found.props]
        known = dict(made.positions)
        made.late_keys = [
            prop.key
            for prop in attributes(found)
            if prop.is_column and prop.key not in known and prop.strategy == "column"
        ]
        made.columns = [column for column in base.columns if column[0] in known]
        made.keys = tuple(known)
        made.nested, made.post, made.peers = base.nested, base.post, base.peers
        self.loaders[value] = made
        return made
