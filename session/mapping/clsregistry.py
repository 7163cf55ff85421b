"""Names to classes and tables: what a string in a mapping means, looked up when mappers are configured.

A registry keeps its classes by name.  Two classes of one name are told apart by a dotted path whose end is
unique (``"models.User"``).  A string may be any Python expression over those names, over table names and over
the functions of ``sqlalchemy``: ``"and_(Address.user_id == User.id, Address.kind == 'home')"``.
"""

from __future__ import annotations

import builtins
import re
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import sqlalchemy
from sqlalchemy import MetaData, Table
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session.constants import CLASS_MANAGER
from session.mapping.body import metadata_of

__all__ = ["Namesakes", "add_class", "classes_named", "remove_class", "resolve"]

_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*\Z")

#: Code written in C imports what it needs by this; no other built-in name means anything in a mapping.
_BUILTINS = {"__import__": __import__}


class Namesakes:
    """The classes that share one name in a registry, held weakly."""

    __slots__ = ("__weakref__", "_classes")

    def __init__(self, *classes: type[Any]) -> None:
        self._classes: list[weakref.ref[type[Any]]] = []
        for cls in classes:
            self.add(cls)

    def __iter__(self) -> Iterator[type[Any]]:
        return iter([cls for ref in self._classes if (cls := ref()) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self, cls: type[Any]) -> None:
        """Take one more class in, in place of a dead or re-imported one."""
        path = _path(cls)
        kept = [other for other in self if other is not cls and _path(other) != path]
        self._classes = [weakref.ref(other) for other in [*kept, cls]]

    def discard(self, cls: type[Any]) -> None:
        """Let a class go."""
        self._classes = [weakref.ref(other) for other in self if other is not cls]

    def ending_in(self, path: str) -> list[type[Any]]:
        """Return the classes whose full path is ``path`` or ends in it, part by part."""
        return [cls for cls in self if _path(cls) == path or _path(cls).endswith("." + path)]


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def add_class(names: MutableMapping[str, Any], cls: type[Any]) -> None:
    """Enter a class under its name.

    :param names: the registry's dictionary of classes.
    """
    present = names.get(cls.__name__)
    if isinstance(present, Namesakes):
        present.add(cls)
    elif present is None or present is cls or (isinstance(present, type) and _path(present) == _path(cls)):
        if isinstance(present, type) and present is not cls:
            sqlalchemy.util.warn(
                f"The registry held a class {_path(cls)} already, which the new one of that name replaces in "
                f"lookups by string"
            )
        names[cls.__name__] = cls
    else:
        names[cls.__name__] = Namesakes(present, cls)


def remove_class(names: MutableMapping[str, Any], cls: type[Any]) -> None:
    """Take a class out again; nothing happens when it is not there."""
    present = names.get(cls.__name__)
    if isinstance(present, Namesakes):
        present.discard(cls)
        if not len(present):
            del names[cls.__name__]
    elif present is cls:
        del names[cls.__name__]


def classes_named(names: Mapping[str, Any], path: str) -> list[type[Any]]:
    """Find the classes that a plain or dotted name means.

    :param path: ``"User"``, ``"models.User"``, ``"app.models.User"``.
    :return: all that fit; empty if none does.
    """
    present = names.get(path.rpartition(".")[2])
    if present is None:
        return []
    candidates = present if isinstance(present, Namesakes) else Namesakes(present)
    return candidates.ending_in(path)


def resolve(
    registry: Any,
    text: str,
    cls: type[Any] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
    tables_first: bool = False,
    what: str | None = None,
) -> Any:
    """Evaluate a string of a mapping.

    :param registry: the registry whose classes and metadata are meant.
    :param text: a class name, a dotted path, a table name, or an expression over them.
    :param cls: the class in whose mapping the string stands.
    :param names: further names, such as functions for marking columns.
    :param tables_first: whether a table goes before a class of the same name.
    :param what: the argument that holds the string, for messages.
    :return: a class, table, column or SQL expression; whatever the expression gives.
    :raises InvalidRequestError: if a name is unknown or means several classes.
    :raises ArgumentError: if the text is no expression.
    """
    namespace = _Namespace(registry, cls, names or {}, tables_first, text, what)
    text = text.strip()
    if tables_first and (table := namespace.table(text)) is not None:
        return table
    if _DOTTED.match(text) and (found := namespace.class_at(text)) is not None:
        return found
    try:
        code = compile(text, "<mapping>", "eval")
    except SyntaxError as error:
        raise ArgumentError(f"{namespace.where()} is no expression: {error}") from error
    try:
        value = eval(code, {"__builtins__": _BUILTINS}, namespace)
    except (NameError, AttributeError) as error:
        raise InvalidRequestError(
            f"{namespace.where()} cannot be evaluated: {error}; a class must be mapped by the same registry "
            f"(import its module before the mappers are first used), a table must be in its metadata"
        ) from error
    return _unwrap(value)


def _unwrap(value: Any) -> Any:
    if isinstance(value, (_ClassNames, _ModuleNames, _SchemaNames)):
        return value.result()
    if isinstance(value, (list, tuple)):
        return [_unwrap(part) for part in value]
    return value


class _Namespace(dict[str, Any]):
    """The names that an expression sees; looked up one by one as it runs."""

    def __init__(
        self,
        registry: Any,
        cls: type[Any] | None,
        extra: Mapping[str, Any],
        tables_first: bool,
        text: str,
        what: str | None,
    ) -> None:
        self.registry = registry
        self.cls = cls
        self.extra = extra
        self.tables_first = tables_first
        self.text = text
        self.what = what

    def where(self) -> str:
        """Say which string this is about."""
        place = self.what or (f"the mapping of {self.cls.__name__}" if self.cls is not None else "a mapping")
        return f"{self.text!r}, given in {place},"

    def metadata(self) -> MetaData:
        found = None if self.cls is None else metadata_of(self.cls)
        return found or self.registry.metadata

    def table(self, name: str) -> Table | None:
        tables = self.metadata().tables
        found = tables.get(name)
        if found is None and self.cls is not None and (schema := self.metadata().schema):
            found = tables.get(f"{schema}.{name}")
        return found

    def class_at(self, path: str) -> type[Any] | None:
        found = classes_named(self.registry._class_registry, path)
        if len(found) > 1:
            raise InvalidRequestError(
                f"{self.where()} means several classes: {', '.join(sorted(map(_path, found)))}; "
                f"write as much of the module's path as tells them apart"
            )
        return found[0] if found else None

    def __missing__(self, name: str) -> Any:
        finders: list[Callable[[str], Any]] = [self._class, self._table, self._module, self._schema]
        if self.tables_first:
            finders[:2] = [self._table, self._class]
        for find in finders:
            found = find(name)
            if found is not None:
                return found
        if name in self.extra:
            return self.extra[name]
        if hasattr(sqlalchemy, name):
            return getattr(sqlalchemy, name)
        if name in ("None", "True", "False", "list", "set", "dict", "tuple"):
            return getattr(builtins, name)
        module = getattr(sys.modules.get(getattr(self.cls, "__module__", "")), "__dict__", {})
        if name in module:
            return module[name]
        raise NameError(f"{name!r} is neither a mapped class nor a table")

    def _class(self, name: str) -> Any:
        if name not in self.registry._class_registry:
            return None
        found = self.class_at(name)
        return None if found is None else _ClassNames(found)

    def _table(self, name: str) -> Any:
        return self.table(name)

    def _module(self, name: str) -> Any:
        reached = _ModuleNames(self, name)
        return reached if reached.leads_anywhere() else None

    def _schema(self, name: str) -> Any:
        if any(table.schema == name for table in list(self.metadata().tables.values())):
            return _SchemaNames(self, name)
        return None


class _ClassNames:
    """A class in an expression: its column attributes are plain table columns there."""

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls

    def result(self) -> type[Any]:
        return self._cls

    def __getattr__(self, name: str) -> Any:
        cls = self._cls
        manager = cls.__dict__.get(CLASS_MANAGER)
        mapper = None if manager is None else manager.mapper
        if mapper is None:
            return getattr(cls, name)
        prop = mapper.props.get(name)
        if prop is None:
            return getattr(cls, name)
        while getattr(prop, "is_synonym", False):
            prop = mapper.props[prop.name]
        return prop.columns[0] if prop.is_column else getattr(cls, prop.key)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self._cls(*args, **keywords)


class _ModuleNames:
    """A module, or a part of a module's path, on the way to a class."""

    def __init__(self, namespace: _Namespace, path: str) -> None:
        self._namespace = namespace
        self._path = path

    def leads_anywhere(self) -> bool:
        part = f".{self._path}."
        return any(part in f".{_path(cls)}" for cls in self._classes())

    def _classes(self) -> Iterator[type[Any]]:
        for present in list(self._namespace.registry._class_registry.values()):
            if isinstance(present, Namesakes):
                yield from present
            elif isinstance(present, type):
                yield present

    def result(self) -> Any:
        raise NameError(f"{self._path!r} is the name of a module, not of a class")

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}"
        found = self._namespace.class_at(path)
        if found is not None:
            return _ClassNames(found)
        further = _ModuleNames(self._namespace, path)
        if further.leads_anywhere():
            return further
        raise AttributeError(f"there is no mapped class in {path!r}")


class _SchemaNames:
    """A schema, or a part of a schema's name, on the way to a table."""

    def __init__(self, namespace: _Namespace, path: str) -> None:
        self._namespace = namespace
        self._path = path

    def result(self) -> Any:
        raise NameError(f"{self._path!r} is the name of a schema, not of a table")

    def __getattr__(self, name: str) -> Any:
        table = self._namespace.metadata().tables.get(f"{self._path}.{name}")
        if table is None:
            raise AttributeError(f"there is no table {name!r} in schema {self._path!r}")
        return table
