"""Composites: an attribute whose value is an object of the user's, made of several columns."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, OrderByList, and_, event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.elements import BindParameter, ClauseList

from session.constants import NO_VALUE
from session.core import sql as core_sql
from session.core.schema import copy_item
from session.history import History
from session.instrument.base import instance_state
from session.instrument.comparator import PropComparator
from session.mapping.annotations import plain, without_none
from session.mapping.base import (
    NOT_GIVEN,
    DataclassOptions,
    MappedAnnotation,
    MapperProperty,
    ScanContext,
)
from session.mapping.bundle import Bundle
from session.mapping.mapped_column import MappedColumn
from session.mapping.proxied import ProxiedAttribute

if TYPE_CHECKING:
    from session.mapping.mapper import Mapper

__all__ = ["Composite", "CompositeProperty", "composite", "composite_key"]


class CompositeProperty(MapperProperty):
    """An attribute whose value is made of several column attributes.

    :param class_: makes the value of the columns' values, in order: a dataclass, or a class with
        ``__composite_values__()``, or any callable.
    :param attrs: the columns: ``mapped_column()``, ``Column``, attributes, or names of attributes.
    :param settings: ``deferred``, ``group``, ``raiseload``, ``active_history`` for the columns.
    """

    is_composite = True
    is_descriptor = True

    def __init__(
        self,
        class_: Any,
        *attrs: Any,
        return_none_on: Any = NOT_GIVEN,
        comparator_factory: Any = None,
        column_template: str | None = None,
        active_history: bool = False,
        deferred: bool = False,
        raiseload: bool = False,
        group: str | None = None,
        info: dict[Any, Any] | None = None,
        doc: str | None = None,
        dataclass_options: DataclassOptions | None = None,
    ) -> None:
        super().__init__()
        is_maker = class_ is None or isinstance(class_, type) or (callable(class_) and not _is_attribute(class_))
        self.composite_class: Any = class_ if is_maker else None
        self.attrs: tuple[Any, ...] = attrs if is_maker else (class_, *attrs)
        self.return_none_on = return_none_on
        self.comparator_factory = comparator_factory or type(self).Comparator
        self.column_template = column_template
        self.active_history = active_history
        self.deferred, self.raiseload, self.group = deferred, raiseload, group
        self.doc = doc
        self.attribute_props: tuple[Any, ...] = ()
        self.keys: tuple[str, ...] = ()
        if info is not None:
            self.info = info
        if dataclass_options is not None:
            self.dataclass_options = dataclass_options

    @property
    def props(self) -> tuple[Any, ...]:
        """The column properties that the value is made of."""
        return self.attribute_props

    @property
    def columns(self) -> list[Any]:
        """The columns that the value is made of."""
        return [one.column if isinstance(one, MappedColumn) else one for one in self.attrs if not isinstance(one, str)]

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """The attributes that have to be there, by their names on the class that declares the composite."""
        key_of = self.parent.prop_of_column
        names = [one.column if isinstance(one, MappedColumn) else one for one in self.attrs]
        return tuple(one if isinstance(one, str) else key_of[one].key if one in key_of else one.key for one in names)

    def copy(self, names: dict[int, str]) -> CompositeProperty:
        """Return the same composite for another class, with columns of its own.

        :param names: names of columns that are attributes by themselves, by the number of the object.
        """
        made = copy.copy(self)
        made.attrs = tuple(names.get(id(one)) or _copied(one) for one in self.attrs)
        return made

    def on_its_own(self) -> CompositeProperty:
        """Return a composite of the attributes of these names of another class, which maps them by itself."""
        return type(self)(
            self.composite_class,
            *self.attribute_names,
            return_none_on=self.return_none_on,
            comparator_factory=self.comparator_factory,
            active_history=self.active_history,
            info=self.__dict__.get("_info"),
            doc=self.doc,
        )

    # -- declarative -----------------------------------------------------
    def declarative_scan(self, context: ScanContext, key: str, annotation: MappedAnnotation | None) -> None:
        """Take the class from the annotation; take columns that are not given from the class's fields."""
        if annotation is not None:
            if self.composite_class is None:
                self.composite_class = plain(without_none(plain(annotation.argument)))
            if self.return_none_on is NOT_GIVEN and annotation.optional:
                self.return_none_on = _all_none
        if self.composite_class is None:
            raise ArgumentError(
                f"The composite {context.cls.__name__}.{key} has no class; give it one, or annotate it Mapped[Class]"
            )
        fields = _fields_of(self.composite_class)
        if dataclasses.is_dataclass(self.composite_class) and len(self.attrs) > len(fields):
            raise ArgumentError(
                f"The composite {context.cls.__name__}.{key} names {len(self.attrs)} columns; the dataclass "
                f"{self.composite_class} has {len(fields)} field(s) for them"
            )
        if not self.attrs:
            if not fields:
                raise ArgumentError(
                    f"The composite {context.cls.__name__}.{key} names no columns, and they cannot be read from "
                    f"{self.composite_class!r}, which is no dataclass"
                )
        if not self.attrs or dataclasses.is_dataclass(self.composite_class):
            missing = fields[len(self.attrs) :]
            self.attrs += tuple(MappedColumn(Column(), DataclassOptions()) for _ in missing)
        attribute: Any
        for attribute, (name, type_) in zip(self.attrs, _padded(fields, len(self.attrs)), strict=False):
            if not isinstance(attribute, MappedColumn):
                if isinstance(attribute, Column):
                    _name_if_unnamed(attribute, name)
                continue
            given: str | None = attribute.column.name
            named = given or name
            if self.column_template and given is None and name is not None:
                named = self.column_template % name
            if named is None:
                raise ArgumentError(
                    f"A column of the composite {context.cls.__name__}.{key} has no name; give it one, as in "
                    f"mapped_column('{key}_x')"
                )
            part = None
            if type_ is not None:
                part = MappedAnnotation(type_, annotation.container if annotation else None, type_, _optional(type_))
            attribute.declarative_scan(context, named, part)

    @property
    def columns_to_assign(self) -> list[tuple[Any, int]]:
        """The columns that go into the class's table."""
        result: list[tuple[Any, int]] = []
        for one in self.attrs:
            if isinstance(one, MappedColumn):
                result += one.columns_to_assign
            elif isinstance(one, Column) and getattr(one, "table", None) is None:
                result.append((one, 0))
        return result

    # -- life --------------------------------------------------------------
    def instrument_class(self, mapper: Mapper[Any]) -> None:
        """Put the attribute on the class of ``mapper``."""
        attribute = ProxiedAttribute(
            mapper.class_, self.key, mapper, self._comparator, _CompositeValue(self), self, doc=self.doc
        )
        mapper.class_manager.put(self.key, attribute)

    def _comparator(self, entity: Any) -> Any:
        alias = entity if entity.is_aliased_class else None
        return self.comparator_factory(self, entity.mapper, alias)

    def do_init(self) -> None:
        """Find the column properties, and keep the value in step with them."""
        found = []
        for one in self.attrs:
            if isinstance(one, str):
                named: Any = self.parent.get_property(one, _configure_mappers=False)
            elif isinstance(one, MappedColumn):
                named = self.parent.get_property_by_column(one.column)
            elif isinstance(one, Column):
                named = self.parent.get_property_by_column(one)
            elif _is_attribute(one):
                named = one.property
            else:
                raise ArgumentError(f"The composite {self} is made of columns and attributes, not of {one!r}")
            found.append(named)
        self.attribute_props = tuple(found)
        self.keys = tuple(each.key for each in found)
        for each in found:
            prop: Any = each
            if self.active_history:
                prop.active_history = True
            if self.deferred:
                prop.deferred, prop.raiseload, prop.group = True, self.raiseload, self.group
                prop.strategy = "raise_deferred" if self.raiseload else "deferred"
                for mapper in self.parent.self_and_descendants:
                    if mapper.configured:
                        prop.post_instrument_class(mapper)

    def post_instrument_class(self, mapper: Mapper[Any]) -> None:
        """Forget the value whenever its columns are loaded anew or expired, or have been written."""
        key, keys = self.key, frozenset(self.keys)

        def on_expire(state: Any, names: Any) -> None:
            if names is None or keys.intersection(names):
                state.dict.pop(key, None)

        def on_refresh(state: Any, context: Any, names: Any) -> None:
            if not names or keys.intersection(names):
                self.renew(state)

        def on_load(state: Any, context: Any) -> None:
            self.renew(state)

        def on_written(mapper: Any, connection: Any, state: Any) -> None:
            state.dict.pop(key, None)

        manager = mapper.class_manager
        for name, listener in (
            ("expire", on_expire),
            ("load", on_load),
            ("refresh", on_refresh),
            ("refresh_flush", on_refresh),
        ):
            event.listen(manager, name, listener, raw=True)
        for name in ("after_insert", "after_update"):
            event.listen(mapper, name, on_written, raw=True)

    def renew(self, state: Any) -> None:
        """Make the value anew where all its columns are loaded, else forget it."""
        dict_ = state.dict
        if all(name in dict_ for name in self.keys):
            dict_[self.key] = self.make([dict_[name] for name in self.keys])
        else:
            dict_.pop(self.key, None)

    # -- values ----------------------------------------------------------------
    def values_of(self, value: Any) -> tuple[Any, ...]:
        """Return the column values of a composite value."""
        if value is None:
            return (None,) * len(self.keys)
        given = getattr(value, "__composite_values__", None)
        if given is not None:
            return tuple(given())
        if dataclasses.is_dataclass(value):
            return tuple(getattr(value, one.name) for one in dataclasses.fields(value))
        raise ArgumentError(
            f"The value {value!r} of {self} does not tell its columns' values; make its class a dataclass, or give it "
            f"__composite_values__()"
        )

    def make(self, values: typing.Sequence[Any]) -> Any:
        """Make the composite value of column values."""
        without = self.return_none_on
        if without is not NOT_GIVEN and without is not None and without(*values):
            return None
        return self.composite_class(*values)

    def value_of(self, instance: Any) -> Any:
        """Return the value on an object, which keeps it; columns that are not loaded are loaded."""
        dict_ = instance.__dict__
        key = self.key
        if key in dict_:
            return dict_[key]
        parts = [getattr(instance, name) for name in self.keys]
        if key in dict_:  # made while the columns were loaded
            return dict_[key]
        value = self.make(parts)
        if value is not None:
            dict_[key] = value
            state = instance_state(instance)
            for listener in state.manager.dispatch.refresh:
                listener(state, None, (key,))
        return value

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int) -> History:
        """Return added and deleted values of the whole, from the histories of the columns."""
        if self.key not in dict_ and state.has_identity:
            self.value_of(state())
        added, deleted = [], []
        changed = False
        for key in self.keys:
            history = state.manager[key].impl.get_history(state, dict_, passive)
            changed = changed or bool(history.added or history.deleted)
            now = history.added or history.unchanged or (None,)
            before = history.deleted or history.unchanged or (None,)
            added.append(now[0])
            deleted.append(before[0])
        if not changed:
            return History((), [self.make(added)], ())
        return History([self.make(added)], (), [self.make(deleted)])

    class CompositeBundle(Bundle):
        """The columns of a composite in a SELECT, which come out as its value."""

        def __init__(self, property_: CompositeProperty, exprs: typing.Sequence[Any]) -> None:
            super().__init__(property_.key, *exprs)
            self.property = property_

        def create_row_processor(
            self, query: Any, procs: typing.Sequence[Callable[[Any], Any]], labels: typing.Sequence[str | None]
        ) -> Callable[[Any], Any]:
            """Make the composite value of each row."""

            def value_of(row: Any) -> Any:
                return self.property.make([proc(row) for proc in procs])

            return value_of

    class Comparator(PropComparator):
        """SQL of a composite: its columns together; comparisons go column by column."""

        __slots__ = ("_element",)
        _element: Any

        @property
        def expressions(self) -> list[Any]:
            """The columns as SQL, for this entity."""
            entity = self._parententity.entity
            self.prop.parent.ensure_configured()
            return [getattr(entity, key) for key in self.prop.keys]

        @property
        def clauses(self) -> Any:
            """The columns as a list of SQL expressions."""
            return ClauseList(*self.expressions, group=False)

        def label(self, name: str) -> Any:
            """Give the columns under another name."""
            return self._bundle().label(name)

        def _bundle(self) -> Any:
            self._parententity.mapper.ensure_configured()
            return self.prop.CompositeBundle(self.prop, self.expressions)

        def __clause_element__(self) -> Any:
            try:
                return self._element
            except AttributeError:
                pass
            element = (
                self._bundle()
                .__clause_element__()
                ._annotate(
                    {
                        "parententity": self._parententity,
                        "parentmapper": self._parententity.mapper,
                        "proxy_key": self.prop.key,
                    }
                )
            )
            self._element = core_sql.propagate(element, self._parententity)
            return self._element

        def compare_columns(self, op: Any, other: Any) -> list[Any]:
            """Compare column by column with a value, or with another composite attribute."""
            mine = self.expressions
            theirs = getattr(getattr(other, "comparator", other), "expressions", None)
            values = self.prop.values_of(other) if theirs is None else theirs
            return [op(column, value) for column, value in zip(mine, values, strict=True)]

        def _bulk_update_tuples(self, value: Any) -> list[tuple[Any, Any]]:
            """Give the columns that a value is written to by INSERT and UPDATE, each with its part."""
            if isinstance(value, BindParameter):
                value = value.effective_value
            return list(zip(self.expressions, self.prop.values_of(value), strict=True))

        def _bulk_dml_setter(self, key: str) -> Callable[[dict[str, Any]], None]:
            """Give the function that puts the parts of the value into a row by attribute name."""

            def write(row: dict[str, Any]) -> None:
                row.update(zip(self.prop.keys, self.prop.values_of(row[key]), strict=True))

            return write

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            if len(other) == 1 and op in _COMPARISONS:
                parts = self.compare_columns(op, other[0])
                return and_(*parts)
            if not other and op in _ORDERINGS:
                return OrderByList([op(column) for column in self.expressions])
            raise NotImplementedError(
                f"{self.prop} is a composite, on which there is no operator {getattr(op, '__name__', op)!r}; write "
                f"it on its columns: {', '.join(map(repr, self.prop.keys))}"
            )

        def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
            return self.operate(op, other, **kwargs)


