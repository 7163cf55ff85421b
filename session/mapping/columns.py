"""Column properties: attributes that are table columns, or SQL expressions read along with the row.

``mapper.py`` makes one for every column that it maps; ``column_property()``, ``deferred()`` and
``query_expression()`` make them by hand.  The strategy's *name* ("column", "deferred", "raise_deferred",
"expression") says how the value is loaded; ``load`` has the strategies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, event, null
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import warn_deprecated

from session import instrument
from session.core import schema as core_schema
from session.core import sql as core_sql
from session.core.comparing import comparisons_of
from session.core.shapes import lasting
from session.instrument.comparator import PropComparator
from session.mapping import strategies
from session.mapping.base import NOT_GIVEN, DataclassOptions, MappedAnnotation, MapperProperty, ScanContext

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["ColumnProperty", "MappedSQLExpression", "column_property", "deferred", "query_expression"]


class ColumnProperty(MapperProperty):
    """An attribute whose value is one column, or one SQL expression, of the object's row.

    :param columns: the column; further ones are columns of the tables of base or derived mappers that hold
        the same value.  A SQL expression stands alone and is never written.
    :param group: the group of deferred columns that it is loaded with.
    :param deferred: load it when it is first read.
    :param raiseload: deferred, and reading it unloaded raises.
    :param comparator_factory: subclass of :class:`ColumnProperty.Comparator` with SQL operators of its own.
    :param active_history: load the old value before a change.
    :param expire_on_flush: expire an expression after a flush of its object.
    :param instrument: make the attribute on the class; ``False`` for columns that are used by the mapper only.
    """

    is_column = True
    strategy_kind = "column"

    class Comparator(PropComparator):
        """The SQL of a column attribute: the column itself, marked as belonging to its entity."""

        __slots__ = ("_expression",)
        _expression: Any

        def __clause_element__(self) -> Any:
            try:
                return self._expression
            except AttributeError:
                made = self._marked(self.prop.columns[0])
                self._expression = made if self._adapt_to_entity is not None else lasting(made)
                return self._expression

        def _marked(self, expression: Any) -> Any:
            adapt = self.adapter
            if adapt is not None:
                expression = adapt(expression)
            return core_sql.annotate_for(self._parententity, expression, self.prop.key)

        def comparisons(self) -> Any:
            """Give what makes plain comparisons; a subclass may have operators of its own, and has none."""
            return comparisons_of(self.__clause_element__()) if type(self) is ColumnProperty.Comparator else None

        @property
        def expressions(self) -> list[Any]:
            """Every column of the attribute, main one first."""
            return [self._marked(column) for column in self.prop.columns]

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            return getattr(self.__clause_element__(), name)

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            return op(self.__clause_element__(), *other, **kwargs)

        def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
            return op(other, self.__clause_element__(), **kwargs)

    def __init__(
        self,
        *columns: Any,
        group: str | None = None,
        deferred: bool = False,
        raiseload: bool = False,
        comparator_factory: Any = None,
        active_history: bool = False,
        expire_on_flush: bool = True,
        info: dict[Any, Any] | None = None,
        doc: str | None = None,
        dataclass_options: DataclassOptions | None = None,
        instrument: bool = True,
        strategy: str | None = None,
    ) -> None:
        super().__init__()
        if not columns:
            raise ArgumentError("column_property() needs a column or SQL expression")
        self._declared = columns[0] if _is_declaration(columns[0]) else None
        self.columns: list[Any] = [_as_column(column) for column in columns]
        self.group = group
        self.deferred = deferred
        self.raiseload = raiseload
        self.comparator_factory = comparator_factory or type(self).Comparator
        self.active_history = active_history
        self.expire_on_flush = expire_on_flush
        self.instrument = instrument
        self.strategy = strategy or _strategy_name(deferred, raiseload)
        if info is not None:
            self.info = info
        self.doc = doc if doc is not None else _doc_of(self.columns)
        if dataclass_options is not None:
            self.dataclass_options = dataclass_options
        #: value that an object shows while nothing has been set: a dataclass default
        self.unset_value: Any = None

    @property
    def expression(self) -> Any:
        """The column or expression that the attribute stands for."""
        return self.columns[0]

    def __clause_element__(self) -> Any:
        return self.columns[0]

    @property
    def is_expression(self) -> bool:
        """Whether the value is read only: an expression instead of a table column."""
        return not isinstance(self.columns[0], Column)

    @property
    def info(self) -> dict[Any, Any]:
        """The user's notes: the property's own, else those of its column."""
        own = self.__dict__.get("_info")
        if own is not None:
            return own  # type: ignore[no-any-return]
        theirs = getattr(self.columns[0], "info", None)
        if theirs is not None:
            return theirs  # type: ignore[no-any-return]
        return self.__dict__.setdefault("_info", {})  # type: ignore[no-any-return]

    @info.setter
    def info(self, value: Any) -> None:
        self.__dict__["_info"] = dict(value)

    def copy(self) -> ColumnProperty:
        """Return a property of the same columns and settings, without a mapper."""
        made = type(self)(
            *self.columns,
            group=self.group,
            deferred=self.deferred,
            raiseload=self.raiseload,
            comparator_factory=self.comparator_factory,
            active_history=self.active_history,
            expire_on_flush=self.expire_on_flush,
            doc=self.doc,
            instrument=self.instrument,
            strategy=self.strategy,
        )
        made.dataclass_options = self.dataclass_options
        made.unset_value = self.unset_value
        return made

    # -- declarative ---------------------------------------------------
    @property
    def columns_to_assign(self) -> list[tuple[Any, int]]:
        """The columns that have no table yet: they go into the table of the class."""
        order = 0
        if self._declared is not None:
            order = self._declared.columns_to_assign[0][1]
        return [(column, order) for column in self.columns if isinstance(column, Column) and column.table is None]

    def declarative_scan(self, context: ScanContext, key: str, annotation: MappedAnnotation | None) -> None:
        """Let a ``mapped_column()`` inside take the annotation's type; name the columns that have no name."""
        if self._declared is not None:
            self._declared.declarative_scan(context, key, annotation)
            self.columns[0] = self._declared.column
            if self.dataclass_options is MapperProperty.dataclass_options:
                self.dataclass_options = self._declared.dataclass_options
        elif annotation is not None and isinstance(self.columns[0], Column) and context.complete_column is not None:
            context.complete_column(self.columns[0], context, key, annotation)
        for column in self.columns:
            if isinstance(column, Column):
                _name_column(column, key)

    # -- life ----------------------------------------------------------
    def set_parent(self, parent: Mapper[Any], init: bool = False) -> None:
        """Take the mapper, and hand the attribute's name on to an expression."""
        super().set_parent(parent, init)
        core_schema.name_label(self.columns[0], self.key)

    def instrument_class(self, mapper: Mapper[Any]) -> None:
        """Put the attribute on the class of ``mapper``."""
        if not self.instrument:
            return
        instrument.register_attribute(
            mapper.class_,
            self.key,
            comparator=self.comparator_factory(self, mapper),
            parententity=mapper,
            doc=self.doc,
        )

    def do_init(self) -> None:
        """Check that the columns belong to the mapper, or that the expression can be labelled."""
        self.strategies.clear()

    def post_instrument_class(self, mapper: Mapper[Any]) -> None:
        """Give the attribute the implementation of a plain value, with a loader where it is deferred."""
        if not self.instrument:
            return
        column = self.columns[0]
        plain = self.strategy == "column"
        version = mapper.version_id_col
        instrument.register_impl(
            mapper.class_,
            self.key,
            "scalar",
            loader=None if plain else self._attribute_loader(mapper),
            active_history=self.active_history
            or (isinstance(column, Column) and column.primary_key)
            or (version is not None and version in self.columns),
            compare=_comparison(column.type),
            expire_missing=plain,
        )
        if self.unset_value is not None:
            _show_default(getattr(mapper.class_, self.key), self.unset_value)

    def _attribute_loader(self, mapper: Mapper[Any]) -> Any:
        if not strategies.factories:
            return strategies.hooks.column_loader(self, mapper)
        return strategies.strategy_for(self, self.strategy).attribute_loader()

    # -- work ----------------------------------------------------------
    def merge(
        self,
        session: Any,
        source_state: Any,
        source_dict: dict[str, Any],
        dest_state: Any,
        dest_dict: dict[str, Any],
        load: bool,
        recursive: dict[Any, Any],
        resolve_conflict_map: dict[Any, Any],
    ) -> None:
        """Copy the value if the source has it loaded; where it is only unloaded there, expire it here."""
        key = self.key
        if not self.instrument:
            return
        if key in source_dict:
            value = source_dict[key]
            impl = dest_state.get_impl(key)
            if load:
                impl.set(dest_state, dest_dict, value, None)
            else:
                impl.set_committed_value(dest_state, dest_dict, value)
        elif dest_state.has_identity and key not in dest_dict:
            dest_state.expire_attributes(dest_dict, [key], no_loader=True)


