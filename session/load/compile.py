"""A SELECT of mapped classes becomes a plain Core SELECT.

In: a statement as the user built it.  Out: an equal plain statement, and the parts that know at which
positions of a row their values stand.  The same translation serves the statement that is executed
(columns as its loaders want them, eager joins) and those inside of others (subqueries, EXISTS, CTEs,
set operations), which keep all their columns.  Next on the way: ``load/execute.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import and_, or_, true
from sqlalchemy.exc import InvalidRequestError

from session.core import selects
from session.core.limiting import criterion_of, spared, with_more_options
from session.load.eager import EagerJoins
from session.load.entities import EntityPart, entities_in, entity_of, parts_of
from session.load.joins import JoinList
from session.load.loader_option import OwnClass
from session.load.option_tree import resolve_options

__all__ = ["ColumnList", "SelectBuilder", "criteria_options", "translate"]


class ColumnList:
    """The columns of a row while a statement is being put together; what loaders add theirs to.

    :param statement: the statement that is translated.
    :param options: its loader options.
    """

    toplevel = True
    is_refresh = False
    makes_columns = True
    """Whether the statement selects what is asked for; otherwise its rows are there already."""
    takes_expressions = True
    """Whether it can select SQL expressions that classes map; otherwise these are loaded when they are read."""

    def __init__(self, statement: Any, options: Sequence[Any]) -> None:
        self.statement = statement
        self.given_options = tuple(options)
        self.options: Any = None
        self.columns: list[Any] = []
        self.positions: dict[Any, int] = {}
        self.post_loads: list[Any] = []
        self.parts: list[Any] = []
        self.needs_unique = False
        self.multi_row = False
        self.primary_entity: Any = None

    def add_column(self, expr: Any) -> int | None:
        """Make an expression a column of the row.

        :return: its position; the same for an expression that is there already.
        """
        position = self.positions.get(expr)
        if position is None:
            position = self.positions[expr] = len(self.columns)
            self.columns.append(expr)
        return position

    def add_value(self, expr: Any) -> int | None:
        """Make an expression that the columns clause itself names a column of the row; see :meth:`add_column`."""
        return self.add_column(expr)

    def adapted(self, expression: Any) -> Any:
        """Express an expression by what the rows are read from."""
        return expression

    def add_post_load(self, post_load: Any) -> None:
        """Note a load that follows the rows."""
        self.post_loads.append(post_load)

    def setup_parts(self, entities: Iterable[Any] = ()) -> None:
        """Let every part add its columns, by the options of the statement.

        :param entities: entities beside those of the parts that options may be for: these say nothing then.
        """
        known = [part.entity for part in self.parts if isinstance(part, EntityPart)]
        known.extend(entities)
        self.options = resolve_options(self.given_options, known)
        for part in self.parts:
            if isinstance(part, EntityPart):
                self.primary_entity = part.entity
                break
        for part in self.parts:
            part.setup(self)


class SelectBuilder(ColumnList):
    """Translates one ``Select``.

    :param statement: the statement, with entities, joins and options in it.
    :param toplevel: it is executed itself, so that its columns are those its loaders need; otherwise it
        is part of another statement.
    :param outer: FROM elements of the statements around it, which it may correlate to.
    :param each_column: its rows are read by somebody else, who counts on a column for each expression of the
        columns clause, also for one that is there twice.
    """

    def __init__(
        self,
        statement: Any,
        *,
        toplevel: bool = True,
        outer: frozenset[Any] = frozenset(),
        each_column: bool = False,
    ) -> None:
        super().__init__(statement, selects.options_of(statement))
        self.toplevel = toplevel
        self.outer = outer
        self.each_column = each_column
        self.criteria = criteria_options(self.given_options)
        #: the class of an object that is there already: conditions choose objects, and do not part with this one's row
        self.loaded_again: Any = None
        if self.criteria:
            statement = self.statement = with_more_options(statement, self.criteria)
        self.parts_read = selects.read(statement)
        self.joined_entities: list[Any] = []
        self.adapters: dict[Any, Any] = {}
        self.eager = EagerJoins(self)

    # -- for loaders ---------------------------------------------------------------------------

    def eager_join(
        self,
        left_entity: Any,
        prop: Any,
        target: Any,
        *,
        innerjoin: bool | str = False,
        extra_criteria: Sequence[Any] = (),
    ) -> None:
        """Join a relationship for eager loading.

        :param left_entity: the entity that has the relationship; one of the statement's, or the target of
            an earlier eager join.
        :param prop: the relationship.
        :param target: the anonymous alias of its target.
        :param innerjoin: ``True`` for an inner join, nested where it follows an outer join; ``"unnested"``
            to make it an outer join in that case.
        :param extra_criteria: further conditions of the ON clause.
        """
        self.eager.add(left_entity, prop, target, innerjoin, tuple(extra_criteria))
        if prop.uselist:
            self.multi_row = True
            self.needs_unique = True

    def criteria_of(self, entity: Any, with_single: bool = True) -> list[Any]:
        """List what every appearance of an entity in this statement is limited by.

        These are the discriminator of a class in single-table inheritance, and ``with_loader_criteria()``.

        :param with_single: the discriminator is not seen to elsewhere.
        """
        found = []
        single = entity.mapper.single_criterion() if with_single else None
        if single is not None:
            found.append(entity.adapt(single) if entity.is_aliased_class else single)
        if entity is not self.loaded_again:
            options = self.criteria
            criteria = [criterion_of(option, entity, options) for option in options if option.applies_to(entity)]
            adapters = adapters_of(entity) if criteria else None
            found.extend(selects.adapt_entities(each, adapters) if adapters else each for each in criteria)
        return found

    def add_value(self, expr: Any) -> int | None:
        if not self.each_column:
            return self.add_column(expr)
        self.columns.append(expr)
        return len(self.columns) - 1

    # -- translation -----------------------------------------------------------------------------

    def build(self) -> Any:
        """Give the plain statement."""
        read = self.parts_read
        joins = JoinList(self, list(dict.fromkeys(map(_from_clause, read.froms))))
        replaced: list[Any] = []
        for columns, requests in read.earlier:
            earlier = parts_of(columns)
            replaced.extend(part.entity for part in earlier if isinstance(part, EntityPart))
            for request in requests:
                joins.add(request, earlier)
        self.parts = parts_of(read.columns)
        if any(isinstance(option, OwnClass) for option in self.given_options):
            self.loaded_again = self.parts[0].entity
        for request in read.joins:
            joins.add(request, self.parts)
        froms = joins.froms
        self.find_adapters()
        if self.toplevel:
            self.setup_parts(replaced)
        else:
            self.columns = [self.adapted(column) for part in self.parts for column in part.expand()]
        if not self.columns:
            raise InvalidRequestError(
                "The SELECT has no columns: load at least one attribute, and leave its primary key loaded"
            )
        if self.criteria:
            self.columns = [with_more_options(each, self.criteria) for each in self.columns]
        where = tuple(self.adapted(each) for each in (*read.where, *self.where_criteria()))
        plain_parts: dict[str, Any] = {
            "columns": self.columns,
            "froms": tuple(self.with_inherited_tables(froms)),
            "where": where,
        }
        if read.correlate:
            plain_parts["correlate"] = _flatten(read.correlate)
        if read.correlate_except:
            plain_parts["correlate_except"] = _flatten(read.correlate_except)
        if self.adapters:
            for name in ("order_by", "group_by", "having", "distinct_on"):
                plain_parts[name] = tuple(self.adapted(each) for each in getattr(read, name))
        if self.eager.roots:
            made = self.eager.compose(plain_parts)
        else:
            made = selects.rebuild(self.statement, **plain_parts)
        # kept for the SELECTs inside of aliased subqueries, which are translated when they are compiled
        kept = (*self.criteria, *spared(self.given_options))
        return made.options(*kept) if kept else made

    def find_adapters(self) -> None:
        """Find the entities that are read from a selectable which was given for their whole hierarchy."""
        entities = [part.entity for part in self.parts if part.entity is not None]
        for entity in (*entities, *self.joined_entities, *self.selected_from()):
            for place, adapter in adapters_of(entity).items():
                self.adapters.setdefault(place, adapter)

    def adapted(self, expression: Any) -> Any:
        """Express an expression by what the statement selects from."""
        return selects.adapt_entities(expression, self.adapters) if self.adapters else expression

    def selected_from(self) -> list[Any]:
        """List the entities that ``select_from()`` names."""
        found = []
        for clause in self.parts_read.froms:
            for each in selects.surface(clause):
                entity = entity_of(each)
                if entity is not None:
                    found.append(entity)
        return found

    def where_criteria(self) -> list[Any]:
        """List the criteria of all entities that are not joined: those have theirs in the ON clause.

        The parts of one ``with_polymorphic()`` are one entity: rows of all the classes that are mentioned.
        """
        entities = [part.entity for part in self.parts if part.entity is not None]
        entities.extend(entity for part in self.parts for entity in part_entities(part))
        entities.extend(self.leading_entities())
        entities.extend(entity for entity in entities_in(self.parts_read.where) if entity.selectable not in self.outer)
        joined = {id(entity) for entity in self.joined_entities}
        groups: dict[int, dict[int, Any]] = {}
        for entity in entities:
            if id(entity) not in joined:
                base = getattr(entity, "base_alias", entity)
                groups.setdefault(id(base), {})[id(entity)] = entity
        found: list[Any] = []
        for number, members in groups.items():
            if number in members:
                found.extend(self.criteria_of(members[number]))
            elif len(members) == 1:
                found.extend(self.criteria_of(*members.values()))
            else:
                found.append(or_(*(and_(true(), *self.criteria_of(each)) for each in members.values())))
        return found

    def leading_entities(self) -> list[Any]:
        """List the entities at the left end of what ``select_from()`` and ``join_from()`` name."""
        read = self.parts_read
        requests = [request for _, earlier in read.earlier for request in earlier]
        lefts = [request.left for request in (*requests, *read.joins) if request.left is not None]
        found = [entity_of(selects.leftmost(clause)) for clause in (*read.froms, *lefts)]
        return [entity for entity in found if entity is not None]

    def with_inherited_tables(self, froms: list[Any]) -> list[Any]:
        """Add the joins of classes in joined-table inheritance, of which only some columns are selected."""
        present = list(froms)
        for part in each_part(self.parts):
            entity = part.entity
            if entity is None or (not self.toplevel and entity.selectable in self.outer):
                continue
            selectable = entity.selectable
            if any(selectable is each for clause in present for each in selects.surface(clause)):
                continue
            if isinstance(part, EntityPart):
                wanted = not selects.named(selectable)
            else:
                wanted = not selects.named(selectable) and bool(
                    set(part.froms).intersection(selects.from_objects(selectable))
                )
            if wanted and not _inside(selectable, present):
                present.append(selectable)
        return present


def adapters_of(entity: Any) -> dict[Any, Any]:
    """Give what expresses the columns of an entity by the selectable that was given for its whole hierarchy.

    :return: the function, by mapper and by table; nothing where the entity is read from its own tables.
    """
    adapter = None if entity.is_aliased_class else entity.polymorphic_adapter
    if adapter is None:
        return {}
    mappers = (entity, *entity.with_polymorphic_mappers)
    return dict.fromkeys((*mappers, *(table for mapper in mappers for table in mapper.tables)), adapter)


def each_part(parts: Iterable[Any]) -> Iterator[Any]:
    """Yield parts, those inside of bundles instead of the bundles."""
    for part in parts:
        inner = getattr(part, "parts", None)
        if inner is None:
            yield part
        else:
            yield from each_part(inner)


def part_entities(part: Any) -> list[Any]:
    """List the entities of a bundle's columns."""
    return [each.entity for each in getattr(part, "parts", ()) if each.entity is not None]


