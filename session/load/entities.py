"""What a SELECT asks for: each element of its columns clause as a part of the result row.

In: the raw elements of ``select(...)``.  Out: parts, each of which adds its columns to the statement
that is being built, and later turns a chunk of raw rows into a list of values.  An
:class:`EntityPart` gives objects, a :class:`ColumnPart` a value, a :class:`BundlePart` what its
bundle makes of several.  Next on the way: ``load/compile.py`` (statement), ``load/execute.py`` (rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy.sql.elements import TextClause

from session.core import selects
from session.core.sql import annotate_for
from session.load.entity import entity_loader
from session.mapping.aliased import entity_adapter

__all__ = [
    "BundlePart",
    "ColumnPart",
    "EntityPart",
    "describe_columns",
    "entities_in",
    "entity_columns",
    "entity_in",
    "entity_of",
    "have_objects",
    "name_parts",
    "parts_of",
]

Rows = Sequence[Sequence[Any]]


def entity_of(element: Any) -> Any:
    """Give the mapper or aliased entity that an element was read from, ``None`` for plain SQL."""
    found = selects.notes_of(element).get("parententity")
    if found is not None:
        found.mapper.ensure_configured()
    return found


def entity_in(element: Any) -> Any:
    """Give the first entity that is mentioned in an expression, outside of its subqueries."""
    for each in selects.surface_expressions(element):
        found = entity_of(each)
        if found is not None:
            return found
    return None


def entities_in(expressions: Sequence[Any]) -> Iterator[Any]:
    """Yield the entities whose columns are mentioned in expressions, outside of their subqueries."""
    for expression in expressions:
        for each in selects.surface_expressions(expression):
            if selects.is_column(each):
                entity = entity_of(each)
                if entity is not None:
                    yield entity


class EntityPart:
    """A mapped class or alias: objects.

    :param element: the annotated selectable.
    """

    single = True

    def __init__(self, element: Any) -> None:
        self.element = element
        self.entity: Any = entity_of(element)
        self.mapper: Any = self.entity.mapper
        self.selectable: Any = self.entity.selectable
        self.loader: Any = None

    @property
    def name(self) -> str | None:
        """The name in the row: that of the class, or of the alias if it has one."""
        entity = self.entity
        if entity.is_aliased_class:
            given: str | None = entity.name
            return given
        return str(self.mapper.class_.__name__)

    @property
    def expr(self) -> Any:
        """The class or alias, as the user wrote it."""
        return self.entity.entity

    @property
    def lookups(self) -> tuple[Any, ...]:
        """Further keys of the value in ``row._mapping``."""
        entity = self.entity
        return (entity.entity,)

    @property
    def lasting(self) -> bool:
        """Whether the lookups are the same for all statements of this shape."""
        return not self.entity.is_aliased_class

    @property
    def froms(self) -> list[Any]:
        return [self.selectable]

    def setup(self, builder: Any) -> None:
        """Add the columns of the class, and whatever its options want, to the statement."""
        self.loader = entity_loader(builder, self.entity)

    def expand(self) -> list[Any]:
        """List the columns that the entity stands for in a subquery."""
        return entity_columns(self.entity)

    def bind(self, processors: Sequence[Any]) -> None:
        self.loader.bind(processors)

    def load(self, context: Any, rows: Rows) -> list[Any]:
        return self.loader.load(context, rows)  # type: ignore[no-any-return]

    def unique_key(self) -> Callable[[Any], Any] | None:
        return id

    def describe(self, name: str | None) -> dict[str, Any]:
        """Give the entry of ``column_descriptions``."""
        return {
            "name": self.name,
            "type": self.mapper.class_,
            "aliased": self.entity.is_aliased_class,
            "expr": self.expr,
            "entity": self.expr,
        }


class ColumnPart:
    """A column or SQL expression: its value.

    :param element: the expression.
    """

    single = False

    def __init__(self, element: Any) -> None:
        self.element = element
        self.entity: Any = None if isinstance(element, TextClause) else entity_in(element)
        self.position = -1
        self.process: Callable[[Any], Any] | None = None
        self.name: str | None = None

    @property
    def direct(self) -> bool:
        """Whether the expression is an attribute of an entity itself, and not merely made of some."""
        return entity_of(self.element) is not None

    @property
    def lasting(self) -> bool:
        return self.direct and not self.entity.is_aliased_class

    @property
    def expr(self) -> Any:
        notes = selects.notes_of(self.element)
        entity, key = notes.get("parententity") or notes.get("proxy_owner"), notes.get("proxy_key")
        if entity is not None and key is not None:
            return getattr(entity.entity, key, self.element)
        return self.element

    @property
    def lookups(self) -> tuple[Any, ...]:
        element = self.element
        if isinstance(element, TextClause):
            return ()
        expr = self.expr
        return (element,) if expr is element else (expr, element)

    @property
    def froms(self) -> list[Any]:
        return selects.from_objects(self.element)

    def setup(self, builder: Any) -> None:
        self.position = builder.add_value(builder.adapted(self.element))

    def expand(self) -> list[Any]:
        return [self.element]

    def bind(self, processors: Sequence[Any]) -> None:
        self.process = processors[self.position]

    def load(self, context: Any, rows: Rows) -> list[Any]:
        position, process = self.position, self.process
        if process is None:
            return [row[position] for row in rows]
        return [process(row[position]) for row in rows]

    def unique_key(self) -> Callable[[Any], Any] | None:
        type_ = getattr(self.element, "type", None)
        if type_ is None or getattr(type_, "hashable", True):
            return None
        return id

    def describe(self, name: str | None) -> dict[str, Any]:
        entity = self.entity
        return {
            "name": name,
            "type": getattr(self.element, "type", None),
            "aliased": entity is not None and entity.is_aliased_class,
            "expr": self.expr,
            "entity": None if entity is None else entity.entity,
        }


class BundlePart:
    """A bundle or composite: what it makes of its columns.

    :param element: the annotated list of columns.
    """

    lasting = False

    def __init__(self, element: Any) -> None:
        self.element = element
        self.bundle: Any = selects.notes_of(element)["bundle"]
        self.entity: Any = entity_in(element)
        self.parts: list[Any] = [_part(each) for each in element.clauses]
        self.make: Callable[[Any], Any] | None = None
        self.statement: Any = None

    @property
    def single(self) -> bool:
        return bool(self.bundle.single_entity)

    @property
    def name(self) -> str | None:
        found: str | None = selects.notes_of(self.element).get("proxy_key") or self.bundle.name
        return found

    @property
    def expr(self) -> Any:
        return self.bundle

    @property
    def lookups(self) -> tuple[Any, ...]:
        notes = selects.notes_of(self.element)
        entity, key = notes.get("parententity"), notes.get("proxy_key")
        attribute = getattr(entity.entity, key, None) if entity is not None and key else None
        return (self.bundle,) if attribute is None else (self.bundle, attribute)

    @property
    def froms(self) -> list[Any]:
        return [each for part in self.parts for each in part.froms]

    def setup(self, builder: Any) -> None:
        self.statement = builder.statement
        for part in self.parts:
            part.setup(builder)

    def expand(self) -> list[Any]:
        return [each for part in self.parts for each in part.expand()]

    def bind(self, processors: Sequence[Any]) -> None:
        for part in self.parts:
            part.bind(processors)
        labels = [_label(part) for part in self.parts]
        takers = [_taker(number) for number in range(len(self.parts))]
        self.make = self.bundle.create_row_processor(self.statement, takers, labels)

    def load(self, context: Any, rows: Rows) -> list[Any]:
        make = self.make
        assert make is not None
        columns = [part.load(context, rows) for part in self.parts]
        return [make(values) for values in zip(*columns, strict=True)] if columns else [make(()) for _ in rows]

    def unique_key(self) -> Callable[[Any], Any] | None:
        return None

    def describe(self, name: str | None) -> dict[str, Any]:
        entity = self.entity
        return {
            "name": self.name,
            "type": type(self.bundle),
            "aliased": entity is not None and entity.is_aliased_class,
            "expr": self.bundle,
            "entity": None if entity is None else entity.entity,
        }


def _taker(number: int) -> Callable[[Any], Any]:
    def take(values: Any) -> Any:
        return values[number]

    return take


def _label(part: Any) -> str | None:
    return selects.proxy_name(part.element) if isinstance(part, ColumnPart) else part.name


def _part(element: Any) -> Any:
    notes = selects.notes_of(element)
    if "bundle" in notes:
        return BundlePart(element)
    if selects.is_from(element) and "parententity" in notes:
        return EntityPart(element)
    return ColumnPart(element)


def parts_of(elements: Sequence[Any]) -> list[Any]:
    """Give the parts of a columns clause; a plain table, or a list of columns, stands for its columns.

    :param elements: the elements as Core has coerced them.
    """
    parts: list[Any] = []
    for element in elements:
        part = _part(element)
        if isinstance(part, ColumnPart):
            parts.extend(ColumnPart(each) for each in selects.selected(element))
        else:
            parts.append(part)
    return parts


def have_objects(parts: Sequence[Any]) -> bool:
    """Tell whether there are objects of the Session among the values of some parts."""
    return any(isinstance(part, EntityPart) or have_objects(getattr(part, "parts", ())) for part in parts)


def entity_columns(entity: Any) -> list[Any]:
    """List all columns of an entity, as ``select(entity).subquery()`` gives them.

    :param entity: a mapper or an aliased entity.
    """
    found: dict[Any, Any] = {}
    mappers = getattr(entity, "with_polymorphic_mappers", None) or (entity.mapper,)
    adapt = entity_adapter(entity)
    for mapper in (entity.mapper, *mappers):
        for prop in mapper.column_props:
            for column in prop.columns:
                if column not in found and (selects.is_column(column) or not _left_out(prop)):
                    element = column if adapt is None else adapt(column)
                    found[column] = element if selects.is_column(column) else annotate_for(entity, element, prop.key)
    return list(found.values())


def _left_out(prop: Any) -> bool:
    """Tell whether an SQL expression of a mapping is only selected when it is asked for."""
    return bool(prop.deferred) or selects.is_null(prop.columns[0])


def describe_columns(columns: Sequence[Any], label_style: Any) -> list[dict[str, Any]]:
    """Describe the parts of a columns clause.

    :param columns: its raw elements.
    :param label_style: makes the names.
    :return: a dictionary per part: ``name``, ``type``, ``aliased``, ``expr``, ``entity``.
    """
    return [part.describe(name) for part, name in name_parts(parts_of(columns), label_style)]


def name_parts(parts: Sequence[Any], label_style: Any) -> list[tuple[Any, str | None]]:
    """Name the parts of a row."""
    convention = selects.naming_convention(label_style)
    named: list[tuple[Any, str | None]] = []
    for part in parts:
        if isinstance(part, ColumnPart):
            named.append((part, convention(part.element)))
        else:
            named.append((part, part.name))
    return named
