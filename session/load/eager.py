"""Eager joins: relationships that are loaded with the statement of their parents.

In: the joins that joined loading asks for.  Out: the statement with LEFT OUTER JOINs to anonymous aliases.
A statement that is limited, distinct or grouped is first made a subquery when a collection is joined
to it, so that its rows are counted before they multiply.  Next on the way: ``load/compile.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.sql.selectable import Join

from session.core import selects
from session.core.sql import ClauseAdapter, ColumnAdapter

__all__ = ["EagerJoins"]


class EagerNode:
    """One relationship that is joined.

    :param source: the entity that has it.
    :param target: the alias that it is loaded from.
    """

    def __init__(
        self,
        source: Any,
        prop: Any,
        target: Any,
        innerjoin: bool | str,
        primary: Any,
        secondary_on: Any,
        secondary: Any,
    ) -> None:
        self.source = source
        self.prop = prop
        self.target = target
        self.innerjoin = innerjoin
        self.primary = primary
        self.secondary_on = secondary_on
        self.secondary = secondary
        self.children: list[EagerNode] = []

    def attach(self, left: Any, under_outer: bool, adapter: Any) -> Any:
        """Join this relationship, and those that follow from it, to a FROM clause.

        :param under_outer: what it is joined to may be missing itself.
        :param adapter: translates ON clauses to the subquery that the statement became, or ``None``.
        """
        inner = bool(self.innerjoin) and not under_outer
        primary = self.primary if adapter is None else adapter.traverse(self.primary)
        nested = [child for child in self.children if child.innerjoin is True and not inner]
        flat = [child for child in self.children if child not in nested]
        right = self.target.selectable
        if self.secondary is not None and not inner:
            right = Join(self.secondary, right, self.secondary_on)
        for child in nested:
            right = child.attach(right, False, None)
        if self.secondary is not None and inner:
            left = Join(Join(left, self.secondary, primary), right, self.secondary_on)
        else:
            left = Join(left, right, primary, isouter=not inner)
        for child in flat:
            left = child.attach(left, not inner, None)
        return left


class EagerJoins:
    """The eager joins of one statement.

    :param builder: the statement's builder.
    """

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.roots: list[EagerNode] = []
        self.nodes: dict[int, EagerNode] = {}
        self.selectables: set[Any] = set()
        self.order_by: list[Any] = []

    def add(self, source: Any, prop: Any, target: Any, innerjoin: bool | str, extra_criteria: tuple[Any, ...]) -> None:
        """Take one relationship; see :meth:`SelectBuilder.eager_join`."""
        primary, secondary_on, secondary, _ = prop.joins_for(
            source, target, of_type=None, alias_secondary=True, extra_criteria=extra_criteria
        )
        criteria = self.builder.criteria_of(target, with_single=False)
        if criteria:
            if secondary is None:
                primary = and_(primary, *criteria)
            else:
                secondary_on = and_(secondary_on, *criteria)
        node = EagerNode(source, prop, target, innerjoin, primary, secondary_on, secondary)
        parent = self.nodes.get(id(source))
        (self.roots if parent is None else parent.children).append(node)
        self.nodes[id(target)] = node
        self.selectables.update(selects.surface(target.selectable))
        target.adapter.allow_label_resolve = False
        selects.silence_labels(target.selectable)
        if secondary is not None:
            self.selectables.add(secondary)
            selects.silence_labels(secondary)
        for each in prop.order_by or ():
            expression = target.adapt(each)
            if secondary is not None:
                expression = ClauseAdapter(secondary).traverse(expression)
            self.order_by.append(expression)

    def compose(self, parts: dict[str, Any]) -> Any:
        """Put the statement together with its eager joins.

        :param parts: columns, FROM clauses and criteria of the statement without them.
        """
        read = self.builder.parts_read
        crowded = read.limited or read.distinct or bool(read.group_by)
        if self.builder.multi_row and crowded:
            return self.around_subquery(parts)
        froms = list(parts["froms"])
        for root in self.roots:
            froms = self.attach_to(froms, root)
        parts["froms"] = tuple(froms)
        if self.order_by:
            parts["order_by"] = (*parts.get("order_by", read.order_by), *self.order_by)
        return selects.rebuild(self.builder.statement, **parts)

    def attach_to(self, froms: list[Any], root: EagerNode) -> list[Any]:
        """Join a root to the FROM clause that its parent stands in."""
        left = root.source.selectable
        found = selects.matching_sides(froms, left)
        if not found:
            return [*froms, root.attach(left, False, None)]
        froms[found[0]] = root.attach(froms[found[0]], _maybe_missing(froms[found[0]], left), None)
        return froms

    def around_subquery(self, parts: dict[str, Any]) -> Any:
        """Make the limited statement a subquery and join to that."""
        read = self.builder.parts_read
        own: list[Any] = []
        places: dict[int, int] = {}
        for number, column in enumerate(parts["columns"]):
            if not selects.belongs_to(column, self.selectables):
                places[number] = len(own)
                own.append(column)
        inner_columns = list(own)
        own_order = parts.get("order_by", read.order_by)
        self.need(inner_columns, selects.order_columns(inner_columns, own_order))
        for root in self.roots:
            tables = set(selects.surface(root.source.selectable))
            self.need(
                inner_columns,
                [column for column in selects.columns_in(root.primary) if column.table in tables],
            )
        inner = selects.rebuild(self.builder.statement, **{**parts, "columns": inner_columns})
        subquery = inner.subquery()
        outside = selects.exported(subquery)
        adapter = ColumnAdapter(subquery, self.equivalents())
        columns = [
            outside[places[number]] if number in places else column for number, column in enumerate(parts["columns"])
        ]
        joined: Any = subquery
        for root in self.roots:
            joined = root.attach(joined, False, adapter)
        order_by = [adapter.traverse(selects.replace_labels(each, subquery.c)) for each in own_order]
        made = select(*columns).set_label_style(read.label_style).select_from(joined)
        if order_by or self.order_by:
            made = made.order_by(*order_by, *self.order_by)
        return made

    def equivalents(self) -> dict[Any, Any]:
        """Gather the columns that stand for each other in the classes of the statement."""
        found: dict[Any, Any] = {}
        for part in self.builder.parts:
            if part.entity is not None:
                found.update(part.entity.mapper.equivalent_columns)
        return found

    @staticmethod
    def need(columns: list[Any], wanted: Sequence[Any]) -> None:
        """Add expressions to a list of columns unless they are in it."""
        present = set(columns)
        for each in wanted:
            if each not in present:
                present.add(each)
                columns.append(each)


def _maybe_missing(clause: Any, selectable: Any) -> bool:
    """Tell whether an outer join inside of a FROM clause may leave ``selectable`` out of a row."""
    pending = [(clause, False)]
    while pending:
        each, missing = pending.pop()
        if each is selectable:
            return missing
        if isinstance(each, Join):
            outer = bool(each.isouter)
            pending.append((each.left, missing or bool(each.full)))
            pending.append((each.right, missing or outer or bool(each.full)))
        elif hasattr(each, "element") and not selects.named(each):
            pending.append((each.element, missing))
    return False
