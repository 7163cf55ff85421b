"""The questions that a mapper answers; answers that cost something are worked out once and kept.

A mixin of ``mapper.py``.  What is marked :class:`derived` is kept in the mapper's ``__dict__`` until properties or
heirs change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Column, Table
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.util import ReadOnlyProperties, warn

from session._accel import cascading
from session.constants import PASSIVE_OFF, PASSIVE_RETURN_NO_VALUE
from session.core import capabilities
from session.core import sql as core_sql
from session.core.selectables import column_collection
from session.core.shapes import lasting
from session.exc import UnmappedColumnError
from session.instrument.base import instance_state, state_label
from session.mapping import cascades, inheritance
from session.mapping.base import InspectionAttr, MapperProperty, NotExtension

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["MapperLookups", "derived"]


class derived:
    """An attribute that is computed at first use, until :meth:`MapperLookups.forget_derived`."""

    names: ClassVar[set[str]] = set()

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__
        self.names.add(self.name)

    def __get__(self, mapper: Any, owner: Any) -> Any:
        if mapper is None:
            return self
        value = mapper.__dict__[self.name] = self.compute(mapper)
        return value


class MapperLookups:
    """Names, columns, keys, relatives and identities of a mapper."""

    class_: type[Any]
    class_manager: Any
    registry: Any
    local_table: Any
    persist_selectable: Any
    tables: list[Any]
    primary_key: tuple[Any, ...]
    pk_of_table: dict[Any, tuple[Any, ...]]
    props: dict[str, MapperProperty]
    prop_of_column: dict[Any, Any]
    base_mapper: Mapper[Any]
    inherits: Mapper[Any] | None
    heirs: list[Mapper[Any]]
    polymorphic_map: dict[Any, Mapper[Any]]
    polymorphic_prop_key: str | None
    eager_defaults: Any
    with_polymorphic: Any
    with_polymorphic_selectable_given: Any
    identity_class: type[Any]
    #: the relationships that an operation goes along, by cascade; kept by ``cascades.py``
    cascading: dict[str, Any]
    #: the delete-orphan relationships that lead here; kept by ``cascades.py``
    orphan_parents: list[Any]
    ensure_configured: Callable[[], None]

    def forget_derived(self) -> None:
        """Work out again, at next use, all that follows from properties and heirs."""
        for name in derived.names.intersection(self.__dict__):
            del self.__dict__[name]
        self.cascading.clear()

    # -- itself ------------------------------------------------------------
    @property
    def mapper(self) -> Mapper[Any]:
        """The mapper itself, as every entity has one."""
        return self  # type: ignore[return-value]

    @property
    def entity(self) -> type[Any]:
        """The mapped class."""
        return self.class_

    @property
    def entity_namespace(self) -> type[Any]:
        """Where names of ``filter_by`` and the like are looked up: the class."""
        return self.class_

    # -- relatives -----------------------------------------------------------
    def primary_mapper(self) -> Mapper[Any]:
        """Return this mapper: a class has one."""
        return self.mapper

    @property
    def primary_base_mapper(self) -> Mapper[Any]:
        """The base mapper, by the name that it had when a class could have several mappers."""
        return self.base_mapper

    def iterate_to_root(self) -> Iterator[Mapper[Any]]:
        """Yield the mapper, the one it inherits from, and so on."""
        one: Any = self
        while one is not None:
            yield one
            one = one.inherits

    @derived
    def self_and_descendants(self) -> tuple[Mapper[Any], ...]:
        """The mapper and all that inherit from it, level by level."""
        found: list[Any] = []
        waiting = deque([self])
        while waiting:
            one: Any = waiting.popleft()
            found.append(one)
            waiting.extend(one.heirs)
        return tuple(found)

    def polymorphic_iterator(self) -> Iterator[Mapper[Any]]:
        """Yield the mapper and all that inherit from it."""
        return iter(self.self_and_descendants)

    def isa(self, other: Any) -> bool:
        """Tell whether this mapper is ``other`` or inherits from it."""
        return any(one is other for one in self.iterate_to_root())

    inherits_from = isa

    def common_parent(self, other: Any) -> bool:
        """Tell whether both mappers belong to one hierarchy."""
        return self.base_mapper is other.mapper.base_mapper

    def is_sibling(self, other: Any) -> bool:
        """Tell whether both mappers belong to one hierarchy and neither inherits from the other."""
        return self.common_parent(other) and not self.isa(other) and not other.isa(self)

    # -- properties ----------------------------------------------------------
    def get_property(self, key: str, _configure_mappers: bool = True) -> MapperProperty:
        """Return the property of an attribute.

        :param key: the attribute's name.
        :raises sqlalchemy.exc.InvalidRequestError: if there is none.
        """
        prop = self.props.get(key)
        if prop is None and _configure_mappers and self.registry.pending:
            self.ensure_configured()
            prop = self.props.get(key)
        if prop is None:
            raise InvalidRequestError(
                f"{self} has no property {key!r}; it has {', '.join(self.props)}. One that another class makes "
                f"(a backref) is there once the mappers are configured"
            )
        return prop

    def get_property_by_column(self, column: Any) -> Any:
        """Return the column property of a column.

        :raises UnmappedColumnError: if the column is not mapped here.
        """
        try:
            return self.prop_of_column[column]
        except KeyError:
            raise UnmappedColumnError(
                f"The column {column} is not mapped by {self}", column=column, mapper=self
            ) from None

    def has_property(self, key: str) -> bool:
        """Tell whether there is a property of that name."""
        return key in self.props

    def get(self, key: str, default: Any = None) -> Any:
        """Return the property of that name, or a default."""
        return self.props.get(key, default)

    @property
    def iterate_properties(self) -> Iterator[MapperProperty]:
        """Yield all properties."""
        return iter(self.props.values())

    def _filtered(self, keep: Callable[[Any], bool]) -> Any:
        return ReadOnlyProperties({key: prop for key, prop in self.props.items() if keep(prop)})

    @derived
    def _attrs(self) -> Any:
        return self._filtered(lambda prop: True)

    @derived
    def _column_attrs(self) -> Any:
        return self._filtered(lambda prop: prop.is_column)

    @derived
    def _relationships(self) -> Any:
        return self._filtered(lambda prop: prop.is_relationship)

    @derived
    def _synonyms(self) -> Any:
        return self._filtered(lambda prop: getattr(prop, "is_synonym", False))

    @derived
    def _composites(self) -> Any:
        return self._filtered(lambda prop: getattr(prop, "is_composite", False))

    @derived
    def merge_plans(self) -> Any:
        """How objects of this mapper are merged on to objects of a class, by the manager of that class."""
        return {}

    @property
    def attrs(self) -> Any:
        """All properties, by key and as attributes."""
        self.ensure_configured()
        return self._attrs

    @property
    def column_attrs(self) -> Any:
        """The column properties."""
        self.ensure_configured()
        return self._column_attrs

    @property
    def relationships(self) -> Any:
        """The relationships."""
        self.ensure_configured()
        return self._relationships

    @property
    def synonyms(self) -> Any:
        """The synonyms."""
        self.ensure_configured()
        return self._synonyms

    @property
    def composites(self) -> Any:
        """The composites."""
        self.ensure_configured()
        return self._composites

    @derived
    def written_through(self) -> Any:
        """Names of the composites and hybrids, whose values in rows are written to columns."""
        return tuple(
            key
            for key, value in self.all_orm_descriptors.items()
            if key in self._composites or (key not in self.class_manager and hasattr(value, "bulk_dml_setter"))
        )

    @property
    def all_orm_descriptors(self) -> Any:
        """Every attribute of the class that is inspectable: mapped ones, hybrids, proxies.

        In the order of the class bodies: what the class itself has brought in comes first, then what its bases have.
        """
        self.ensure_configured()
        found: dict[str, Any] = {}
        lineage = self.class_.__mro__
        latest: dict[str, Any] = {}
        for cls in reversed(lineage):
            latest.update(cls.__dict__)
        for cls, base in pairwise(lineage):
            for key in cls.__dict__:
                if key in base.__dict__:
                    continue
                value = latest[key]
                inspectable = isinstance(value, InspectionAttr) or hasattr(value, "extension_type")
                if inspectable and not isinstance(value, MapperProperty) and not getattr(value, "is_mapper", False):
                    hidden = getattr(value, "_session_attribute", False) and key not in self.class_manager
                    if not hidden:
                        found[key] = value
                elif getattr(value, "is_attribute", False) and key in self.class_manager:
                    found[key] = value
        found.update((key, found.get(key, value)) for key, value in self.class_manager.items())
        plain = {
            name
            for name, value in found.items()
            if name not in self.class_manager
            and getattr(value, "extension_type", NotExtension.NOT_EXTENSION) is NotExtension.NOT_EXTENSION
            and not isinstance(value, InspectionAttr)
            and not getattr(value, "is_attribute", False)
        }
        return ReadOnlyProperties({name: value for name, value in found.items() if name not in plain})

    @derived
    def columns(self) -> Any:
        """The mapped columns, by attribute key: SQL expressions, then the columns of the tables."""
        mapped = [column for column in self.persist_selectable.c if column in self.prop_of_column]
        found = frozenset(mapped)
        pairs = [(prop.key, prop.columns[0]) for prop in self.column_props if found.isdisjoint(prop.columns)]
        pairs += [(self.prop_of_column[column].key, column) for column in mapped]
        return column_collection(pairs)

    @property
    def c(self) -> Any:
        """The mapped columns, by attribute key."""
        return self.columns

    @derived
    def column_props(self) -> tuple[Any, ...]:
        """The column properties in order."""
        return tuple(prop for prop in self.props.values() if prop.is_column and getattr(prop, "instrument", True))

    @derived
    def relationship_props(self) -> tuple[Any, ...]:
        """The relationships in order."""
        return tuple(prop for prop in self.props.values() if prop.is_relationship)

    # -- tables and keys -------------------------------------------------------
    @derived
    def sorted_tables(self) -> tuple[Table, ...]:
        """The tables that rows of the class are written to, parents first."""
        return tuple(table for table in self.tables if isinstance(table, Table))

    @derived
    def columns_of_table(self) -> dict[Any, tuple[tuple[Any, str], ...]]:
        """For each table its mapped columns, with their attribute keys."""
        return {
            table: tuple(
                (column, self.prop_of_column[column].key) for column in table.c if column in self.prop_of_column
            )
            for table in self.tables
        }

    @derived
    def pk_keys(self) -> tuple[str, ...]:
        """The attribute keys of the primary key."""
        return tuple(self.prop_of_column[column].key for column in self.primary_key)

    @derived
    def pk_props(self) -> tuple[Any, ...]:
        """The properties of the primary key."""
        return tuple(self.prop_of_column[column] for column in self.primary_key)

    @derived
    def pk_getter(self) -> Callable[[dict[str, Any]], Any]:
        """Gets the identity from an object's dictionary: the value, or a tuple of several."""
        return itemgetter(*self.pk_keys)

    @derived
    def server_default_keys(self) -> dict[Any, frozenset[str]]:
        """For each table the attributes whose value the server may make at INSERT."""
        return {
            table: frozenset(key for column, key in pairs if isinstance(column, Column) and column.server_default)
            for table, pairs in self.columns_of_table.items()
        }

    def _prefer_eager_defaults(self, dialect: Any, table: Any) -> bool:
        """Tell whether what the database makes of a row is to come back with its INSERT.

        :param dialect: of the database.
        :param table: one of this mapper's.
        """
        if self.eager_defaults == "auto":
            return capabilities.of(dialect).insert_returning and table.implicit_returning
        return bool(self.eager_defaults)

    def server_default_keys_of(self, table: Any) -> frozenset[str]:
        """Return the attributes of one table whose value the server may make at INSERT."""
        keys: frozenset[str] = self.server_default_keys[table]
        return keys

    @derived
    def server_onupdate_keys(self) -> dict[Any, frozenset[str]]:
        """For each table the attributes whose value the server may make at UPDATE."""
        return {
            table: frozenset(key for column, key in pairs if isinstance(column, Column) and column.server_onupdate)
            for table, pairs in self.columns_of_table.items()
        }

    @derived
    def equivalent_columns(self) -> dict[Any, set[Any]]:
        """The columns of the hierarchy that inheritance joins make equal."""
        return inheritance.collect_equivalents(self)  # type: ignore[arg-type]

    @derived
    def acceptable_identities(self) -> frozenset[Any]:
        """The discriminator values that an object of this very class may have."""
        return frozenset(one.polymorphic_identity for one in self.self_and_descendants if one is self or one.single)

    def check_discriminators(self, states: Iterable[Any]) -> None:
        """Warn of objects whose discriminator is that of another class; for the flush, before INSERT and UPDATE."""
        key = self.polymorphic_prop_key
        if key is None:
            return
        acceptable = self.acceptable_identities
        for state in states:
            dict_ = state.dict
            if key in dict_ and dict_[key] not in acceptable:
                warn(
                    f"The object {state_label(state)} is flushed with the discriminator {key}={dict_[key]!r}, which is "
                    f"not one of {self.class_.__name__} ({', '.join(map(repr, acceptable))}); its row will not be "
                    f"loaded as {self.class_.__name__}"
                )

    @derived
    def _single_criterion(self) -> Any:
        return inheritance.single_criterion(self)  # type: ignore[arg-type]

    def single_criterion(self) -> Any:
        """Return the discriminator's condition of a single-table subclass, else ``None``."""
        return self._single_criterion

    # -- statements --------------------------------------------------------------
    @derived
    def with_polymorphic_mappers(self) -> list[Mapper[Any]]:
        """The mappers whose tables a SELECT of this class contains; empty for this class alone."""
        if not self.with_polymorphic:
            return []
        return inheritance.mappers_for(
            self,  # type: ignore[arg-type]
            self.with_polymorphic,
            self.with_polymorphic_selectable_given,
        )

    @derived
    def selectable(self) -> Any:
        """What a SELECT of this class reads: its tables, with those of ``with_polymorphic``."""
        if self.with_polymorphic_selectable_given is not None:
            return self.with_polymorphic_selectable_given
        return inheritance.selectable_for(self, self.with_polymorphic_mappers)  # type: ignore[arg-type]

    @derived
    def polymorphic_adapter(self) -> Callable[[Any], Any] | None:
        """Expresses columns of the tables by the selectable that was given for SELECTs; ``None`` if there is none."""
        given = self.with_polymorphic_selectable_given
        if given is None:
            return None
        return core_sql.ColumnAdapter(given, equivalents=self.equivalent_columns).traverse

    @derived
    def _clause_element(self) -> Any:
        marked = core_sql.annotate_for(self, self.selectable)
        if self.local_table is not self.selectable:
            table = core_sql.annotate_for(self, self.local_table)
            marked = core_sql.propagate(marked._annotate({"dml_table": table}), self)
        return lasting(marked)

    # -- identities ----------------------------------------------------------------
    def primary_key_from_instance(self, instance: Any) -> list[Any]:
        """Return the primary key values of an object, from its attributes.

        :raises ObjectDeletedError: if the object is expired and its row is gone.
        """
        state = instance_state(instance)
        return self.pk_values_of_state(state, PASSIVE_OFF)

    def pk_values_of_state(self, state: Any, passive: int = PASSIVE_RETURN_NO_VALUE) -> list[Any]:
        """Return the primary key values of a state's object."""
        dict_ = state.dict
        manager = state.manager
        return [manager[key].impl.get(state, dict_, passive) for key in self.pk_keys]

    def identity_key_from_instance(self, instance: Any) -> tuple[Any, ...]:
        """Return the identity key that an object's attributes amount to."""
        state = instance_state(instance)
        values = self.pk_values_of_state(state, PASSIVE_OFF)
        return self.identity_key_from_primary_key(tuple(values), state.identity_token)

    def identity_key_from_primary_key(self, primary_key: Any, identity_token: Any = None) -> tuple[Any, ...]:
        """Return the identity key of primary key values.

        :param primary_key: the values, in the order of ``mapper.primary_key``.
        """
        return self.identity_class, tuple(primary_key), identity_token

    def identity_key_from_row(self, row: Any, identity_token: Any = None, adapter: Any = None) -> tuple[Any, ...]:
        """Return the identity key that a row of a result has.

        :param row: a row that contains the primary key columns.
        :param adapter: translates the columns to those of the row.
        """
        columns = self.primary_key if adapter is None else [adapter.columns[c] for c in self.primary_key]
        values = tuple(row._mapping[column] for column in columns)
        return self.identity_key_from_primary_key(values, identity_token)

    # -- cascades ------------------------------------------------------------------
    def cascade_iterator(
        self, type_: str, state: Any, halt_on: Callable[[Any], bool] | None = None
    ) -> Iterator[tuple[Any, Mapper[Any], Any, dict[str, Any]]]:
        """Yield the objects that an operation on one goes on to, each once.

        :param type_: ``"save-update"``, ``"delete"``, ``"merge"``, ``"expunge"`` or ``"refresh-expire"``.
        :param state: the state of the first object, which is not yielded.
        :param halt_on: a function of a state; where it is true the object and what lies behind it are left out.
        :return: object, mapper, state and dictionary of each.
        """
        for other, obj in cascading.walk(type_, state, halt_on):
            yield obj, other.manager.mapper, other, other.dict

    def cascade_steps(self, type_: str) -> tuple[Any, ...]:
        """Return the relationships along which an operation goes on to other objects, ready for the walk."""
        known = self.cascading.get(type_)
        if known is None:
            self.ensure_configured()
            known = self.cascading[type_] = tuple(
                prop.cascade_step(type_) for prop in self.relationship_props if type_ in prop.cascade
            )
        return known

    def is_orphan(self, state: Any) -> bool:
        """Tell whether an object has lost the parent without which it is not to be."""
        return cascades.orphaned(self, state)

    _is_orphan = is_orphan

    @property
    def _delete_orphans(self) -> list[tuple[str, type[Any]]]:
        """Key and class of each relationship without which an object of this mapper is not to be."""
        return [(prop.key, prop.parent.class_) for prop in self.orphan_parents]
