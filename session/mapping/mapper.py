"""The mapper: how one class and its tables belong together.

In come a class, a table and properties (from ``registry.py`` or ``scan.py``); out go the tuples and dictionaries
that the flush and the loading of rows walk.  ``inheritance.py`` and ``properties.py`` have the steps of its making,
``configure.py`` the moment when names are resolved, ``lookups.py`` the questions that it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Column, event
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.selectable import SelectBase

from session import instrument
from session.core import sql as core_sql
from session.core.inspection import inspects_itself
from session.core.schema import columns_with
from session.instrument.base import opt_manager_of_class
from session.mapping import configure, inheritance, properties, strategies
from session.mapping.base import InspectionAttr, MapperProperty
from session.mapping.decorators import collect_decorated, watch_with_validators
from session.mapping.events import MapperEvents, apply_held_mapper_listeners
from session.mapping.lookups import MapperLookups

__all__ = ["Mapper"]

_T = TypeVar("_T")


@inspects_itself
class Mapper(MapperLookups, InspectionAttr, core_sql.HasCacheKey, Generic[_T]):
    """The mapping of one class; made by a registry, found by ``inspect(User)`` or ``User.__mapper__``.

    :param class_: the class.
    :param local_table: its table; ``None`` for a class that shares its base's table.
    :param properties: columns and properties by attribute key; other columns of the table are mapped by themselves.
    :param primary_key: columns that identify a row, where the table does not say it.
    :param inherits: the mapped class or mapper that it inherits from; found by itself otherwise.
    :param inherit_condition: how the tables join, where foreign keys do not say it.
    :param inherit_foreign_keys: which columns of that condition are foreign keys.
    :param always_refresh: every load overwrites what an object has.
    :param version_id_col: the column that counts the versions of a row.
    :param version_id_generator: makes the next version of a version; ``False`` if the database does.
    :param polymorphic_on: the discriminator: a column, an attribute's name, or a SQL expression.
    :param polymorphic_identity: the discriminator's value for this class.
    :param concrete: the table holds whole rows of this class, apart from the base's table.
    :param with_polymorphic: ``"*"`` or classes whose tables every SELECT of this class contains.
    :param polymorphic_abstract: no row is of this very class.
    :param polymorphic_load: ``"inline"`` or ``"selectin"``: how the base class's SELECT brings this class's columns.
    :param allow_partial_pks: a row whose key is NULL in part is an object.
    :param batch: write several objects of this class in one step; ``False``: one by one, events in between.
    :param column_prefix: is put before the keys of columns mapped by themselves.
    :param include_properties: only these columns are mapped by themselves.
    :param exclude_properties: these columns are not mapped.
    :param passive_updates: the database passes changed primary keys on to foreign keys.
    :param passive_deletes: joined inheritance: the database deletes the rows of the subclass tables.
    :param confirm_deleted_rows: warn where a DELETE reaches fewer rows than expected.
    :param eager_defaults: fetch values that the server makes with the INSERT or UPDATE: ``True``, ``False``, or
        ``"auto"``: where RETURNING costs no statement of its own.
    :param legacy_is_orphan: an object is an orphan only when it is one of all its parents.
    """

    is_mapper = True
    _session_is_mapper: ClassVar[bool] = True
    _session_accepts_all_instances: ClassVar[bool] = True
    inherit_cache = True
    dispatch: Any = event.dispatcher(MapperEvents)

    def __init__(
        self,
        class_: type[_T],
        local_table: Any = None,
        properties: Mapping[str, Any] | None = None,
        primary_key: Any = None,
        inherits: Any = None,
        inherit_condition: Any = None,
        inherit_foreign_keys: Any = None,
        always_refresh: bool = False,
        version_id_col: Any = None,
        version_id_generator: Callable[[Any], Any] | bool | None = None,
        polymorphic_on: Any = None,
        _polymorphic_map: dict[Any, Mapper[Any]] | None = None,
        polymorphic_identity: Any = None,
        concrete: bool = False,
        with_polymorphic: Any = None,
        polymorphic_abstract: bool = False,
        polymorphic_load: str | None = None,
        allow_partial_pks: bool = True,
        batch: bool = True,
        column_prefix: str | None = None,
        include_properties: Any = None,
        exclude_properties: Any = None,
        passive_updates: bool = True,
        passive_deletes: bool = False,
        confirm_deleted_rows: bool = True,
        eager_defaults: Any = "auto",
        legacy_is_orphan: bool = False,
        _compiled_cache_size: int = 100,
    ) -> None:
        if not isinstance(class_, type):
            raise ArgumentError(f"Only a class can be mapped, not {class_!r}")
        if polymorphic_load not in (None, "inline", "selectin"):
            raise ArgumentError(
                f"The polymorphic_load of {class_.__name__} is 'inline', 'selectin' or None, not {polymorphic_load!r}"
            )
        self.class_ = class_
        self.local_table = _table_of(class_, local_table)
        self.inherit_condition = inherit_condition
        self.inherit_foreign_keys = inherit_foreign_keys
        self.always_refresh = always_refresh
        self.version_id_col = _column_of(version_id_col)
        self.version_id_generator: Any = _next_number if version_id_generator is None else version_id_generator
        self.given_polymorphic_on = polymorphic_on
        self.given_polymorphic_map = _polymorphic_map
        self.polymorphic_on: Any = None
        self.polymorphic_prop_key: str | None = None
        self.polymorphic_identity = polymorphic_identity
        self.polymorphic_abstract = polymorphic_abstract
        self.polymorphic_load = polymorphic_load
        self.concrete = concrete
        self.single = False
        self.has_concrete_heirs = False
        self.allow_partial_pks = allow_partial_pks
        self.batch = batch
        self.column_prefix = column_prefix
        self.include_properties = None if include_properties is None else set(columns_with(include_properties))
        self.exclude_properties = set(columns_with(exclude_properties or ()))
        self.passive_updates = passive_updates
        self.passive_deletes = passive_deletes
        self.confirm_deleted_rows = confirm_deleted_rows
        self.eager_defaults = eager_defaults
        self.legacy_is_orphan = legacy_is_orphan
        self.with_polymorphic, self.with_polymorphic_selectable_given = _polymorphic_spec(with_polymorphic)
        self.props: dict[str, MapperProperty] = {}
        self.prop_of_column: dict[Any, Any] = {}
        self.pk_of_table: dict[Any, tuple[Any, ...]] = {}
        self.heirs: list[Mapper[Any]] = []
        self.cascading: dict[str, Any] = {}
        self.orphan_parents: list[Any] = []
        self.names_on_class: list[str] = []
        self.validators: dict[str, Any] = {}
        self.validated: set[str] = set()
        self.configured = False
        self.disposed = False
        self.configure_error: Exception | None = None
        with configure.lock:
            self._build(properties or {}, primary_key, inherits)

    # -- making ------------------------------------------------------------
    def _build(self, given: Mapping[str, Any], primary_key: Any, inherits: Any) -> None:
        self.inherits: Mapper[Any] | None = self._mapper_to_inherit(inherits)
        inheritance.set_up_inheritance(self)
        self._instrument_class()
        self.tables: list[Any] = inheritance.table_chain(self)
        properties.assemble(self, given)
        inheritance.set_up_discriminator(self)
        properties.find_primary_key(self, primary_key)
        self._check_version_column()
        self._add_polymorphic_heir()
        collect_decorated(self)
        setter = inheritance.identity_setter(self)
        self.set_polymorphic_identity = setter or _nothing
        self.class_manager.on_init = () if setter is None else (setter,)
        if self.inherits is not None:
            self.inherits.heirs.append(self)
            for ancestor in self.inherits.base_mapper.polymorphic_iterator():
                ancestor.forget_derived()
        self._hand_to_manager()
        self.registry.flag_new_mapper(self)
        self.dispatch.after_mapper_constructed(self, self.class_)
        self.dispatch.mapper_constructed(self, self.class_)

    def _mapper_to_inherit(self, inherits: Any) -> Mapper[Any] | None:
        if inherits is not None:
            found = inherits if isinstance(inherits, Mapper) else _mapper_of_class(inherits)
            if found is None:
                raise ArgumentError(f"{self.class_.__name__} cannot inherit from {inherits!r}, which is not mapped")
            return found
        return None

    def _instrument_class(self) -> None:
        """Give the class its manager; refuse a class that has a mapper."""
        present = opt_manager_of_class(self.class_)
        if present is not None and present.mapper is not None:
            raise ArgumentError(
                f"Class {self.class_.__name__} is mapped already, to "
                f"{present.mapper.local_table.description!r}; a class has one mapper"
            )
        registry = present.registry if present is not None else None
        self.class_manager = manager = instrument.register_class(self.class_)
        if registry is not None:
            manager.registry = registry
        if manager.registry is None and self.inherits is not None:
            manager.registry = self.inherits.registry
        if manager.registry is None:
            raise InvalidRequestError(
                f"Class {self.class_.__name__} belongs to no registry; map it with registry.map_imperatively() or "
                f"with a declarative base"
            )
        self.registry = manager.registry
        manager.mapper = self
        apply_held_mapper_listeners(self)
        self.dispatch.instrument_class(self, self.class_)
        instrument.finish_class(manager)

    def _hand_to_manager(self) -> None:
        """Tell the class manager what states ask it for."""
        manager = self.class_manager
        parent = None if self.concrete else self.inherits
        self.identity_class = manager.identity_class = self.class_ if parent is None else parent.identity_class
        self.composite_key = manager.composite_key = len(self.primary_key) > 1
        manager.expired_loader = strategies.load_scalars

    def _check_version_column(self) -> None:
        column = self.version_id_col
        if column is None:
            return
        if column not in self.prop_of_column:
            local = self.persist_selectable.corresponding_column(column)
            if local is None or local not in self.prop_of_column:
                raise ArgumentError(f"The version_id_col {column} of {self} is not mapped by it")
            self.version_id_col = local

    def _add_polymorphic_heir(self) -> None:
        """Have the base's SELECT contain this class's table, where ``polymorphic_load`` says ``inline``."""
        if self.polymorphic_load != "inline" or self.inherits is None:
            return
        for ancestor in self.inherits.iterate_to_root():
            present = ancestor.with_polymorphic
            if present is None:
                ancestor.with_polymorphic = [self]
            elif present != "*":
                ancestor.with_polymorphic = [*present, self]
            ancestor.forget_derived()
            if ancestor.polymorphic_load != "inline":
                break

    # -- properties --------------------------------------------------------
    def configure_property(self, key: str, value: Any, init: bool = True) -> MapperProperty:
        """Add a property while the mapper is made, or later."""
        return properties.configure_property(self, key, value, init=init)

    def add_property(self, key: str, prop: Any) -> None:
        """Add an attribute to a class that is mapped already.

        :param key: its name.
        :param prop: a property or a column of the mapper's table.
        """
        with configure.lock:
            properties.configure_property(self, key, prop, init=self.configured, warn_for_existing=self.configured)
            for mapper in self.self_and_descendants:
                # statements that are prepared already do not load it
                mapper.__dict__.pop("load_memo", None)
            self.registry.changed()

    def add_properties(self, dict_of_properties: Mapping[str, Any]) -> None:
        """Add several attributes."""
        for key, prop in dict_of_properties.items():
            self.add_property(key, prop)

    # -- configuration -----------------------------------------------------
    def ensure_configured(self) -> None:
        """Configure all new mappers of the registry, if there are any."""
        if self.registry.pending:
            configure.configure_registries([self.registry], cascade=True)

    @property
    def _post_inspect(self) -> None:
        self.ensure_configured()

    def finish_configuration(self) -> None:
        """Resolve the properties, and make the attributes ready for objects; once."""
        finished: set[str] = set()
        while remaining := [(key, prop) for key, prop in self.props.items() if key not in finished]:
            for key, prop in remaining:
                finished.add(key)
                if prop.parent is self and not prop._configure_started:
                    prop.init()
        self.configured = True
        for key, prop in list(self.props.items()):
            prop.post_instrument_class(self)
            watch_with_validators(self, key)
        self.forget_derived()

    @staticmethod
    def undo(cls: type[Any]) -> None:
        """Take back what a mapping that failed has done to a class."""
        manager = opt_manager_of_class(cls)
        if manager is None:
            return
        mapper = manager.mapper
        if mapper is not None:
            mapper.disposed = True
            if mapper in mapper.registry.new_mappers:
                mapper.registry.new_mappers.remove(mapper)
            mapper.registry.managers.pop(manager, None)
            if mapper.inherits is not None and mapper in mapper.inherits.heirs:
                mapper.inherits.heirs.remove(mapper)
            for identity, one in list(mapper.__dict__.get("polymorphic_map", {}).items()):
                if one is mapper:
                    del mapper.polymorphic_map[identity]
        instrument.unregister_class(cls)

    def dispose(self) -> None:
        """Take the mapping off the class."""
        self.disposed = True
        self.configured = False
        self.heirs.clear()
        if opt_manager_of_class(self.class_) is self.class_manager:
            instrument.unregister_class(self.class_)
            for name in self.names_on_class:
                if name in self.class_.__dict__:
                    type.__delattr__(self.class_, name)

    # -- statements --------------------------------------------------------
    def __clause_element__(self) -> Any:
        return self._clause_element

    def _gen_cache_key(self, anon_map: Any, bindparams: Any) -> tuple[Any, ...]:
        return (self,)

    def __repr__(self) -> str:
        return f"<Mapper at {id(self):#x}; {self.class_.__name__}>"

    def __str__(self) -> str:
        table = self.local_table
        named = "" if table is None else f"({getattr(table, 'description', table)})"
        return f"Mapper[{self.class_.__name__}{named}]"


def _mapper_of_class(subject: Any) -> Mapper[Any] | None:
    """Return the mapper of a mapped class, ``None`` for anything else."""
    manager = opt_manager_of_class(subject)
    return None if manager is None else manager.mapper


def _nothing(state: Any, dict_: dict[str, Any]) -> None:
    """There is no discriminator to set."""


def _next_number(version: int | None) -> int:
    return (version or 0) + 1


def _column_of(given: Any) -> Any:
    if given is None or isinstance(given, Column):
        return given
    return core_sql.coercions.expect(core_sql.roles.ColumnArgumentOrKeyRole, given)


def _table_of(class_: type[Any], given: Any) -> Any:
    if given is None:
        return None
    table = core_sql.coercions.expect(core_sql.roles.FromClauseRole, given)
    if isinstance(table, SelectBase):
        raise ArgumentError(f"{class_.__name__} cannot be mapped to a SELECT; map it to its .subquery()")
    return table


def _polymorphic_spec(given: Any) -> tuple[Any, Any]:
    """Split the ``with_polymorphic`` argument into classes and selectable."""
    if given is None:
        return None, None
    if given == "*":
        return "*", None
    if isinstance(given, (tuple, list)):
        if len(given) == 2 and (given[0] == "*" or isinstance(given[0], (tuple, list))):
            return given[0] if given[0] == "*" else list(given[0]), given[1]
        if any(isinstance(one, str) for one in given):
            raise ArgumentError("with_polymorphic takes '*', classes, or (classes, selectable)")
        return list(given), None
    raise ArgumentError(f"with_polymorphic takes '*', classes, or (classes, selectable), not {given!r}")