class MappedSQLExpression(ColumnProperty):
    """The column property that a class body declares by hand."""

    #: whether the constructor of a dataclass leaves it out
    is_read_only = False


def _is_declaration(column: Any) -> bool:
    return hasattr(column, "mapper_property_to_assign") and hasattr(column, "column")


def _as_column(column: Any) -> Any:
    """Make a column or a labelled expression of what stands in ``column_property()``."""
    if _is_declaration(column):
        return column.column
    expression: Any = core_sql.coercions.expect(core_sql.roles.LabeledColumnExprRole, column)
    if not isinstance(expression, ColumnElement):
        raise ArgumentError(f"column_property() takes a column or SQL expression, not {column!r}")
    return expression


def _doc_of(columns: list[Any]) -> str | None:
    return next((doc for column in reversed(columns) if (doc := getattr(column, "doc", None)) is not None), None)


def _strategy_name(deferred: bool, raiseload: bool) -> str:
    if not deferred:
        return "column"
    return "raise_deferred" if raiseload else "deferred"


def _comparison(type_: TypeEngine[Any]) -> Any:
    """Return the type's own comparison, ``None`` for the usual ``==``."""
    usual = type(type_).compare_values is TypeEngine.compare_values
    return None if usual else type_.compare_values


def _show_default(attribute: Any, value: Any) -> None:
    """Let an object that nothing was set on show its dataclass default."""

    def unset(target: Any, given: Any, dict_: dict[str, Any]) -> Any:
        return value if given is None else given

    event.listen(attribute, "init_scalar", unset, raw=True, retval=True)