#: The name under which a class body declares one.
Composite = CompositeProperty

_COMPARISONS = (
    core_sql.operators.eq,
    core_sql.operators.ne,
    core_sql.operators.lt,
    core_sql.operators.le,
    core_sql.operators.gt,
    core_sql.operators.ge,
)

_ORDERINGS = (
    core_sql.operators.asc_op,
    core_sql.operators.desc_op,
    core_sql.operators.nulls_first_op,
    core_sql.operators.nulls_last_op,
)


class _CompositeValue:
    """The value of a composite on an object, kept in its dictionary once made."""

    def __init__(self, prop: CompositeProperty) -> None:
        self.prop = prop

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self.prop.value_of(instance)

    def __set__(self, instance: Any, value: Any) -> None:
        state = instance_state(instance)
        dict_ = instance.__dict__
        attribute = state.manager[self.prop.key]
        previous = dict_.get(self.prop.key, NO_VALUE)
        for listener in attribute.dispatch.set:
            value = listener(state, value, previous, attribute.impl)
        for name, part in zip(self.prop.keys, self.prop.values_of(value), strict=True):
            setattr(instance, name, part)
        dict_[self.prop.key] = value

    def __delete__(self, instance: Any) -> None:
        state = instance_state(instance)
        dict_ = instance.__dict__
        previous = dict_.pop(self.prop.key, NO_VALUE)
        attribute = state.manager[self.prop.key]
        for listener in attribute.dispatch.remove:
            listener(state, previous, attribute.impl)
        for name in self.prop.keys:
            setattr(instance, name, None)


