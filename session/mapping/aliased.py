"""Aliases of mapped classes: the same class once more in a statement, or over another selectable.

:func:`aliased` and :func:`with_polymorphic` give an :class:`AliasedClass`, whose attributes are those of the
class in terms of the alias; ``inspect()`` of it is an :class:`AliasedInsp`, which everything else works with.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any

from sqlalchemy import Subquery
from sqlalchemy.exc import ArgumentError

from session.core import expressions as sql
from session.core.inspection import inspects, inspects_itself
from session.core.sql import HasCacheKey, InternalTraversal, propagate, propagating_attrs
from session.exc import UnmappedClassError
from session.instrument.attributes import QueryableAttribute
from session.mapping.base import InspectionAttr
from session.mapping.inheritance import mappers_for, selectable_for
from session.mapping.inspect import class_mapper, entity_of

__all__ = ["AliasedClass", "AliasedInsp", "alias_of", "aliased", "as_read", "entity_adapter", "with_polymorphic"]


def aliased(
    element: Any,
    alias: Any = None,
    name: str | None = None,
    flat: bool = False,
    adapt_on_names: bool = False,
) -> Any:
    """Give a mapped class, or a selectable, another name in a statement.

    :param element: a mapped class, an alias of one, or a Core selectable.
    :param alias: the selectable that the alias reads from, such as a subquery; by default an alias of the
        class's own.
    :param name: the alias's name in SQL; an automatic one by default.
    :param flat: whether a join becomes a join of aliases, rather than a subquery.
    :param adapt_on_names: whether columns of ``alias`` are matched by name where they aren't derived from
        the class's.
    :return: an :class:`AliasedClass`; for a Core selectable, its Core alias.
    :raises ArgumentError: if ``adapt_on_names`` is given for a Core selectable.

    ::

        parent = aliased(Node)
        select(Node).join(Node.parent.of_type(parent)).where(parent.name == "root")
    """
    if isinstance(element, sql.FromClause):
        if adapt_on_names:
            raise ArgumentError("adapt_on_names= applies to aliases of mapped classes only, not to those of tables")
        if name:
            return element.alias(name=name, flat=flat)
        return sql.anonymous_alias(element, flat=flat)
    return AliasedClass(element, alias, name=name, flat=flat, adapt_on_names=adapt_on_names)


def with_polymorphic(
    base: Any,
    classes: Any,
    selectable: Any = False,
    flat: bool = False,
    polymorphic_on: Any = None,
    aliased: bool = False,
    innerjoin: bool = False,
    adapt_on_names: bool = False,
    name: str | None = None,
    _use_mapper_path: bool = False,
) -> AliasedClass:
    """Read a class together with the columns of some of its subclasses.

    The subclasses are attributes of the result, by their names: ``poly.Engineer.language``.

    :param base: the mapped class, or an alias of it.
    :param classes: subclasses, or ``"*"`` for all of them; nothing for those of the mapping's own ``with_polymorphic``.
    :param selectable: what to read from; by default the one that the mapping gives with its ``with_polymorphic``, or
        an outer join of the tables. ``None`` for the base's own.
    :param flat: alias the tables one by one, rather than in a subquery.
    :param polymorphic_on: the column that tells the class, if ``selectable`` has another than the mapping.
    :param aliased: whether to read from an alias.
    :param innerjoin: join the tables of the subclasses by JOIN, so that only their rows come.
    :param adapt_on_names: see :func:`aliased`.
    :param name: name of the alias.
    :raises InvalidRequestError: if a concrete subclass is among ``classes`` and there is no ``selectable``.
    """
    entity = entity_of(base)
    if entity is None:
        raise UnmappedClassError(base)
    mapper = entity.mapper
    mapper.ensure_configured()
    own = mapper.with_polymorphic_selectable_given if selectable is False and (not classes or classes == "*") else None
    mappers = mappers_for(mapper, classes, own) if classes else mapper.with_polymorphic_mappers
    if own is not None:
        source = own
    elif selectable is False:
        source = selectable_for(mapper, mappers, innerjoin)
    else:
        source = mapper.selectable if selectable is None else selectable
    if aliased or flat:
        source = sql.anonymous_alias(source, flat=flat, name=name)
    return AliasedClass(
        base,
        source,
        name=name,
        adapt_on_names=adapt_on_names,
        with_polymorphic_mappers=mappers,
        with_polymorphic_discriminator=polymorphic_on,
        use_mapper_path=_use_mapper_path,
        represents_outer_join=not innerjoin,
    )


class AliasedClass:
    """A mapped class under an alias: its attributes are SQL expressions over the alias.

    Made by :func:`aliased` and :func:`with_polymorphic`.
    """

    __name__: str

    def __init__(
        self,
        mapped_class_or_ac: Any,
        alias: Any = None,
        name: str | None = None,
        flat: bool = False,
        adapt_on_names: bool = False,
        with_polymorphic_mappers: Iterable[Any] | None = None,
        with_polymorphic_discriminator: Any = None,
        base_alias: AliasedInsp | None = None,
        use_mapper_path: bool = False,
        represents_outer_join: bool = False,
    ) -> None:
        source = entity_of(mapped_class_or_ac)
        if source is None:
            raise UnmappedClassError(mapped_class_or_ac)
        mapper = source.mapper
        mapper.ensure_configured()
        nested = source.is_aliased_class and (alias is not None or source.is_subquery)
        if alias is None:
            alias = sql.anonymous_alias(source.selectable, flat=flat, name=name)
        if with_polymorphic_mappers is None:
            with_polymorphic_mappers = source.with_polymorphic_mappers
        self.__name__ = f"aliased({mapper.class_.__name__})"
        self._aliased_insp = AliasedInsp(
            self,
            source,
            alias,
            name=name,
            mappers=tuple(with_polymorphic_mappers),
            polymorphic_on=with_polymorphic_discriminator,
            base_alias=base_alias,
            adapt_on_names=adapt_on_names,
            use_mapper_path=use_mapper_path,
            represents_outer_join=represents_outer_join,
            nested=nested,
        )

    def __getattr__(self, key: str) -> Any:
        insp = self.__dict__.get("_aliased_insp")
        if insp is None:
            raise AttributeError(key)
        found = _class_level(insp.class_, key, self)
        if isinstance(found, QueryableAttribute):
            if found.parent is not insp:
                found = found.adapt_to_entity(insp)
            self.__dict__[key] = found
        elif hasattr(found, "adapt_to_entity"):
            found = found.adapt_to_entity(insp)
        return found

    def __repr__(self) -> str:
        return f"<AliasedClass of {self._aliased_insp.class_.__name__} at {id(self):#x}>"

    def __str__(self) -> str:
        return str(self._aliased_insp)

    def __reduce__(self) -> tuple[Any, ...]:
        return _entity_again, (self._aliased_insp,)


def _class_level(cls: type[Any], key: str, owner: AliasedClass) -> Any:
    """Read an attribute of a class as if ``owner`` were the class."""
    for base in cls.__mro__:
        if key not in base.__dict__:
            continue
        raw = base.__dict__[key]
        if isinstance(raw, QueryableAttribute):
            return raw
        if isinstance(raw, classmethod):
            return MethodType(raw.__func__, owner)
        return raw.__get__(None, owner) if hasattr(raw, "__get__") else raw
    return getattr(cls, key)


@inspects_itself
class AliasedInsp(InspectionAttr, HasCacheKey):
    """What ``inspect()`` tells of an :class:`AliasedClass`.

    :param entity: the aliased class.
    :param source: the mapper or alias that it was made from.
    :param selectable: what it reads from.
    :param name: the name asked for; ``None`` for an automatic one.
    :param mappers: the mappers whose columns it includes, if more than its own.
    :param polymorphic_on: the column that tells the class.
    :param base_alias: for a subclass in a ``with_polymorphic()``, the alias of the whole.
    """

    is_aliased_class = True
    is_subquery: bool
    inherit_cache = True

    _cache_key_traversal = [
        ("name", InternalTraversal.dp_string),
        ("adapt_on_names", InternalTraversal.dp_boolean),
        ("use_mapper_path", InternalTraversal.dp_boolean),
        ("mapper", InternalTraversal.dp_has_cache_key),
        ("selectable", InternalTraversal.dp_clauseelement),
        ("with_polymorphic_mappers", InternalTraversal.dp_has_cache_key_list),
        ("polymorphic_on", InternalTraversal.dp_clauseelement),
    ]

    #: the mapper of the class
    mapper: Any
    #: what the alias reads from
    selectable: Any
    #: the alias's name; ``None`` where none was given
    name: str | None
    #: the mappers whose columns are included; its own alone unless made by :func:`with_polymorphic`
    with_polymorphic_mappers: tuple[Any, ...]
    polymorphic_on: Any

    def __init__(
        self,
        entity: AliasedClass,
        source: Any,
        selectable: Any,
        *,
        name: str | None,
        mappers: tuple[Any, ...],
        polymorphic_on: Any = None,
        base_alias: AliasedInsp | None = None,
        adapt_on_names: bool = False,
        use_mapper_path: bool = False,
        represents_outer_join: bool = False,
        nested: bool = False,
    ) -> None:
        mapper = source.mapper
        self._entity = weakref.ref(entity)
        self._kept_entity: AliasedClass | None = None
        self.mapper = mapper
        self.selectable = selectable
        self.name = name
        self.polymorphic_on = mapper.polymorphic_on if polymorphic_on is None else polymorphic_on
        self.adapt_on_names = adapt_on_names
        self.use_mapper_path = use_mapper_path
        self.represents_outer_join = represents_outer_join
        self.is_subquery = isinstance(selectable, Subquery)
        self._weak_base = None if base_alias is None else weakref.ref(base_alias)
        self.is_with_polymorphic = bool(mappers) and mappers != (mapper,)
        self.with_polymorphic_mappers = mappers or (mapper,)
        self._parts: dict[Any, AliasedClass] = {}
        adapted = {each.selectable for each in self.with_polymorphic_mappers}
        self.adapter = sql.ColumnAdapter(
            selectable,
            equivalents=mapper.equivalent_columns,
            adapt_on_names=adapt_on_names,
            anonymize_labels=True,
            adapt_from_selectables=adapted | {source.selectable} if nested else adapted,
        )
        if nested:
            # this one stands for the rows of the alias that it was made from, which it reads by that one's columns
            self.adapter = source.adapter.wrap(self.adapter)
        if self.is_with_polymorphic and base_alias is None:
            for sub in mappers:
                if sub is not mapper:
                    self._add_part(entity, sub)

    def _add_part(self, entity: AliasedClass, sub: Any) -> None:
        part = AliasedClass(
            sub.class_,
            self.selectable,
            name=self.name,
            base_alias=self,
            adapt_on_names=self.adapt_on_names,
            with_polymorphic_mappers=(sub,),
            with_polymorphic_discriminator=self.polymorphic_on,
            use_mapper_path=self.use_mapper_path,
        )
        self._parts[sub] = part
        entity.__dict__.setdefault(sub.class_.__name__, part)

    # -- what it is ----------------------------------------------------------------------

    @property
    def entity(self) -> AliasedClass:
        """The aliased class."""
        entity = self._entity()
        if entity is None:
            entity = AliasedClass.__new__(AliasedClass)
            entity.__dict__["__name__"] = f"aliased({self.class_.__name__})"
            entity.__dict__["_aliased_insp"] = self
            for sub, part in self._parts.items():
                entity.__dict__.setdefault(sub.class_.__name__, part)
            self._entity = weakref.ref(entity)
        return entity

    @property
    def class_(self) -> type[Any]:
        """The mapped class behind the alias."""
        return self.mapper.class_  # type: ignore[no-any-return]

    @property
    def base_alias(self) -> AliasedInsp:
        """The alias of the whole of a ``with_polymorphic()``; any other alias itself."""
        return (self._weak_base and self._weak_base()) or self

    @property
    def entity_namespace(self) -> AliasedClass:
        return self.entity

    @property
    def _post_inspect(self) -> None:
        self.mapper.ensure_configured()

    @property
    def has_values(self) -> bool:
        """Whether there are values in what it reads from, as in a subquery with conditions."""
        return sql.has_values(self.selectable)

    def entity_for(self, mapper: Any) -> Any:
        """Return the alias through which the columns of a mapper are read: a part of this alias, or itself.

        :param mapper: this alias's mapper, one that inherits from it or that it inherits from.
        """
        if mapper is self.mapper:
            return self
        part = self._parts.get(mapper)
        if part is not None:
            return part._aliased_insp
        return self

    # -- SQL -----------------------------------------------------------------------------

    def adapt(self, expression: Any) -> Any:
        """Translate an expression over the class's own columns into one over the alias's."""
        return self.adapter.traverse(expression)

    def adapt_attr(self, attribute: Any) -> Any:
        """Return a class's attribute as read through the alias."""
        return getattr(self.entity, attribute.key)

    def __clause_element__(self) -> Any:
        notes = {
            "parententity": self,
            "parentmapper": self.mapper,
            "entity_namespace": self,
        }
        return propagate(self.selectable._annotate(notes), self)

    @property
    def _propagate_attrs(self) -> Any:
        return propagating_attrs(self)

    def __repr__(self) -> str:
        return f"<AliasedInsp of {self.class_.__name__} at {id(self):#x}>"

    def __str__(self) -> str:
        if self.is_with_polymorphic:
            names = ", ".join(sub.class_.__name__ for sub in self.with_polymorphic_mappers if sub is not self.mapper)
            return f"with_polymorphic({self.class_.__name__}, [{names}])"
        return f"aliased({self.class_.__name__})"

    def __reduce__(self) -> tuple[Any, ...]:
        classes = tuple(sub.class_ for sub in self.with_polymorphic_mappers) if self.is_with_polymorphic else ()
        return _alias_again, (self.class_, self.selectable, self.name, self.adapt_on_names, classes)


