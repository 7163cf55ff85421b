"""Values that tell the objects that hold them when they change inside.

A ``MutableDict`` (``MutableList``, ``MutableSet``, a class of one's own) that is the value of a column knows its
*parents*: the states of the objects, and the attribute.  They come in by the events of attributes and instances:
loaded, refreshed, set, unpickled.  Out goes a ``flag_modified()`` on each change, so that the next flush writes the
value.
The API is that of ``sqlalchemy.ext.mutable``, for the mappers of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.sql.base import SchemaEventTarget
from sqlalchemy.types import TypeEngine, to_instance

from session.attributes import flag_modified
from session.mapping.mapper import Mapper

__all__ = ["Mutable", "MutableBase", "MutableComposite", "MutableDict", "MutableList", "MutableSet"]

_T = TypeVar("_T")
_KT = TypeVar("_KT")
_VT = TypeVar("_VT")

_MARK = "session.ext.mutable"
"""In the ``info`` of a column the types it was given, and in a pickled state the values that know it."""


class MutableBase:
    """What all values have in common that know their parents."""

    @property
    def _parents(self) -> dict[Any, str]:
        """The attribute that holds the value, by the state of the object."""
        found: dict[Any, str] = self.__dict__.setdefault("_known_parents", {})
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_known_parents"}

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Make a value of this class of one that an attribute is set to; to be extended.

        :param key: the name of the attribute.
        :param value: of any other class.
        :return: ``None`` for ``None``.
        :raises ValueError: the class does not know how.
        """
        if value is None:
            return None
        raise ValueError(f"The attribute {key!r} takes values of {cls.__name__}, and cannot make one of {value!r}")

    @classmethod
    def _get_listen_keys(cls, attribute: Any) -> set[str]:
        """The attributes whose refresh brings a new value."""
        return {attribute.key}

    @classmethod
    def _listen_on_attribute(cls, attribute: Any, coerce: bool, parent_cls: type[Any]) -> None:
        """Have all values of an attribute know their parents.

        :param coerce: values that are loaded may be of another class.
        :param parent_cls: the mapped class.
        """
        key = attribute.key
        if parent_cls is not attribute.class_:
            return
        keys = cls._get_listen_keys(attribute)

        def adopt(state: Any, *context: Any) -> None:
            value = state.dict.get(key)
            if value is None:
                return
            if coerce and not isinstance(value, cls):
                value = cls.coerce(key, value)
                state.dict[key] = value
            if isinstance(value, MutableBase):
                value._parents[state] = key

        def adopt_refreshed(state: Any, context: Any, names: Iterable[str] | None) -> None:
            if not names or keys.intersection(names):
                adopt(state)

        def adopt_set(state: Any, value: Any, before: Any, initiator: Any) -> Any:
            if value is before:
                return value
            if not isinstance(value, cls):
                value = cls.coerce(key, value)
            if isinstance(value, MutableBase):
                value._parents[state] = key
            if isinstance(before, MutableBase):
                before._parents.pop(state, None)
            return value

        def pickling(state: Any, values: dict[str, Any]) -> None:
            value = state.dict.get(key)
            if value is not None:
                values.setdefault(_MARK, {})[key] = value

        def unpickling(state: Any, values: dict[str, Any]) -> None:
            value = values.get(_MARK, {}).get(key)
            if isinstance(value, MutableBase):
                value._parents[state] = key

        listeners: dict[str, Callable[..., Any]] = {
            "load": adopt,
            "_sa_event_merge_wo_load": adopt,
            "refresh": adopt_refreshed,
            "refresh_flush": adopt_refreshed,
            "pickle": pickling,
            "unpickle": unpickling,
        }
        for name, listener in listeners.items():
            event.listen(parent_cls, name, listener, raw=True, propagate=True)
        event.listen(attribute, "set", adopt_set, raw=True, retval=True, propagate=True)

    def _living_parents(self) -> list[tuple[Any, Any, str]]:
        """States, objects and attributes that hold the value; objects that are gone are forgotten."""
        found = [(state, state.obj(), key) for state, key in self._parents.items()]
        for state, obj, _ in found:
            if obj is None:
                del self._parents[state]
        return [one for one in found if one[1] is not None]


class Mutable(MutableBase):
    """A value of a column that tells of changes: a class of one's own calls :meth:`changed` after each."""

    def changed(self) -> None:
        """Mark the attribute as changed on each object that holds the value."""
        for _, obj, key in self._living_parents():
            flag_modified(obj, key)

    @classmethod
    def associate_with_attribute(cls, attribute: Any) -> None:
        """Have the values of one mapped attribute tell of their changes.

        :param attribute: as in ``Order.details``.
        """
        cls._listen_on_attribute(attribute, True, attribute.class_)

    @classmethod
    def associate_with(cls, sqltype: type[Any]) -> None:
        """Have the values of all columns of a type tell of their changes, in classes that are configured from now on.

        :param sqltype: the class of the type.
        """
        cls._when_configured(lambda column: isinstance(column.type, sqltype))

    @classmethod
    def as_mutable(cls, sqltype: Any) -> TypeEngine[Any]:
        """Give a type whose values tell of their changes.

        ::

            class Order(Base):
                ...
                details: Mapped[dict[str, str]] = mapped_column(MutableDict.as_mutable(JSON))

        :param sqltype: a type, or its class.
        :return: the type, for one or several columns; other types of its class are left alone.
        """
        given: TypeEngine[Any] = to_instance(sqltype)
        if not isinstance(given, SchemaEventTarget):
            cls._when_configured(lambda column: column.type is given)
            return given
        # a column that is copied has a copy of such a type: known by a mark on the column

        @event.listens_for(given, "before_parent_attach")
        def mark(type_: Any, parent: Any) -> None:
            parent.info.setdefault(_MARK, []).append(given)

        cls._when_configured(
            lambda column: column.type is given or any(one is given for one in column.info.get(_MARK, ()))
        )
        return given

    @classmethod
    def _when_configured(cls, wanted: Callable[[Any], bool]) -> None:
        """Listen on each column attribute of any class whose column is wanted."""

        def look_at(mapper: Any, class_: type[Any]) -> None:
            for prop in mapper.column_props:
                column = prop.columns[0]
                if prop.parent is mapper and hasattr(column, "info") and wanted(column):
                    cls.associate_with_attribute(getattr(class_, prop.key))

        event.listen(Mapper, "mapper_configured", look_at)