def _inside(selectable: Any, clauses: Sequence[Any]) -> bool:
    """Tell whether all tables of a join stand in one of the clauses already."""
    tables = {each for each in selects.surface(selectable) if selects.named(each)}
    return any(tables.issubset(set(selects.surface(clause))) for clause in clauses)


def _from_clause(element: Any) -> Any:
    entity = entity_of(element)
    return selects.plain(element) if entity is None else entity.selectable


def _flatten(clauses: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(each for clause in clauses for each in selects.surface(clause))


def criteria_options(options: Sequence[Any]) -> tuple[Any, ...]:
    """Pick the ``with_loader_criteria()`` options."""
    return tuple(option for option in options if getattr(option, "is_loader_criteria", False))


def translate(
    statement: Any, *, toplevel: bool = True, outer: frozenset[Any] = frozenset(), each_column: bool = False
) -> tuple[Any, SelectBuilder]:
    """Translate a ``Select`` of mapped classes.

    :param statement: the statement.
    :param toplevel: see :class:`SelectBuilder`.
    :param outer: see :class:`SelectBuilder`.
    :param each_column: see :class:`SelectBuilder`.
    :return: the plain statement, and the builder with the parts of its rows.
    :raises InvalidRequestError: a join or an option cannot be carried out.
    """
    builder = SelectBuilder(statement, toplevel=toplevel, outer=outer, each_column=each_column)
    return builder.build(), builder
