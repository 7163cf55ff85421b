"""Dictionary collections whose keys are worked out from the objects they hold."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from sqlalchemy.exc import InvalidRequestError

from session.constants import NO_VALUE
from session.core.sql import coercions, roles
from session.instrument.base import instance_state
from session.instrument.collections import InstrumentedDict, collection

__all__ = [
    "KeyFuncDict",
    "MappedCollection",
    "attribute_keyed_dict",
    "attribute_mapped_collection",
    "column_keyed_dict",
    "column_mapped_collection",
    "keyfunc_mapping",
    "mapped_collection",
]

_UNPOPULATED = object()


class KeyFuncDict(InstrumentedDict):
    """A dictionary collection that files each object under ``keyfunc(object)``.

    :param keyfunc: works out the key of an object.
    :param ignore_unpopulated_attribute: leave out objects whose key attribute has no value yet,
        rather than raise.
    """

    def __init__(
        self,
        keyfunc: Callable[[Any], Any],
        *dict_args: Any,
        ignore_unpopulated_attribute: bool = False,
    ) -> None:
        self.keyfunc = keyfunc
        self.ignore_unpopulated_attribute = ignore_unpopulated_attribute
        super().__init__(*dict_args)

    @collection.appender
    @collection.internally_instrumented
    def set(self, value: Any, _sa_initiator: Any = None) -> None:
        """Add an object under its own key."""
        key = self._key_of(value)
        if key is not _UNPOPULATED:
            self.__setitem__(key, value, _sa_initiator)  # type: ignore[call-arg]

    @collection.remover
    @collection.internally_instrumented
    def remove(self, value: Any, _sa_initiator: Any = None) -> None:
        """Remove an object from under its own key, or from where it stands if nothing is filed under that.

        :raises KeyError: it is not in the collection.
        :raises InvalidRequestError: another object is filed there, so the key has changed since.
        """
        key = self._key_of(value)
        if key is _UNPOPULATED:
            return
        if key not in self:
            key = next((place for place, item in self.items() if item is value), key)
        if self[key] != value:
            raise InvalidRequestError(
                f"Can't remove {value!r} from the collection: the object under key {key!r} is "
                f"{self.get(key)!r}. Did the key attribute change while the object was in the collection?"
            )
        self.__delitem__(key, _sa_initiator)  # type: ignore[call-arg]

    def _key_of(self, value: Any) -> Any:
        key = self.keyfunc(value)
        if key is not NO_VALUE:
            return key
        if self.ignore_unpopulated_attribute:
            return _UNPOPULATED
        raise InvalidRequestError(
            f"Can't file {value!r} in a keyed collection: its key attribute has no value yet. Set it "
            "first, or pass ignore_unpopulated_attribute=True and add the object later."
        )

    def __reduce__(self) -> Any:
        return (
            _restore,
            (type(self), self.keyfunc, self.ignore_unpopulated_attribute, dict(self)),
            self.__dict__,
        )


def _restore(cls: Any, keyfunc: Any, ignore: bool, content: dict[Any, Any]) -> Any:
    made = cls.__new__(cls)
    dict.update(made, content)
    made.keyfunc = keyfunc
    made.ignore_unpopulated_attribute = ignore
    return made


MappedCollection = KeyFuncDict


class _Factory:
    """Makes the collections of one attribute; each class of them is its own."""

    def __init__(self, keyfunc: Callable[[Any], Any], ignore: bool) -> None:
        self.keyfunc = keyfunc
        self.ignore = ignore

    def __call__(self) -> KeyFuncDict:
        return KeyFuncDict(self.keyfunc, ignore_unpopulated_attribute=self.ignore)


class _AttributeKey:
    """Reads the key attribute; gives ``NO_VALUE`` where it was never set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.get = attrgetter(name)

    def __call__(self, obj: Any) -> Any:
        value = self.get(obj)
        if value is None:
            state = instance_state(obj)
            if self.name in state.manager and self.name not in state.dict:
                return NO_VALUE
        return value

    def __reduce__(self) -> Any:
        return (_AttributeKey, (self.name,))


class _ColumnKey:
    """Reads the values of mapped columns, each by its attribute."""

    def __init__(self, columns: tuple[Any, ...], single: bool) -> None:
        self.columns = columns
        self.single = single

    def __call__(self, obj: Any) -> Any:
        state = instance_state(obj)
        mapper = state.manager.mapper
        dict_ = state.dict
        values = []
        for column in self.columns:
            if isinstance(column, str):
                column = mapper.local_table.c[column]
            key = mapper.get_property_by_column(column).key
            value = state.manager[key].impl.get(state, dict_)
            values.append(NO_VALUE if value is None and key not in dict_ else value)
        if any(value is NO_VALUE for value in values):
            return NO_VALUE
        return values[0] if self.single else tuple(values)

    def __reduce__(self) -> Any:
        names = tuple(c if isinstance(c, str) else c.key for c in self.columns)
        return (_ColumnKey, (names, self.single))


def attribute_keyed_dict(attr_name: str, *, ignore_unpopulated_attribute: bool = False) -> Any:
    """Collection class: a dictionary keyed by an attribute of the objects.

    >>> from session import attribute_keyed_dict
    >>> factory = attribute_keyed_dict("name")
    """
    return _Factory(_AttributeKey(attr_name), ignore_unpopulated_attribute)


def column_keyed_dict(mapping_spec: Any, *, ignore_unpopulated_attribute: bool = False) -> Any:
    """Collection class: a dictionary keyed by one column of the objects, or by several.

    :param mapping_spec: a column, or a sequence of columns for tuple keys.
    """
    single = not isinstance(mapping_spec, (list, tuple))
    columns = tuple(
        coercions.expect(roles.ColumnArgumentRole, column, argname="mapping_spec")
        for column in ([mapping_spec] if single else mapping_spec)
    )
    return _Factory(_ColumnKey(columns, len(columns) == 1), ignore_unpopulated_attribute)


def keyfunc_mapping(keyfunc: Callable[[Any], Any], *, ignore_unpopulated_attribute: bool = False) -> Any:
    """Collection class: a dictionary keyed by a function of the objects."""
    return _Factory(keyfunc, ignore_unpopulated_attribute)


attribute_mapped_collection = attribute_keyed_dict
column_mapped_collection = column_keyed_dict
mapped_collection = keyfunc_mapping
