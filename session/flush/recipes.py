"""What a flush has to know of a mapped table, worked out once.

A ``TableRecipe`` says how the attributes of one mapper are written to one of its tables: which
column takes which attribute, which default, what the key is.  A ``MapperRecipe`` holds those of
all tables of a mapper, and whatever else of it decides how it is flushed.  They are made when a
mapper is flushed first and are made again when it has got more properties since.
Next on the way: ``insert.py``, ``update.py``, ``delete.py``, which make statements of them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.schema import ColumnCollectionConstraint
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.types import TypeEngine

from session._accel import gather
from session.core import capabilities
from session.core.arrays import plain_table
from session.core.expressions import comparisons, is_equality
from session.flush.defaults import is_made_by_database, is_sentinel, python_default
from session.flush.plans import Prepared

__all__ = ["MapperRecipe", "TableRecipe", "recipe_of"]


class MapperRecipe:
    """How one mapper is flushed.

    :param mapper: a configured mapper.
    """

    def __init__(self, mapper: Any) -> None:
        self.mapper = mapper
        self.base = mapper.base_mapper
        #: made anew by the mapper when its properties change
        self.made_of = mapper.columns_of_table
        self.tables: tuple[Any, ...] = tuple(table for table in mapper.sorted_tables if mapper.pk_of_table.get(table))
        self._table_recipes: dict[Any, TableRecipe] = {}
        #: INSERT shapes of all mappers of a hierarchy, kept by its base
        self.shared_shapes: dict[Any, Any] = {}
        self.version_key: str | None = None
        self._settled_keys: frozenset[str] | None = None
        if mapper.version_id_col is not None:
            self.version_key = key_of_column(mapper, mapper.version_id_col)
        #: column_property() attributes over SQL, which a write may change: key, expire_on_flush, deferred
        self.read_only: tuple[tuple[str, bool, bool], ...] = tuple(
            (prop.key, getattr(prop, "expire_on_flush", True), prop.deferred)
            for prop in mapper.column_props
            if not any(table.c.contains_column(column) for table in self.tables for column in prop.columns)
        )

    @property
    def settled_keys(self) -> frozenset[str]:
        """Attributes that have nothing to be written, and nothing to be done, where ``==`` finds no change."""
        if self._settled_keys is None:
            plain: set[str] = set()
            others = {self.version_key, self.mapper.polymorphic_prop_key}
            if not self.read_only:
                for table in self.tables:
                    for key, (_, compare) in self.table(table).update_by_key.items():
                        (plain if compare is None else others).add(key)
            self._settled_keys = frozenset(plain - others)
        return self._settled_keys

    def table(self, table: Any) -> TableRecipe:
        """Give the recipe of one of the mapper's tables."""
        found = self._table_recipes.get(table)
        if found is None:
            found = self._table_recipes[table] = TableRecipe(self, table)
        return found


def recipe_of(mapper: Any) -> MapperRecipe:
    """Give the recipe of a mapper, made when it is asked for first; the mapper keeps it."""
    found = mapper.__dict__.get("_flush_recipe")
    if found is None or found.made_of is not mapper.columns_of_table:
        found = mapper.__dict__["_flush_recipe"] = MapperRecipe(mapper)
    return found  # type: ignore[no-any-return]


