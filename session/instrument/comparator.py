"""What SQL an attribute stands for: the base of all property comparators."""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import Any, cast

from sqlalchemy.sql.operators import ColumnOperators, OperatorType

__all__ = ["PropComparator"]


def _any_op(comparator: Any, criterion: Any = None, **kwargs: Any) -> Any:
    return comparator.any(criterion, **kwargs)


def _has_op(comparator: Any, criterion: Any = None, **kwargs: Any) -> Any:
    return comparator.has(criterion, **kwargs)


def _of_type_op(comparator: Any, entity: Any) -> Any:
    return comparator.of_type(entity)


class PropComparator(ColumnOperators):
    """SQL operators of a mapped attribute; subclass it to change them.

    :param prop: the mapped property.
    :param parententity: the mapper or aliased entity through which the attribute is read.
    :param adapt_to_entity: the aliased entity, if it is read through one.
    """

    __slots__ = ("_adapt_to_entity", "_parententity", "prop")

    def __class_getitem__(cls, item: Any) -> Any:
        return GenericAlias(cls, item)

    def __init__(self, prop: Any, parententity: Any, adapt_to_entity: Any = None) -> None:
        self.prop = prop
        self._parententity = parententity if adapt_to_entity is None else adapt_to_entity
        self._adapt_to_entity = adapt_to_entity

    def __clause_element__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} stands for no SQL expression")

    def adapt_to_entity(self, adapt_to_entity: Any) -> PropComparator:
        """Give the same comparator for an aliased entity."""
        return type(self)(self.prop, self._parententity, adapt_to_entity)

    @property
    def _parentmapper(self) -> Any:
        return self._parententity.mapper

    @property
    def adapter(self) -> Callable[[Any], Any] | None:
        """Translates expressions to the aliased entity; ``None`` where there is no alias."""
        entity = self._adapt_to_entity
        return None if entity is None else entity.adapt

    @property
    def info(self) -> dict[Any, Any]:
        """Notes of the user on the mapped attribute."""
        return self.prop.info  # type: ignore[no-any-return]

    @property
    def expression(self) -> Any:
        """The SQL expression of the attribute."""
        return self.__clause_element__()

    @property
    def property(self) -> Any:
        return self.prop

    def comparisons(self) -> Any:
        """Give what compares the attribute with plain values more quickly than :meth:`operate`, ``None`` if nothing."""
        return None

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> Any:
        return op(self.__clause_element__(), *other, **kwargs)

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> Any:
        return op(other, self.__clause_element__(), **kwargs)

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        """EXISTS over a related collection; ``criterion`` limits the related rows."""
        return self.operate(cast(OperatorType, _any_op), criterion, **kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        """EXISTS over a related object; ``criterion`` limits the related rows."""
        return self.operate(cast(OperatorType, _has_op), criterion, **kwargs)

    def of_type(self, class_: Any) -> Any:
        """The same relationship, towards a subclass or alias of its target."""
        return self.operate(cast(OperatorType, _of_type_op), class_)

    def and_(self, *criteria: Any) -> Any:
        """The same relationship, with criteria added to its ON clause."""
        raise NotImplementedError(f"{self.prop} takes no further criteria")