def _name_column(column: Any, key: str) -> None:
    """Call a column that is in no table yet by its attribute's name."""
    if column.table is None:
        column.key = column.key or key
        column.name = column.name or key


def column_property(
    column: Any,
    *additional_columns: Any,
    group: str | None = None,
    deferred: bool = False,
    raiseload: bool = False,
    comparator_factory: Any = None,
    init: Any = NOT_GIVEN,
    repr: Any = NOT_GIVEN,
    default: Any = NOT_GIVEN,
    default_factory: Any = NOT_GIVEN,
    compare: Any = NOT_GIVEN,
    kw_only: Any = NOT_GIVEN,
    hash: Any = NOT_GIVEN,
    active_history: bool = False,
    expire_on_flush: bool = True,
    info: dict[Any, Any] | None = None,
    doc: str | None = None,
    dataclass_metadata: Any = NOT_GIVEN,
) -> MappedSQLExpression:
    """Map a SQL expression, or a column with settings of its own, as an attribute.

    :param column: a column, or an expression over columns of the class's tables such as
        ``first_name + " " + last_name`` or a scalar subquery; the SELECT of the object contains it.
    :param additional_columns: columns of other tables of the mapper that hold the same value.
    :param group: with ``deferred``, the group that is loaded together.
    :param deferred: load it when it is first read.
    :param raiseload: deferred, and reading it unloaded raises.
    :param comparator_factory: a subclass of :class:`ColumnProperty.Comparator`.
    :param active_history: load the old value before a change.
    :param expire_on_flush: expire an expression after a flush of its object, so that it is read anew.
    :param info: the user's notes.
    :param doc: the attribute's docstring.
    :return: the property, to be put into the class body or ``properties``.
    """
    options = DataclassOptions(init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata)
    writing = [name for name in ("init", "default", "default_factory", "kw_only") if name in options.given()]
    if writing:
        warn_deprecated(
            f"column_property() is read only in a dataclass, so that {', '.join(writing)} will have no place there; "
            f"use mapped_column() or deferred() for a column that the constructor sets",
            "2.1",
        )
    made = MappedSQLExpression(
        column,
        *additional_columns,
        group=group,
        deferred=deferred,
        raiseload=raiseload,
        comparator_factory=comparator_factory,
        active_history=active_history,
        expire_on_flush=expire_on_flush,
        info=info,
        doc=doc,
        dataclass_options=options,
    )
    made.is_read_only = True
    return made


def deferred(column: Any, *additional_columns: Any, raiseload: bool = False, **settings: Any) -> MappedSQLExpression:
    """Map a column that is loaded when it is first read, not with its row.

    :param column: the column or expression.
    :param raiseload: reading it unloaded raises instead of loading.
    :param settings: as for :func:`column_property`: ``group``, ``active_history``, ...
    """
    options = DataclassOptions(**{name: settings.pop(name) for name in _FIELD_SETTINGS if name in settings})
    made = MappedSQLExpression(
        column, *additional_columns, deferred=True, raiseload=raiseload, dataclass_options=options, **settings
    )
    made.is_read_only = made.is_expression
    return made


_FIELD_SETTINGS = ("init", "repr", "default", "default_factory", "compare", "kw_only", "hash", "dataclass_metadata")


def query_expression(
    default_expr: Any = None,
    *,
    repr: Any = NOT_GIVEN,
    compare: Any = NOT_GIVEN,
    expire_on_flush: bool = True,
    info: dict[Any, Any] | None = None,
    doc: str | None = None,
) -> MappedSQLExpression:
    """Map an attribute whose SQL each query gives with the option ``with_expression``.

    :param default_expr: the expression where a query gives none; NULL by default.
    """
    made = MappedSQLExpression(
        null() if default_expr is None else default_expr,
        expire_on_flush=expire_on_flush,
        info=info,
        doc=doc,
        strategy="expression",
        dataclass_options=DataclassOptions(init=False, repr=repr, compare=compare),
    )
    made.is_read_only = True
    return made