class TableRecipe:
    """How objects of one mapper are written to one table.

    :param owner: the recipe of the mapper.
    :param table: one of its tables.
    """

    def __init__(self, owner: MapperRecipe, table: Any) -> None:
        mapper = owner.mapper
        self.owner = owner
        self.mapper = mapper
        self.table = table
        position = {column: number for number, column in enumerate(table.c)}
        mapped = [pair for pair in mapper.columns_of_table[table] if not is_sentinel(pair[0])]
        self.key_of: dict[Any, str] = dict(mapped)
        #: the attributes that are written; columns that no attribute holds have other keys, which no object has
        self.attributes = frozenset(self.key_of.values())
        unmapped = [(column, f"column {column.key}") for column in table.c if column not in self.key_of]
        written = mapped + [pair for pair in unmapped if _made_by_python(pair[0])]
        self.columns: tuple[tuple[Any, str], ...] = tuple(sorted(written, key=lambda pair: position[pair[0]]))
        self.key_columns: tuple[Any, ...] = tuple(mapper.pk_of_table[table])
        self.key_keys: tuple[str, ...] = tuple(self.key_of[column] for column in self.key_columns)
        positions = self._positions_in_identity()
        #: the key of this table is no part of the identity, only an attribute
        self.keyed_by_attribute = positions is None
        #: positions in the identity; ``None`` where the identity is the one value
        self.key_positions = None if len(mapper.primary_key) == 1 else positions
        self.equated = self._pairs_with_parent_table()
        #: the database passes changed keys of the parent table on to this table's key
        self.keys_follow = self.mapper.passive_updates and any(target in self.key_keys for _, target in self.equated)
        self.version_column = mapper.version_id_col if mapper.version_id_col in position else None
        self.version_key = owner.version_key if self.version_column is not None else None
        generator = getattr(mapper, "version_id_generator", None)
        self.version_generator = generator if self.version_column is not None and generator is not False else None
        #: neither generator nor database makes the first version
        self.needs_version = (
            self.version_column is not None
            and self.version_generator is None
            and self.version_column.server_default is None
            and self.version_column.default is None
        )
        self.insert_fields, self.default_kinds = self._insert_fields()
        self.shapes: dict[int, Any] = {}
        self.update_shapes: dict[tuple[int, bool, bool], Any] = {}
        self.delete_shapes: dict[bool, Any] = {}
        #: asks the database whether changing many rows at once is the same as changing one after the other
        self.plain_table = Prepared(plain_table(table), (), ())
        self._prepare_updates()

    # -- keys --------------------------------------------------------------------------------

    def _positions_in_identity(self) -> tuple[int, ...] | None:
        """Where in the identity the values of this table's key are; ``None`` if a part is not in it."""
        identity = list(self.mapper.primary_key)
        equivalents = self.mapper.equivalent_columns
        positions = []
        for column in self.key_columns:
            same = {column, *equivalents.get(column, ())}
            key = self.key_of[column]
            for number, part in enumerate(identity):
                if part in same or self.mapper.pk_keys[number] == key:
                    positions.append(number)
                    break
            else:
                return None
        return tuple(positions)

    def _pairs_with_parent_table(self) -> tuple[tuple[str, str], ...]:
        """Attribute keys of the columns that joined inheritance equates: parent table's, this table's."""
        pairs: dict[tuple[str, str], None] = {}
        for mapper in self.mapper.iterate_to_root():
            condition = mapper.inherit_condition
            if condition is None or mapper.local_table is not self.table:
                continue
            for operation, left, right in comparisons(condition):
                if not is_equality(operation):
                    continue
                for parent, child in ((left, right), (right, left)):
                    if child in self.key_of and getattr(parent, "table", None) is not self.table:
                        source = key_of_column(self.mapper, parent)
                        if source is not None:
                            pairs[source, self.key_of[child]] = None
        return tuple(pairs)

    # -- INSERT ------------------------------------------------------------------------------

    def _insert_fields(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        fields = []
        with_defaults = []
        for number, (column, key) in enumerate(self.columns):
            kind, default = self._without_value(column, key)
            if key not in self.attributes:
                kind = gather.OMIT if kind == gather.PLAIN else kind
            elif kind >= gather.CONSTANT:
                with_defaults.append(key)
            fields.append((key, kind, default, 1 << number, column.key))
        return tuple(fields), tuple(with_defaults)

    def _without_value(self, column: Any, key: str) -> tuple[int, Any]:
        """What to insert for a column when its attribute is absent or None."""
        if column is self.version_column and self.version_generator is not None:
            generator = self.version_generator
            return gather.ALWAYS_CALL, lambda _: generator(None)
        keeps_none = column.type.should_evaluate_none
        shown = getattr(self.mapper.props.get(key), "unset_value", None)
        # a class that shares the column of another one may have a default of its own
        by_column = shown is None or isinstance(shown, ClauseElement)
        made = python_default(column.default) if by_column else (False, shown)
        if made is not None:
            is_function, value = made
            if is_function:
                return (gather.CALL_IF_MISSING if keeps_none else gather.CALL), value
            return (gather.CONSTANT_IF_MISSING if keeps_none else gather.CONSTANT), value
        if keeps_none:
            return gather.OMIT_IF_MISSING, None
        if column.primary_key or column.server_default is not None or is_made_by_database(column.default):
            return gather.OMIT, None
        return gather.PLAIN, None

    # -- UPDATE ------------------------------------------------------------------------------

    def _prepare_updates(self) -> None:
        self.update_by_key: dict[str, tuple[int, Any]] = {
            key: (1 << number, comparison_of(column.type))
            for number, (column, key) in enumerate(self.columns)
            if key in self.attributes
        }
        unusual = set(self.key_keys)
        if self.version_key is not None:
            unusual.add(self.version_key)
        self.unusual_keys = frozenset(unusual)
        self.on_update: tuple[tuple[Any, str, bool, Any], ...] = tuple(
            (column, key, *made)
            for column, key in self.columns
            if (made := python_default(column.onupdate)) is not None
        )
        #: columns that the database changes whenever the row is updated
        self.made_on_update: tuple[tuple[Any, str], ...] = tuple(
            (column, key)
            for column, key in self.columns
            if key in self.attributes
            if column.server_onupdate is not None or is_made_by_database(column.onupdate)
        )
        #: attributes whose columns the database may have given a value
        self.made_keys = tuple(
            key
            for column, key in self.columns
            if key in self.attributes
            if column.server_default is not None
            or column.server_onupdate is not None
            or is_made_by_database(column.onupdate)
        )
        #: columns that tell rows apart: a new value must not meet another row's old one, so UPDATEs have an order
        self.telling_columns = _unique_columns(self.table).union(self.key_columns)
        #: attributes whose columns have any kind of ``onupdate=``
        self.on_update_keys = tuple(
            key for column, key in self.columns if column.onupdate is not None and key in self.attributes
        )
        self._keys_of_mask: dict[int, tuple[str, ...]] = {}

    def can_return(self, dialect: Any) -> bool:
        """Tell whether UPDATE .. RETURNING may be used: the table may forbid it."""
        return capabilities.of(dialect).update_returning and bool(self.table.implicit_returning)

    def keys_of_mask(self, mask: int) -> tuple[str, ...]:
        """The attribute keys whose bits are set in a mask, in the order of the table's columns."""
        found = self._keys_of_mask.get(mask)
        if found is None:
            found = tuple(key for number, (_, key) in enumerate(self.columns) if mask >> number & 1)
            self._keys_of_mask[mask] = found
        return found

    def columns_of_mask(self, mask: int) -> tuple[Any, ...]:
        """The columns whose bits are set in a mask."""
        return tuple(column for number, (column, _) in enumerate(self.columns) if mask >> number & 1)


def key_of_column(mapper: Any, column: Any) -> str | None:
    """The key of the attribute that holds a column, ``None`` if the mapper does not map it."""
    prop = mapper.prop_of_column.get(column)
    return None if prop is None else prop.key


def _made_by_python(column: Any) -> bool:
    """Tell whether Python makes values for a column that nobody has set."""
    made = python_default(column.default) or python_default(column.onupdate)
    return made is not None and not is_sentinel(column)


def _unique_columns(table: Any) -> frozenset[Any]:
    """The columns of a table that have to differ from row to row, alone or with others."""
    groups = [index.columns for index in table.indexes if index.unique]
    groups += [
        constraint.columns
        for constraint in table.constraints
        if isinstance(constraint, ColumnCollectionConstraint)
        and not isinstance(constraint, (ForeignKeyConstraint, CheckConstraint))
    ]
    return frozenset(column for columns in groups for column in columns)


def comparison_of(type_: Any) -> Any:
    """How values of a type are compared, ``None`` if ``==`` does it."""
    if type(type_).compare_values is TypeEngine.compare_values:
        return None
    return type_.compare_values
