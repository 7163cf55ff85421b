"""Synonyms: a second name for a mapped attribute."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session.mapping.base import NOT_GIVEN, DataclassOptions, MapperProperty
from session.mapping.columns import ColumnProperty
from session.mapping.proxied import ProxiedAttribute

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["Synonym", "SynonymProperty", "synonym", "synonym_for"]


class SynonymProperty(MapperProperty):
    """A second name for an attribute of the class.

    :param name: the attribute's own name.
    :param map_column: the table has a column of the *synonym's* name, and it is to be mapped as ``name``.
    :param descriptor: a ``property`` or the like that gets and sets the value on objects.
    :param comparator_factory: SQL operators of its own.
    """

    is_synonym = True
    is_descriptor = True

    def __init__(
        self,
        name: Any,
        map_column: bool | None = None,
        descriptor: Any = None,
        comparator_factory: Any = None,
        info: dict[Any, Any] | None = None,
        doc: str | None = None,
        dataclass_options: DataclassOptions | None = None,
    ) -> None:
        super().__init__()
        self.target = name
        self.map_column = map_column
        self.descriptor = descriptor
        self.comparator_factory = comparator_factory
        self.doc = doc or getattr(descriptor, "__doc__", None)
        if info is not None:
            self.info = info
        if dataclass_options is not None:
            self.dataclass_options = dataclass_options

    @property
    def name(self) -> str:
        """The attribute that the synonym stands for."""
        return self.target if isinstance(self.target, str) else self.target.key

    @property
    def _proxied_object(self) -> Any:
        """The mapped property that the synonym stands for, or else what the class has under that name."""
        found = self.parent.props.get(self.name)
        return getattr(self.parent.class_, self.name) if found is None else found

    def copy(self) -> SynonymProperty:
        """Return the same synonym, without a mapper."""
        return type(self)(
            self.target, self.map_column, self.descriptor, self.comparator_factory, self.__dict__.get("_info"), self.doc
        )

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """The attributes that have to be there."""
        return (self.name,)

    def on_its_own(self) -> SynonymProperty:
        """Return a synonym of the same attribute of another class, which maps it by itself."""
        return type(self)(
            self.name, None, self.descriptor, self.comparator_factory, self.__dict__.get("_info"), self.doc
        )

    @property
    def mapped_by_synonym(self) -> str | None:
        """The attribute whose column this synonym has mapped."""
        return self.name if self.map_column else None

    def set_parent(self, parent: Mapper[Any], init: bool = False) -> None:
        """Take the mapper; with ``map_column``, map the column of the synonym's name."""
        super().set_parent(parent, init)
        if not self.map_column:
            return
        column = parent.persist_selectable.c.get(self.key)
        if column is None:
            raise ArgumentError(
                f"The synonym {self} has map_column=True, but the table {parent.local_table.description!r} has no "
                f"column {self.key!r}"
            )
        if column in parent.prop_of_column and parent.prop_of_column[column].key == self.name:
            raise ArgumentError(
                f"The column {column} is mapped as {self.name!r} already; leave map_column out of the synonym {self}"
            )
        parent.configure_property(self.name, ColumnProperty(column), init=False)

    def instrument_class(self, mapper: Mapper[Any]) -> None:
        """Put the attribute on the class of ``mapper``."""
        descriptor = self.descriptor
        if descriptor is None:
            descriptor = _own_descriptor(mapper.class_, self.key) or _Forwarding(self.name)
        mapper.class_manager.put(
            self.key,
            ProxiedAttribute(mapper.class_, self.key, mapper, self._comparator, descriptor, self, doc=self.doc),
        )

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int) -> Any:
        """Return the history of the attribute that the synonym stands for."""
        return state.manager[self.name].impl.get_history(state, dict_, passive)

    def _comparator(self, entity: Any) -> Any:
        if self.comparator_factory is not None:
            target = entity.mapper.props[self.name]
            alias = entity if entity.is_aliased_class else None
            return self.comparator_factory(target, entity.mapper, alias)
        attribute = getattr(entity.entity, self.name, None)
        if attribute is None:
            raise InvalidRequestError(
                f"The synonym {self} stands for {self.name!r}, but {self.parent.class_.__name__} has no such attribute"
            )
        return getattr(attribute, "comparator", attribute)


#: The name under which a class body declares one.
Synonym = SynonymProperty


class _Forwarding:
    """Gets and sets another attribute of the object."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any) -> Any:
        return getattr(instance, self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self.name, value)

    def __delete__(self, instance: Any) -> None:
        delattr(instance, self.name)


def _own_descriptor(cls: type[Any], key: str) -> Any:
    """Return a ``property`` that the class has under that name itself."""
    for base in cls.__mro__:
        if key in base.__dict__:
            present = base.__dict__[key]
            if isinstance(present, ProxiedAttribute):
                return present.descriptor
            return present if isinstance(present, property) else None
    return None


def synonym(
    name: str,
    *,
    map_column: bool | None = None,
    descriptor: Any = None,
    comparator_factory: Any = None,
    init: Any = NOT_GIVEN,
    repr: Any = NOT_GIVEN,
    default: Any = NOT_GIVEN,
    default_factory: Any = NOT_GIVEN,
    compare: Any = NOT_GIVEN,
    kw_only: Any = NOT_GIVEN,
    hash: Any = NOT_GIVEN,
    info: dict[Any, Any] | None = None,
    doc: str | None = None,
    dataclass_metadata: Any = NOT_GIVEN,
) -> SynonymProperty:
    """Map a second name for an attribute.

    :param name: the attribute's own name.
    :param map_column: map the table's column of the synonym's name as ``name``.
    :param descriptor: gets and sets the value on objects.
    :param comparator_factory: SQL operators of its own.
    """
    return SynonymProperty(
        name,
        map_column,
        descriptor,
        comparator_factory,
        info,
        doc,
        DataclassOptions(init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata),
    )


def synonym_for(name: str, map_column: bool = False) -> Callable[[Callable[..., Any]], SynonymProperty]:
    """Make a method the getter of a synonym, as a decorator.

    :param name: the attribute that the synonym stands for in SQL.
    """

    def decorate(fn: Callable[..., Any]) -> SynonymProperty:
        is_descriptor = hasattr(fn, "__get__") and not inspect.isfunction(fn)
        return SynonymProperty(name, map_column, fn if is_descriptor else property(fn))

    return decorate