def _copied(attribute: Any) -> Any:
    if isinstance(attribute, MappedColumn):
        return attribute.copy()
    loose = isinstance(attribute, Column) and getattr(attribute, "table", None) is None
    return copy_item(attribute) if loose else attribute


def composite_key(mapper: Any, ident: Any) -> tuple[Any, ...] | None:
    """Return the values of a primary key that is given as a composite value; ``None`` if it is none."""
    given = getattr(ident, "__composite_values__", None)
    if given is not None:
        return tuple(given())
    if isinstance(ident, type) or not dataclasses.is_dataclass(ident):
        return None
    if not mapper.composite_key and not any(prop.composite_class is type(ident) for prop in mapper.composites):
        return None  # a value of the column's type
    return tuple(getattr(ident, one.name) for one in dataclasses.fields(ident))


def _name_if_unnamed(column: Any, name: str | None) -> None:
    if column.name is None:
        column.name = column.key = name


def _all_none(*values: Any) -> bool:
    return all(value is None for value in values)


def _is_attribute(value: Any) -> bool:
    return isinstance(value, (Column, MappedColumn, str)) or bool(getattr(value, "is_attribute", False))


def _optional(type_: Any) -> bool:
    return type(None) in typing.get_args(type_)


def _padded(fields: list[tuple[str, Any]], length: int) -> list[tuple[str | None, Any]]:
    return [*fields, *[(None, None)] * (length - len(fields))]


