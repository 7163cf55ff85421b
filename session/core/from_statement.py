"""``select(User).from_statement(...)``: entities that are read from the rows of any other statement.

Next on the way: ``load/from_statement.py``, which runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.base import CompileState, ExecutableStatement, Generative
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.visitors import InternalTraversal

from session.constants import PLUGIN

__all__ = ["FromStatement"]


class FromStatement(Generative, ExecutableStatement, ClauseElement, roles.ReturnsRowsRole):
    """A statement whose rows are taken for the columns of entities.

    :param entities: the coerced elements of the columns clause.
    :param element: the statement that gives the rows: textual SQL, a SELECT, a set operation, or DML with RETURNING.
    :param marks: what makes it a statement of this package.
    :param label_style: how the values of a row are named.
    """

    __visit_name__ = "session_from_statement"

    _traverse_internals = [
        ("_raw_columns", InternalTraversal.dp_clauseelement_list),
        ("element", InternalTraversal.dp_clauseelement),
        *ExecutableStatement._executable_traverse_internals,
    ]

    def __init__(self, entities: list[Any], element: Any, marks: Mapping[str, Any], label_style: Any) -> None:
        self._raw_columns = entities
        if not isinstance(element, ClauseElement) and not hasattr(element, "__clause_element__"):
            raise ArgumentError(f"from_statement() needs a statement, not {element!r}; wrap textual SQL in text()")
        self.element = coercions.expect(roles.ReturnsRowsRole, element)
        self._propagate_attrs = marks
        self._label_style = label_style
        self.is_dml = getattr(self.element, "is_dml", False)
        self.is_select = not self.is_dml
        self.is_text = getattr(self.element, "is_text", False)

    @property
    def given_params(self) -> Mapping[str, Any]:
        """The values of ``params()``."""
        return self._params

    @property
    def column_descriptions(self) -> list[dict[str, Any]]:
        """What the statement selects; see ``Select.column_descriptions``."""
        return CompileState.plugins[PLUGIN, "select"].get_column_descriptions(self)  # type: ignore[attr-defined,no-any-return]

    @property
    def raw_columns(self) -> list[Any]:
        """The elements of the columns clause."""
        return self._raw_columns

    def _compiler_dispatch(self, visitor: Any, **keywords: Any) -> Any:
        if getattr(visitor, "_collect_params", False):
            visitor._add_to_params(self)
        return self.element._compiler_dispatch(visitor, **keywords)

    @property
    def _all_selected_columns(self) -> Any:
        return self.element._all_selected_columns
