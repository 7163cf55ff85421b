"""What Core asks about a SELECT of mapped classes, and when it compiles one.

Core finds these classes by the mark that the elements of mapped classes leave on a statement.  A
statement that the Session executes is translated before Core sees it; the classes here serve what is
nested in other statements, ``str(statement)``, and the questions of ``Select`` itself.
Next on the way: ``load/compile.py``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.selectable import SelectLabelStyle

from session.constants import PLUGIN
from session.core import selects
from session.core.from_statement import FromStatement
from session.core.limiting import enclosing_options, with_more_options
from session.load.compile import criteria_options, translate
from session.load.entities import EntityPart, describe_columns, entity_of, parts_of

__all__ = ["EntitySelectState"]


@selects.plugin_for(PLUGIN, "select")
class EntitySelectState(selects.SelectState):
    """The compile state of a SELECT that mentions mapped classes."""

    @classmethod
    def create_for_statement(cls, statement: Any, compiler: Any, **keywords: Any) -> Any:
        """Translate a statement that Core has come upon, and hand on the plain one."""
        outer = selects.enclosing_froms(compiler)
        criteria = criteria_options(enclosing_options(compiler, statement))
        if criteria:  # an aliased subquery is not found before it is compiled
            statement = with_more_options(statement, criteria)
        made, _ = translate(statement, toplevel=not compiler.stack, outer=outer, each_column=True)
        return selects.SelectState(made, compiler, **keywords)

    @classmethod
    def get_column_descriptions(cls, statement: Any) -> list[dict[str, Any]]:
        """Give what ``statement.column_descriptions`` shows."""
        return describe_columns(selects.raw_columns_of(statement), selects.label_style(statement))

    @classmethod
    def from_statement(cls, statement: Any, from_statement: Any) -> Any:
        """Take the rows of another statement for the entities of this one.

        The labels of a ``select()`` would have been those of its SQL; the plain names of a ``Query`` stay.
        """
        style = selects.label_style(statement)
        if style is not SelectLabelStyle.LABEL_STYLE_LEGACY_ORM:
            style = SelectLabelStyle.LABEL_STYLE_DISAMBIGUATE_ONLY
        made = FromStatement(list(statement._raw_columns), from_statement, statement._propagate_attrs, style)
        return made.options(*selects.options_of(statement)).execution_options(**statement.get_execution_options())

    @classmethod
    def get_columns_clause_froms(cls, statement: Any) -> list[Any]:
        """Give the FROM elements of the columns clause, as entities where they are some."""
        found: list[Any] = []
        for part in parts_of(selects.read(statement).columns):
            if isinstance(part, EntityPart):
                found.append(part.element)
            elif part.entity is not None and set(part.froms).intersection(selects.surface(part.entity.selectable)):
                found.append(part.entity.__clause_element__())
            else:
                found.extend(part.froms)
        return list(dict.fromkeys(found))

    @classmethod
    def all_selected_columns(cls, statement: Any) -> list[Any]:
        """List the columns of the statement as part of another one."""
        return [column for part in parts_of(selects.read(statement).columns) for column in part.expand()]

    @classmethod
    def _get_filter_by_entities(cls, statement: Any) -> list[Any]:
        """List the entities that ``filter_by()`` looks a name up in."""
        read = selects.read(statement)
        found: list[Any] = []
        requests = [request for _, earlier in read.earlier for request in earlier]
        for request in (*requests, *read.joins):
            found.append(_joined(request.right))
            if request.left is not None:
                found.append(_namespace(request.left))
        found.extend(_namespace(each) for each in read.froms)
        columns = [element for elements, _ in read.earlier for element in elements]
        for part in parts_of([*columns, *read.columns]):
            if part.entity is not None:
                found.append(part.entity)
            else:
                found.extend(part.froms)
        return list({id(each): each for each in found}.values())


@selects.plugin_for(PLUGIN, "compound_select")
class EntityCompoundState(selects.CompoundState):  # type: ignore[misc]
    """The compile state of a set operation of such SELECTs."""

    @classmethod
    def create_for_statement(cls, statement: Any, compiler: Any, **keywords: Any) -> Any:
        """Hand the criteria of ``with_loader_criteria()`` on to the SELECTs that are combined."""
        criteria = criteria_options(selects.options_of(statement))
        if criteria:
            statement = with_more_options(statement, criteria)
        return selects.CompoundState(statement, compiler, **keywords)


def _joined(right: Any) -> Any:
    """Give the entity that a join leads to."""
    if getattr(right, "is_attribute", False) is not True:
        return _namespace(right)
    narrowed = right._of_type
    if narrowed is None:
        return getattr(right.property, "entity", right.parent)
    return narrowed if hasattr(narrowed, "mapper") else selects.inspect_entity(narrowed)


def _namespace(element: Any) -> Any:
    entity = entity_of(element)
    return element if entity is None else entity