def _fields_of(class_: Any) -> list[tuple[str, Any]]:
    """Return names and types of what the composite class is made of, as far as it tells."""
    if dataclasses.is_dataclass(class_):
        hints = _hints(class_)
        return [(one.name, hints.get(one.name, one.type)) for one in dataclasses.fields(class_) if one.init]
    try:
        parameters = list(inspect.signature(class_).parameters.values())
    except (TypeError, ValueError):
        return []
    hints = _hints(getattr(class_, "__init__", class_) if isinstance(class_, type) else class_)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [(one.name, hints.get(one.name)) for one in parameters if one.kind in kinds and one.name in hints]


def _hints(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError:
        return {}


def composite(
    class_or_attr: Any = None,
    /,
    *attrs: Any,
    group: str | None = None,
    deferred: bool = False,
    raiseload: bool = False,
    return_none_on: Any = NOT_GIVEN,
    comparator_factory: Any = None,
    active_history: bool = False,
    column_template: str | None = None,
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
    **keywords: Any,
) -> CompositeProperty:
    """Map several columns as one value.

    ::

        @dataclass
        class Point:
            x: int
            y: int

        class Vertex(Base):
            ...
            start: Mapped[Point] = composite(mapped_column("x1"), mapped_column("y1"))

    :param class_or_attr: the value's class; may be left to the annotation.
    :param attrs: its columns: ``mapped_column()``, ``Column``, attributes or their names; left out, those of
        the dataclass's fields.
    :param return_none_on: a function of the column values that tells when the value is ``None``; by default
        when all are ``None`` and the annotation allows it.
    :param column_template: makes the column names of the fields' names, as in ``"start_%s"``.
    :param active_history: load the old value before a change.
    :return: the property.
    """
    return CompositeProperty(
        class_or_attr,
        *attrs,
        return_none_on=return_none_on,
        comparator_factory=comparator_factory,
        column_template=column_template,
        active_history=active_history,
        deferred=deferred,
        raiseload=raiseload,
        group=group,
        info=info,
        doc=doc,
        dataclass_options=DataclassOptions(
            init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata
        ),
    )
