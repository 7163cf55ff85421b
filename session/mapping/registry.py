"""The registry: a set of mapped classes that share a ``MetaData``, names and the types of annotations.

Every way to map a class goes through one: ``DeclarativeBase`` has its own, ``mapped()`` decorates, and
``map_imperatively()`` takes class, table and properties apart from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import MetaData, event

from session.constants import KNOWN_REGISTRY
from session.instrument.base import opt_manager_of_class
from session.instrument.manager import ClassManager
from session.mapping import clsregistry, configure, scan
from session.mapping.annotations import without_none
from session.mapping.constructor import keyword_constructor
from session.mapping.dataclass import FieldOptions
from session.mapping.declarative_meta import DeclarativeMeta
from session.mapping.events import RegistryEvents
from session.mapping.install import install_mapper
from session.mapping.mapper import Mapper

__all__ = ["registry"]

_C = TypeVar("_C", bound=type[Any])


class registry:
    """A collection of mapped classes.

    :param metadata: the collection of their tables; a new one by default.
    :param class_registry: the dictionary in which classes are found by name; may be shared.
    :param type_annotation_map: SQL types for Python types in ``Mapped[...]``, beside and before the usual ones.
    :param constructor: the ``__init__`` of classes that have none; ``None`` for none.
    """

    _session_is_registry = True
    mapper_class: type[Mapper[Any]] = Mapper
    dispatch: Any = event.dispatcher(RegistryEvents)

    def __init__(
        self,
        *,
        metadata: MetaData | None = None,
        class_registry: dict[str, Any] | None = None,
        type_annotation_map: Mapping[Any, Any] | None = None,
        constructor: Callable[..., None] | None = keyword_constructor,
    ) -> None:
        self.metadata = MetaData() if metadata is None else metadata
        self.constructor = constructor
        self._class_registry: dict[str, Any] = {} if class_registry is None else class_registry
        self.type_annotation_map: dict[Any, Any] = {}
        if type_annotation_map is not None:
            self.update_type_annotation_map(type_annotation_map)
        self.managers: WeakKeyDictionary[ClassManager, None] = WeakKeyDictionary()  # in the order of their mapping
        self.new_mappers: list[Mapper[Any]] = []
        self.pending = False
        self.dependencies: WeakKeyDictionary[registry, None] = WeakKeyDictionary()
        with configure.lock:
            configure.all_registries[self] = None

    def __repr__(self) -> str:
        return f"<registry at {id(self):#x} of {len(self.managers)} classes>"

    @property
    def mappers(self) -> frozenset[Mapper[Any]]:
        """All mappers of the registry."""
        return frozenset(self.mappers_in_order)

    @property
    def mappers_in_order(self) -> list[Mapper[Any]]:
        """All mappers of the registry, in the order in which they were made."""
        with configure.lock:
            managers = list(self.managers)
        return [manager.mapper for manager in managers if manager.mapper is not None]

    def update_type_annotation_map(self, type_annotation_map: Mapping[Any, Any]) -> None:
        """Add SQL types for Python types.

        :param type_annotation_map: types by type; a ``Union`` of one type and ``None`` stands for the type too.
        """
        for python_type, sql_type in type_annotation_map.items():
            self.type_annotation_map[python_type] = sql_type
            bare = without_none(python_type)
            if bare != python_type:
                self.type_annotation_map.setdefault(bare, sql_type)

    # -- configuration -------------------------------------------------------
    def flag_new_mapper(self, mapper: Mapper[Any]) -> None:
        """Take a mapper in that is to be configured before its class is used."""
        self.managers[mapper.class_manager] = None
        self.new_mappers.append(mapper)
        for one in configure.dependents_of(self, cascade=True):
            one.pending = True
        if mapper.inherits is not None and mapper.inherits.registry is not self:
            self.depend_on(mapper.inherits.registry)

    def depend_on(self, other: registry) -> None:
        """Note that mappers here refer to classes of another registry."""
        if other is not self:
            self.dependencies[other] = None

    _set_depends_on = depend_on

    def changed(self) -> None:
        """Note that a mapper has got a further attribute."""

    def configure(self, cascade: bool = False) -> None:
        """Configure the new mappers of this registry.

        :param cascade: also those of registries that they depend on.
        :raises sqlalchemy.exc.InvalidRequestError: if they depend on another one, and ``cascade`` is false.
        """
        configure.configure_registries([self], cascade)

    def dispose(self, cascade: bool = False) -> None:
        """Take the mapping off all classes of this registry.

        :param cascade: also of registries that depend on it; else there may be none.
        :raises sqlalchemy.exc.InvalidRequestError: if another registry depends on it, and ``cascade`` is false.
        """
        with configure.lock:
            for one in configure.dependents_of(self, cascade):
                one._dispose()

    def _dispose(self) -> None:
        for manager in list(self.managers):
            mapper = manager.mapper
            if mapper is not None:
                clsregistry.remove_class(self._class_registry, mapper.class_)
                mapper.dispose()
        self.managers.clear()
        self.new_mappers.clear()
        self.dependencies.clear()
        self.pending = False

    # -- names -----------------------------------------------------------------
    def resolve(self, text: str, cls: type[Any] | None = None, **settings: Any) -> Any:
        """Evaluate a string of a mapping; see :func:`session.mapping.clsregistry.resolve`."""
        return clsregistry.resolve(self, text, cls, **settings)

    # -- mapping -----------------------------------------------------------------
    def mapped(self, cls: _C) -> _C:
        """Map a class declaratively; a decorator for classes without a declarative base.

        :param cls: the class, with ``__tablename__`` or ``__table__``.
        :return: the class.
        """
        scan.map_class(self, cls)
        return cls

    def map_declaratively(self, cls: type[Any]) -> Mapper[Any]:
        """Map a class declaratively.

        :return: its mapper.
        """
        scan.map_class(self, cls)
        mapper: Mapper[Any] = cls.__mapper__
        return mapper

    def mapped_as_dataclass(self, cls: Any = None, /, **options: Any) -> Any:
        """Make a class a dataclass and map it declaratively; a decorator, with or without arguments.

        :param options: those of ``dataclasses.dataclass``, and ``dataclass_callable``.
        """

        def decorate(target: _C) -> _C:
            scan.map_class(self, target, dataclass_options=FieldOptions.from_arguments(target, options))
            return target

        return decorate if cls is None else decorate(cls)

    def map_imperatively(self, class_: type[Any], local_table: Any = None, **kw: Any) -> Mapper[Any]:
        """Map a plain class to a table.

        :param class_: the class.
        :param local_table: its table; ``None`` where it shares that of a base.
        :param kw: ``properties`` and the other arguments of :class:`Mapper`.
        :return: the mapper.
        """
        if "inherits" not in kw:
            above = [opt_manager_of_class(base) for base in class_.__mro__[1:]]
            parent = next((one.mapper for one in above if one is not None and one.mapper is not None), None)
            if parent is not None:
                kw["inherits"] = parent
        made: Mapper[Any] = install_mapper(self, class_, local_table, kw)
        return made

    # -- bases -----------------------------------------------------------------
    def generate_base(
        self,
        mapper: Callable[..., Mapper[Any]] | None = None,
        cls: Any = object,
        name: str = "Base",
        metaclass: Any = None,
    ) -> Any:
        """Make a declarative base class.

        :param mapper: what is called in place of :class:`Mapper`.
        :param cls: a class, or a tuple of classes, for the base to derive from.
        :param name: the base's name.
        :param metaclass: its metaclass.
        """
        bases = cls if isinstance(cls, tuple) else (cls,)
        names: dict[str, Any] = {
            "registry": self,
            KNOWN_REGISTRY: self,
            "metadata": self.metadata,
            "__abstract__": True,
        }
        if isinstance(cls, type):
            names["__doc__"] = cls.__doc__
        if self.constructor is not None:
            names["__init__"] = self.constructor
        if mapper is not None:
            names["__mapper_cls__"] = mapper
        if hasattr(cls, "__class_getitem__"):

            def __class_getitem__(cls: type[Any], key: Any) -> type[Any]:
                return cls

            names["__class_getitem__"] = classmethod(__class_getitem__)
        return (metaclass or DeclarativeMeta)(name, bases, names)

    def as_declarative_base(self, **kw: Any) -> Callable[[_C], Any]:
        """Make a declarative base of a class, as a decorator; ``kw`` as for :meth:`generate_base`."""

        def decorate(cls: _C) -> Any:
            kw.setdefault("cls", cls)
            kw.setdefault("name", cls.__name__)
            return self.generate_base(**kw)

        return decorate
