"""Loader options as values: what ``select().options(...)`` takes, keeps and caches by.

A :class:`Load` is a list of :class:`Setting`, each a way of loading with the path of attributes that it
is for.  It is immutable, hashable into Core's statement cache key, and can be pickled.  The functions
that make options are in ``load/options.py``; ``load/option_tree.py`` turns a statement's options into
what the translation of the statement looks up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import inspect
from sqlalchemy.exc import ArgumentError, NoInspectionAvailable
from sqlalchemy.util import warn, warn_deprecated

from session.core.sql import ExecutableOption, HasCacheKey, coercions, roles
from session.exc import LoaderStrategyException

__all__ = [
    "COLUMN",
    "ENTITY",
    "RELATIONSHIP",
    "AtPath",
    "Load",
    "LoaderOption",
    "LocalLoad",
    "NoEagerJoins",
    "OnlyKeys",
    "OwnClass",
    "Setting",
    "Step",
    "entity_key",
]

RELATIONSHIP = "relationship"
COLUMN = "column"
ENTITY = "entity"
ANY = "*"

L = TypeVar("L", bound="Load")


class OtherKindError(LoaderStrategyException, ArgumentError):
    """An attribute cannot be loaded in the way of an option, which is for attributes of another kind."""


class Step(NamedTuple):
    """One attribute on the way of a path.

    :param owner: the mapper or aliased entity that the attribute is read from.
    :param key: its name.
    :param target: the entity of ``of_type()``, ``None`` without.
    :param criteria: the conditions of ``and_()``.
    """

    owner: Any
    key: str
    target: Any = None
    criteria: tuple[Any, ...] = ()

    @property
    def has_values(self) -> bool:
        """Whether it says more than which attribute is meant: conditions, or a subquery that has some."""
        target = self.target
        return bool(self.criteria) or (target is not None and target.is_aliased_class and target.has_values)

    def __reduce__(self) -> tuple[Any, ...]:
        target = None if self.target is None else portable(self.target)
        if self.criteria:
            warn(
                f"The conditions of {self}.and_(...) do not go into a pickle: the lazy loads of what is unpickled do "
                "without them; load eagerly before"
            )
        return (_restore_step, (portable(self.owner), self.key, target))

    def __str__(self) -> str:
        return f"{label(self.owner)}.{self.key}"


class Setting(NamedTuple):
    """A way of loading for what stands at the end of a path.

    :param path: the attributes that lead to the entity that the setting is about.
    :param kind: "relationship", "column" or "entity".
    :param step: the attribute at the end; ``None`` for a setting of many attributes.
    :param name: the strategy, "" for none (the path only goes through here).
    :param params: what the strategy was told, as pairs.
    """

    path: tuple[Step, ...]
    kind: str
    step: Step | None
    name: str
    params: tuple[tuple[str, Any], ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        params = tuple((name, _each(portable, value) if name == "mappers" else value) for name, value in self.params)
        return (_restore_setting, (self.path, self.kind, self.step, self.name, params))


class LoaderOption(ExecutableOption, HasCacheKey):
    """Base of the options that this package understands.

    ``propagate_to_loaders`` tells whether objects keep the option for their lazy loads.
    """

    propagate_to_loaders = False
    #: whether the option has SQL expressions, whose bound values may differ from run to run
    has_values = False
    inherit_cache = False
    _is_has_cache_key = True
    _is_core = False

    def cache_parts(self) -> Iterable[Any]:
        """Give what tells this option from others: plain values, entities, expressions, tuples of such."""
        raise NotImplementedError

    def _gen_cache_key(self, anon_map: Any, bindparams: Any) -> Any:
        return (type(self), *[_part_key(part, anon_map, bindparams) for part in self.cache_parts()])


def _part_key(part: Any, anon_map: Any, bindparams: Any) -> Any:
    if isinstance(part, tuple):
        return tuple([_part_key(each, anon_map, bindparams) for each in part])
    if getattr(part, "is_mapper", False) or isinstance(part, (str, type)):
        return part
    make = getattr(part, "_gen_cache_key", None)
    return part if make is None else make(anon_map, bindparams)


class OnlyKeys(LoaderOption):
    """Confines the loading of the statement's entity to some attributes; used for refreshing.

    :param keys: names of attributes; the primary key is loaded in any case.
    """

    inherit_cache = False

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = frozenset(keys)

    def cache_parts(self) -> Iterable[Any]:
        return (tuple(sorted(self.keys)),)


class OwnClass(LoaderOption):
    """Says that the statement loads an object that is there already: it stays of its class, whatever the row says."""

    inherit_cache = False

    def cache_parts(self) -> Iterable[Any]:
        return ()


class NoEagerJoins(LoaderOption):
    """Says that nothing is joined for eager loading: what would be, loads when it is read."""

    inherit_cache = False

    def cache_parts(self) -> Iterable[Any]:
        return ()


class AtPath(LoaderOption):
    """Says that the statement loads what stands at the end of a path of an earlier statement.

    The other options of the statement are those of the earlier one, and are read from there.

    :param path: the path, which ends with the entity that the statement selects.
    """

    inherit_cache = False

    def __init__(self, path: Any) -> None:
        self.path = path

    def cache_parts(self) -> Iterable[Any]:
        return self.path.steps  # type: ignore[no-any-return]

    def _gen_cache_key(self, anon_map: Any, bindparams: Any) -> Any:
        steps = [
            _part_key(step, anon_map, bindparams) if getattr(step, "is_aliased_class", False) else step
            for step in self.path.steps
        ]
        return (type(self), *steps)


class Load(LoaderOption):
    """Ways of loading for the attributes of one entity, and of what is reached from it.

    :param entity: a mapped class, mapper or alias that the statement selects.

    Each method gives a new object; relationship methods go on from the related entity::

        select(User).options(Load(User).selectinload(User.orders).load_only(Order.total))

    :raises ArgumentError: (all methods) an attribute does not belong to the entity that it would be loaded with.
    """

    inherit_cache = False
    propagate_to_loaders = True
    settings: tuple[Setting, ...]
    path: tuple[Step, ...]

    def __init__(self, entity: Any) -> None:
        self.root = entity_of(entity)
        self.path = ()
        self.settings = ()

    def __str__(self) -> str:
        way = " -> ".join(str(step) for step in self.path)
        return f"Load({label(self.root)}{', ' if way else ''}{way})"

    def __reduce__(self) -> tuple[Any, ...]:
        root = None if self.root is None else portable(self.root)
        return (_restore_load, (type(self), root, self.path, self.settings))

    def cache_parts(self) -> Iterable[Any]:
        return (self.root, self.settings)

    @property
    def has_values(self) -> bool:  # type: ignore[override]
        """Whether there are conditions or expressions in it, or aliases of subqueries with such."""
        return any(
            any(step.has_values for step in setting.path)
            or (setting.step is not None and setting.step.has_values)
            or setting.name == "expression"
            for setting in self.settings
        )

    # -- building -------------------------------------------------------------------------

    @classmethod
    def anywhere(cls: type[L]) -> L:
        """Give an option that belongs to no entity yet: its settings are defaults for the whole statement."""
        made = cls.__new__(cls)
        made.root = None
        made.path = ()
        made.settings = ()
        return made

    def also(self, settings: Iterable[Setting], path: tuple[Step, ...] | None = None) -> Load:
        """Give a copy with more settings, and perhaps another place to go on from."""
        made = type(self).__new__(type(self))
        made.root = self.root
        made.path = self.path if path is None else path
        made.settings = (*self.settings, *settings)
        return made

    @property
    def end(self) -> Any:
        """The entity that the next attribute has to belong to; ``None`` for any."""
        if not self.path:
            return self.root
        last = self.path[-1]
        if last.target is not None:
            return last.target
        prop = last.owner.mapper.get_property(last.key)
        return prop.entity if hasattr(prop, "entity") else prop.mapper

    def step_for(self, attribute: Any, kind: str) -> Step:
        """Check an attribute that is to be the next on the path.

        :param attribute: a class-bound attribute.
        :param kind: "relationship" or "column".
        :raises ArgumentError: it is none, is of another kind, or belongs to another entity.
        """
        step = step_of(attribute)
        prop = step.owner.mapper.get_property(step.key)
        if kind == RELATIONSHIP and not prop.is_relationship:
            raise OtherKindError(
                f"{step} is not a relationship, so it cannot be loaded with a relationship option; "
                "for columns there are defer(), undefer() and load_only()"
            )
        if kind == COLUMN and prop.is_relationship:
            raise OtherKindError(
                f"{step} is a relationship, so it cannot be loaded with a column option; "
                "use lazyload(), selectinload() or another relationship option"
            )
        end = self.end
        if end is not None and not (has_attributes_of(end, step.owner) if self.path else links(end, step.owner)):
            if self.path:
                last = self.path[-1]
                hint = f"; say {last}.of_type({label(step.owner)}) there" if links(end, step.owner) else ""
                raise ArgumentError(
                    f"{step} cannot follow {last} in a loader option: that leads to {label(end)}, "
                    f"and {step.key!r} is an attribute of {label(step.owner)}{hint}"
                )
            raise ArgumentError(f"{step} is an attribute of {label(step.owner)}, and this option is for {label(end)}")
        return step

    def relate(self, attribute: Any, name: str, **params: Any) -> Load:
        """Set the strategy of a relationship and go on from its target."""
        given = tuple((key, value) for key, value in params.items() if value is not None and value is not False)
        if isinstance(attribute, str) and attribute == ANY:
            return self.also([Setting(self.path, RELATIONSHIP, None, name, given)])
        step = self.step_for(attribute, RELATIONSHIP)
        return self.also([Setting(self.path, RELATIONSHIP, step, name, given)], (*self.path, step))

    def columns(self, attributes: Iterable[Any], name: str, **params: Any) -> Load:
        """Set the strategy of columns of the entity at the end of the path."""
        given = tuple((key, value) for key, value in params.items() if value is not None)
        settings = []
        for attribute in attributes:
            if isinstance(attribute, str) and attribute == ANY:
                settings.append(Setting(self.path, COLUMN, None, name, given))
            else:
                steps = parts_of(self.step_for(attribute, COLUMN))
                settings.extend(Setting(self.path, COLUMN, step, name, given) for step in steps)
        return self.also(settings)

    def options(self, *options: Load) -> Load:
        """Apply further options to the entity that this one has reached.

        :param options: options that begin at that entity.
        """
        made = self
        for option in options:
            if not isinstance(option, Load):
                raise ArgumentError(f"{option!r} is no loader option that could go below {self}")
            if option.root is not None and self.end is not None and not links(self.end, option.root):
                raise ArgumentError(
                    f"{option} cannot go below {self}: that leads to {label(self.end)}, not to {label(option.root)}"
                )
            made = made.also([setting._replace(path=(*self.path, *setting.path)) for setting in option.settings])
        return made

    # -- relationships ----------------------------------------------------------------------

    def selectinload(self, attr: Any, recursion_depth: int | None = None, chunksize: int | None = None) -> Load:
        """Load a relationship by one more SELECT per batch; see :func:`~session.load.options.selectinload`."""
        if chunksize is not None and chunksize < 1:
            raise ArgumentError(f"chunksize is for how many parents one SELECT loads; {chunksize!r} is too few")
        return self.relate(attr, "selectin", recursion_depth=recursion_depth, chunksize=chunksize)

    def joinedload(self, attr: Any, innerjoin: bool | str | None = None) -> Load:
        """Load a relationship by a JOIN in the same SELECT; see :func:`~session.load.options.joinedload`."""
        given = () if innerjoin is None else (("innerjoin", innerjoin),)
        step = None if isinstance(attr, str) and attr == ANY else self.step_for(attr, RELATIONSHIP)
        setting = Setting(self.path, RELATIONSHIP, step, "joined", given)
        return self.also([setting], self.path if step is None else (*self.path, step))

    def subqueryload(self, attr: Any) -> Load:
        """Load a relationship by one more SELECT; see :func:`~session.load.options.subqueryload`."""
        return self.relate(attr, "subquery")

    def lazyload(self, attr: Any) -> Load:
        """Load a relationship when it is first read."""
        return self.relate(attr, "select")

    def peerload(self, attr: Any) -> Load:
        """Load a relationship for all objects that came together; see :func:`~session.load.options.peerload`."""
        return self.relate(attr, "peers")

    def immediateload(self, attr: Any, recursion_depth: int | None = None) -> Load:
        """Load a relationship with one SELECT per object, right after the objects."""
        return self.relate(attr, "immediate", recursion_depth=recursion_depth)

    def noload(self, attr: Any) -> Load:
        """Leave a relationship empty; deprecated, as what it gives is not what the database has."""
        warn_deprecated(
            "noload() gives None or an empty collection whatever the database has, and will be removed; "
            "use raiseload() or lazyload()",
            "2.1",
        )
        return self.relate(attr, "noload")

    def raiseload(self, attr: Any, sql_only: bool = False) -> Load:
        """Refuse to load a relationship when it is read."""
        return self.relate(attr, "raise_on_sql" if sql_only else "raise")

    def defaultload(self, attr: Any) -> Load:
        """Go on along a relationship, and leave its own loading as it is."""
        return self.relate(attr, "")

    def contains_eager(
        self, attr: Any, alias: Any = None, _is_chain: bool = False, _propagate_to_loaders: bool = False
    ) -> Load:
        """Take a relationship from columns that the statement has joined itself."""
        return self.relate(attr, "joined", contains=True, alias=None if alias is None else alias_of(alias))

    # -- columns ------------------------------------------------------------------------------

    def load_only(self, *attrs: Any, raiseload: bool = False) -> Load:
        """Load these columns only; the others load when read, or raise."""
        chosen = self.columns([ANY], "raise_deferred" if raiseload else "deferred")
        return chosen.columns(attrs, "column")

    def defer(self, key: Any, raiseload: bool = False) -> Load:
        """Load a column when it is first read, or refuse to."""
        return self.columns([key], "raise_deferred" if raiseload else "deferred")

    def undefer(self, key: Any) -> Load:
        """Load a deferred column with its object."""
        return self.columns([key], "column")

    def undefer_group(self, name: str) -> Load:
        """Load a group of deferred columns with their object."""
        return self.also([Setting(self.path, ENTITY, None, "undefer_group", (("group", name),))])

    def with_expression(self, key: Any, expression: Any) -> Load:
        """Give a ``query_expression()`` attribute its SQL expression."""
        clause = coercions.expect(roles.ExpressionElementRole, expression)
        return self.columns([key], "expression", expression=clause)

    def selectin_polymorphic(self, classes: Iterable[Any]) -> Load:
        """Load the columns of subclasses by one more SELECT per subclass."""
        mappers = tuple(entity_of(cls) for cls in classes)
        return self.also([Setting(self.path, ENTITY, None, "selectin_polymorphic", (("mappers", mappers),))])


class LocalLoad(Load):
    """A loader's own option for the entity that its statement loads; what users' options say comes first."""

    inherit_cache = False
    propagate_to_loaders = False


# -- entities and attributes ------------------------------------------------------------------


def entity_of(thing: Any) -> Any:
    """Give the mapper or aliased entity behind a class, an alias or an inspected one.

    :raises ArgumentError: it is not mapped.
    """
    try:
        found = inspect(thing)
    except NoInspectionAvailable:
        found = None
    if found is None or not (getattr(found, "is_mapper", False) or getattr(found, "is_aliased_class", False)):
        raise ArgumentError(f"Expected a mapped class, mapper or aliased class for a loader option, got {thing!r}")
    return found


def alias_of(thing: Any) -> Any:
    """Give the entity or selectable that ``contains_eager(alias=...)`` names."""
    try:
        found = inspect(thing)
    except NoInspectionAvailable:
        found = None
    if found is None:
        raise ArgumentError(f"contains_eager(alias=...) takes an aliased class or a selectable, got {thing!r}")
    return found


def step_of(attribute: Any) -> Step:
    """Give the path step of a class-bound attribute.

    :raises ArgumentError: it is not one.
    """
    if isinstance(attribute, str):
        raise ArgumentError(
            f"Loader options take class-bound attributes such as User.addresses, not the string {attribute!r}"
        )
    prop = getattr(attribute, "property", None)
    owner = getattr(attribute, "parent", None)
    if prop is None or owner is None or not getattr(attribute, "is_attribute", False):
        raise ArgumentError(f"Expected a class-bound mapped attribute in a loader option, got {attribute!r}")
    target = getattr(attribute, "_of_type", None)
    return Step(
        owner,
        prop.key if prop.key else attribute.key,
        None if target is None else entity_of(target),
        tuple(getattr(attribute, "_extra_criteria", ()) or ()),
    )


def parts_of(step: Step) -> Iterable[Step]:
    """Give the steps of the columns that a composite is made of; of any other attribute, the step itself."""
    prop = step.owner.mapper.get_property(step.key)
    if not getattr(prop, "is_composite", False):
        return (step,)
    step.owner.mapper.ensure_configured()  # only then a composite knows its columns
    return [step._replace(key=key) for key in prop.keys]


def label(entity: Any) -> str:
    """Name an entity for a message."""
    if entity is None:
        return "any entity"
    name = entity.mapper.class_.__name__
    return f"aliased({name})" if getattr(entity, "is_aliased_class", False) else str(name)


def has_values(options: Iterable[Any]) -> bool:
    """Tell whether options carry values of the statement that they were given with."""
    return any(option.has_values for option in options if hasattr(option, "has_values"))


def links(end: Any, owner: Any) -> bool:
    """Tell whether an option for attributes of ``owner`` can be for objects that ``end`` stands for."""
    if end is owner:
        return True
    ours, theirs = end.mapper, owner.mapper
    if owner.is_aliased_class and end.is_aliased_class:
        return same_alias(end, owner)
    if owner.is_aliased_class:
        return False
    return bool(ours.common_parent(theirs))


def has_attributes_of(end: Any, owner: Any) -> bool:
    """Tell whether all objects that ``end`` stands for have the attributes of ``owner``."""
    if end is owner:
        return True
    if owner.is_aliased_class:
        return bool(end.is_aliased_class) and same_alias(end, owner)
    if end.is_aliased_class and not end.use_mapper_path:
        return False
    included = getattr(end, "with_polymorphic_mappers", None) or ()
    return bool(end.mapper.isa(owner.mapper)) or any(mapper.isa(owner.mapper) for mapper in included)


def same_alias(first: Any, second: Any) -> bool:
    """Tell whether two aliased entities are one, or parts of one ``with_polymorphic()``."""
    return first is second or first.base_alias is second.base_alias


def entity_key(entity: Any) -> Any:
    """Give what root scopes are filed under: an alias for itself, a mapper for its whole hierarchy.

    An alias that stands for its class, as in ``Query.union()``, goes by the mapper.
    """
    if entity.is_aliased_class and not entity.use_mapper_path:
        return entity.base_alias
    return entity.mapper.base_mapper


# -- pickling -------------------------------------------------------------------------------------


def portable(entity: Any) -> Any:
    """Give what an entity can be pickled as: a mapper travels as its class."""
    return entity.class_ if getattr(entity, "is_mapper", False) else entity


def _restore_step(owner: Any, key: str, target: Any) -> Step:
    return Step(entity_of(owner), key, None if target is None else entity_of(target))


def _each(fn: Callable[[Any], Any], values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(map(fn, values))


def _restore_setting(path: tuple[Step, ...], kind: str, step: Step | None, name: str, params: Any) -> Setting:
    found = tuple((each, _each(entity_of, value) if each == "mappers" else value) for each, value in params)
    return Setting(path, kind, step, name, found)


def _restore_load(kind: type[Load], root: Any, path: tuple[Step, ...], settings: tuple[Setting, ...]) -> Load:
    made = kind.__new__(kind)
    made.root = None if root is None else entity_of(root)
    made.path = path
    made.settings = settings
    return made