def _alias_again(cls: type[Any], selectable: Any, name: str | None, adapt_on_names: bool, classes: Any) -> AliasedInsp:
    mappers = tuple(class_mapper(each, configure=False) for each in classes)
    entity = AliasedClass(cls, selectable, name=name, adapt_on_names=adapt_on_names, with_polymorphic_mappers=mappers)
    insp = entity._aliased_insp
    insp._kept_entity = entity
    return insp


def _entity_again(insp: AliasedInsp) -> AliasedClass:
    return insp.entity


@inspects(AliasedClass)
def _inspect_alias(target: AliasedClass) -> AliasedInsp:
    return target._aliased_insp


def alias_of(entity: Any, **options: Any) -> AliasedInsp:
    """Make an alias of a mapper or alias, and return its inspection.

    :param options: as for :func:`aliased`.
    """
    made = AliasedClass(entity.entity, **options)
    insp = made._aliased_insp
    insp._kept_entity = made
    return insp


def entity_adapter(entity: Any) -> Callable[[Any], Any] | None:
    """Return what translates the columns of an entity's class to those that it is read from.

    :param entity: a mapper or aliased entity, or ``None``.
    :return: a function of an expression; ``None`` where the columns are the tables' own.
    """
    if entity is None:
        return None
    if entity.is_aliased_class:
        return entity.adapt  # type: ignore[no-any-return]
    return entity.polymorphic_adapter  # type: ignore[no-any-return]


def as_read(entity: Any, expressions: Iterable[Any]) -> list[Any]:
    """Express columns of an entity's class by those that SELECTs of it read from."""
    adapt = entity_adapter(entity)
    return list(expressions) if adapt is None else [adapt(each) for each in expressions]