class MutableComposite(MutableBase):
    """A value of a ``composite()`` that tells of changes: a class of one's own calls :meth:`changed` after each."""

    @classmethod
    def _get_listen_keys(cls, attribute: Any) -> set[str]:
        return {attribute.key, *attribute.property.keys}

    def changed(self) -> None:
        """Set the columns of each object that holds the value."""
        for state, obj, key in self._living_parents():
            prop = state.mapper.get_property(key)
            for name, value in zip(prop.keys, prop.values_of(self), strict=True):
                setattr(obj, name, value)


def _listen_on_composites(mapper: Any, class_: type[Any]) -> None:
    for prop in mapper.iterate_properties:
        made_of = getattr(prop, "composite_class", None)
        if isinstance(made_of, type) and issubclass(made_of, MutableComposite):
            made_of._listen_on_attribute(getattr(class_, prop.key), False, class_)


event.listen(Mapper, "mapper_configured", _listen_on_composites)


# -- collections -----------------------------------------------------------------------------------


class MutableDict(Mutable, dict[_KT, _VT]):
    """A dictionary that tells of its changes; not of those inside of its values."""

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Take plain dictionaries."""
        if isinstance(value, cls):
            return value
        return cls(value) if isinstance(value, dict) else Mutable.coerce(key, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.changed()

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.changed()

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        super().update(other)
        self.changed()
        return self

    def setdefault(self, key: Any, *default: Any) -> Any:
        found = super().setdefault(key, *default)
        self.changed()
        return found

    def update(self, *given: Any, **keywords: Any) -> None:
        super().update(*given, **keywords)
        self.changed()

    def pop(self, key: Any, *default: Any) -> Any:
        found = super().pop(key, *default)
        self.changed()
        return found

    def popitem(self) -> Any:
        found = super().popitem()
        self.changed()
        return found

    def clear(self) -> None:
        super().clear()
        self.changed()


class MutableList(Mutable, list[_T]):
    """A list that tells of its changes; not of those inside of its members."""

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Take plain lists."""
        if isinstance(value, cls):
            return value
        return cls(value) if isinstance(value, list) else Mutable.coerce(key, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (list(self),), self.__getstate__()

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self.changed()

    def __delitem__(self, index: Any) -> None:
        super().__delitem__(index)
        self.changed()

    def __iadd__(self, others: Any) -> Any:  # type: ignore[misc]
        self.extend(others)
        return self

    def __imul__(self, times: Any) -> Any:  # type: ignore[misc]
        super().__imul__(times)
        self.changed()
        return self

    def append(self, value: Any) -> None:
        super().append(value)
        self.changed()

    def extend(self, values: Iterable[Any]) -> None:
        super().extend(values)
        self.changed()

    def insert(self, index: Any, value: Any) -> None:
        super().insert(index, value)
        self.changed()

    def remove(self, value: Any) -> None:
        super().remove(value)
        self.changed()

    def pop(self, *index: Any) -> Any:
        found = super().pop(*index)
        self.changed()
        return found

    def clear(self) -> None:
        super().clear()
        self.changed()

    def sort(self, **keywords: Any) -> None:
        super().sort(**keywords)
        self.changed()

    def reverse(self) -> None:
        super().reverse()
        self.changed()


class MutableSet(Mutable, set[_T]):
    """A set that tells of its changes."""

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Take plain sets."""
        if isinstance(value, cls):
            return value
        return cls(value) if isinstance(value, set) else Mutable.coerce(key, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (list(self),), self.__getstate__()

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def __iand__(self, other: Any) -> Any:  # type: ignore[misc]
        self.intersection_update(other)
        return self

    def __ixor__(self, other: Any) -> Any:  # type: ignore[misc]
        self.symmetric_difference_update(other)
        return self

    def __isub__(self, other: Any) -> Any:  # type: ignore[misc]
        self.difference_update(other)
        return self

    def add(self, value: Any) -> None:
        super().add(value)
        self.changed()

    def remove(self, value: Any) -> None:
        super().remove(value)
        self.changed()

    def discard(self, value: Any) -> None:
        super().discard(value)
        self.changed()

    def pop(self, *given: Any) -> Any:
        found = super().pop(*given)
        self.changed()
        return found

    def clear(self) -> None:
        super().clear()
        self.changed()

    def update(self, *others: Iterable[Any]) -> None:
        super().update(*others)
        self.changed()

    def intersection_update(self, *others: Iterable[Any]) -> None:
        super().intersection_update(*others)
        self.changed()

    def difference_update(self, *others: Iterable[Any]) -> None:
        super().difference_update(*others)
        self.changed()

    def symmetric_difference_update(self, other: Iterable[Any]) -> None:
        super().symmetric_difference_update(other)
        self.changed()
