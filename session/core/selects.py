"""What the statement plug-in needs of Core's statements: their parts, and how to put them together again.

In: a statement as the user built it.  Out: its parts by public names, and plain statements made from
them that Core compiles without asking anybody.  Next on the way: ``load/compile.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.sql import dml, util, visitors
from sqlalchemy.sql.base import CompileState
from sqlalchemy.sql.elements import (
    BindParameter,
    ColumnClause,
    ColumnElement,
    Null,
    _label_reference,
    _textual_label_reference,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    CompoundSelect,
    CompoundSelectState,
    FromClause,
    Join,
    ScalarSelect,
    Select,
    SelectBase,
    SelectLabelStyle,
    SelectState,
)
from sqlalchemy.util import immutabledict

from session.constants import PLUGIN

__all__ = [
    "PLUGIN_SELECT",
    "CompileState",
    "DeleteState",
    "InsertState",
    "JoinRequest",
    "SelectParts",
    "SelectState",
    "UpdateState",
    "belongs_to",
    "bind_sources",
    "cache_key_of",
    "can_join",
    "columns_in",
    "enclosing_froms",
    "exported",
    "from_objects",
    "has_cache_key",
    "is_entity_select",
    "is_from",
    "join_between",
    "joinable_sides",
    "mapper_of",
    "matching_sides",
    "naming_convention",
    "notes_of",
    "options_of",
    "order_columns",
    "plain",
    "plain_dml",
    "plugin_for",
    "rebuild",
    "replace_labels",
    "silence_labels",
    "subject_of",
    "surface",
]

DeleteState: Any = dml.DeleteDMLState
InsertState: Any = dml.InsertDMLState
UpdateState: Any = dml.UpdateDMLState
PLUGIN_SELECT = (PLUGIN, "select")

EMPTY: Mapping[str, Any] = immutabledict()


@dataclass(frozen=True)
class JoinRequest:
    """One call of ``join()`` and its relatives, as the statement keeps it."""

    right: Any
    onclause: Any
    left: Any
    isouter: bool
    full: bool


@dataclass(frozen=True)
class SelectParts:
    """The parts of a SELECT that translation looks at."""

    columns: Sequence[Any]
    froms: tuple[Any, ...]
    where: tuple[Any, ...]
    joins: tuple[JoinRequest, ...]
    earlier: tuple[tuple[Sequence[Any], tuple[JoinRequest, ...]], ...]
    options: tuple[Any, ...]
    order_by: tuple[Any, ...]
    group_by: tuple[Any, ...]
    having: tuple[Any, ...]
    distinct_on: tuple[Any, ...]
    correlate: tuple[Any, ...]
    correlate_except: tuple[Any, ...] | None
    limited: bool
    distinct: bool
    label_style: Any


def _requests(joins: Iterable[Any]) -> tuple[JoinRequest, ...]:
    return tuple(
        JoinRequest(right, onclause, left, bool(flags["isouter"]), bool(flags["full"]))
        for right, onclause, left, flags in joins
    )


def read(statement: Any) -> SelectParts:
    """Take a ``Select`` apart."""
    earlier = statement._memoized_select_entities
    return SelectParts(
        columns=statement._raw_columns,
        froms=statement._from_obj,
        where=statement._where_criteria,
        joins=_requests(statement._setup_joins),
        earlier=tuple((memo._raw_columns, _requests(memo._setup_joins)) for memo in earlier),
        options=options_of(statement),
        order_by=statement._order_by_clauses,
        group_by=statement._group_by_clauses,
        having=statement._having_criteria,
        distinct_on=statement._distinct_on,
        correlate=statement._correlate,
        correlate_except=statement._correlate_except,
        limited=statement._has_row_limiting_clause,
        distinct=bool(statement._distinct or statement._distinct_on),
        label_style=statement._label_style,
    )


def locks_rows(statement: Any) -> bool:
    """Tell whether a statement has ``with_for_update()``."""
    return getattr(statement, "_for_update_arg", None) is not None


def options_of(statement: Any) -> tuple[Any, ...]:
    """Give the options of a statement, those given before ``with_only_columns()`` included."""
    options: tuple[Any, ...] = getattr(statement, "_with_options", ())
    earlier = getattr(statement, "_memoized_select_entities", ())
    if earlier:
        gathered: list[Any] = []
        for memo in earlier:
            gathered.extend(option for option in memo._with_options if option not in gathered)
        gathered.extend(option for option in options if option not in gathered)
        return tuple(gathered)
    return options


_FIELDS = {
    "columns": "_raw_columns",
    "froms": "_from_obj",
    "where": "_where_criteria",
    "order_by": "_order_by_clauses",
    "group_by": "_group_by_clauses",
    "having": "_having_criteria",
    "distinct_on": "_distinct_on",
    "correlate": "_correlate",
    "correlate_except": "_correlate_except",
}


def rebuild(statement: Select[Any], **parts: Any) -> Select[Any]:
    """Copy a ``Select`` as a plain one: joins and options resolved, the given parts put in place.

    :param parts: by the names of :class:`SelectParts`.
    """
    made = statement._generate()
    made._setup_joins = ()
    made._memoized_select_entities = ()
    made._with_options = ()
    made._propagate_attrs = immutabledict()
    made._compile_options = SelectState.default_select_compile_options
    if made._label_style is SelectLabelStyle.LABEL_STYLE_LEGACY_ORM:
        made._label_style = SelectLabelStyle.LABEL_STYLE_TABLENAME_PLUS_COL
    for name, value in parts.items():
        setattr(made, _FIELDS[name], list(value) if name == "columns" else value)
    return made


def plugin_for(name: str, kind: str) -> Callable[[type], type]:
    """Register a compile state; decorator."""
    return CompileState.plugin_for(name, kind)


def subject_of(statement: Any) -> Any:
    """Give the entity that makes a statement ours, ``None`` for any other statement."""
    marks = getattr(statement, "_propagate_attrs", None)
    if marks and marks.get("compile_state_plugin") == PLUGIN:
        return marks.get("plugin_subject")
    return None


def mapper_of(statement: Any) -> Any:
    """Give the mapper by which the bind of a statement is found.

    ``None`` for statements of another kind, and for unions, whose parts may be about several classes.
    """
    subject = None if isinstance(statement, CompoundSelect) else subject_of(statement)
    return None if subject is None else subject.mapper


def is_ours(statement: Any) -> bool:
    """Tell whether this package translates the statement."""
    marks = getattr(statement, "_propagate_attrs", None)
    return marks is not None and marks.get("compile_state_plugin") == PLUGIN


def is_entity_select(statement: Any) -> bool:
    """Tell whether a statement is a SELECT that this package translates."""
    return type(statement) is Select and statement._propagate_attrs.get("compile_state_plugin") == PLUGIN


def notes_of(element: Any) -> Mapping[str, Any]:
    """Give what is annotated on an element."""
    return getattr(element, "_annotations", EMPTY)


def plain(element: Any) -> Any:
    """Give an element without its own annotations."""
    return element._deannotate() if element._annotations else element


def is_from(element: Any) -> bool:
    """Tell whether an element is something to select FROM, rather than a column expression."""
    return isinstance(element, FromClause) and not isinstance(element, FunctionElement)


def from_objects(*elements: Any) -> list[Any]:
    """List the FROM elements that expressions bring into a statement."""
    found: list[Any] = []
    for element in elements:
        found.extend(element._from_objects)
    return found


def selected(element: Any) -> Sequence[Any]:
    """List the columns that an element of a columns clause stands for."""
    return list(element._select_iterable)


def proxy_name(element: Any) -> str | None:
    """Give the name of a column expression in a ``.c`` collection, ``None`` if it has none."""
    return getattr(element, "_proxy_key", None)


def naming_convention(label_style: Any) -> Callable[[Any], str | None]:
    """Give the function that names the columns of one statement, one after the other.

    The rows of a ``Query`` give its columns their plain names, also where several have the same one: the last has it
    then.
    """
    if label_style is SelectLabelStyle.LABEL_STYLE_LEGACY_ORM:
        return plain_name
    return SelectState._column_naming_convention(label_style)


def plain_name(element: Any) -> str | None:
    """Give the name of an attribute, a column or a label; ``None`` for an expression without label."""
    found: str | None = notes_of(element).get("proxy_key") or getattr(element, "key", None)
    return found


def surface(element: Any) -> Iterator[Any]:
    """Yield a FROM element and what its joins consist of."""
    return iter(util.surface_selectables(element))  # type: ignore[no-untyped-call]


def matching_sides(clauses: Sequence[Any], left: Any) -> list[int]:
    """Find the FROM clauses that contain ``left``, by index."""
    return util.find_left_clause_that_matches_given(clauses, left)


def joinable_sides(clauses: Sequence[Any], right: Any, onclause: Any) -> list[int]:
    """Find the FROM clauses that ``right`` can be joined to, by index."""
    return util.find_left_clause_to_join_from(clauses, right, onclause)


def join_between(left: Any, right: Any) -> Any:
    """Give the ON clause that foreign keys make between two FROM elements.

    :raises NoForeignKeysError: there is no foreign key between them.
    :raises AmbiguousForeignKeysError: there are several.
    """
    return util.join_condition(left, right)


def can_join(left: Any, right: Any) -> bool:
    """Tell whether foreign keys connect two FROM elements."""
    return Join._can_join(left, right)


def columns_in(expression: Any, *, everywhere: bool = False) -> list[Any]:
    """List the table columns that an expression mentions.

    :param everywhere: those inside of its subqueries as well.
    """
    if everywhere:
        found: list[Any] = []
        visitors.traverse(expression, {}, {"column": found.append})
        return found
    return [each for each in surface_expressions(expression) if isinstance(each, ColumnClause)]


def belongs_to(expression: Any, selectables: set[Any]) -> bool:
    """Tell whether an expression is made of columns of these FROM elements, also from inside of a subquery."""
    if not selectables:
        return False
    froms = expression._from_objects
    if froms:
        return any(each in selectables for each in froms)
    return any(getattr(column, "table", None) in selectables for column in columns_in(expression, everywhere=True))


def order_columns(columns: Sequence[Any], order_by: Sequence[Any]) -> list[Any]:
    """List the expressions of an ORDER BY that are not among the columns."""
    order_by = [each for each in order_by if not _is_text_label(each)]
    found: list[Any] = util.expand_column_list_from_order_by(list(columns), order_by)  # type: ignore[no-untyped-call]
    return found


def _is_text_label(element: Any) -> bool:
    return any(isinstance(each, _textual_label_reference) for each in visitors.iterate(element))


def replace_labels(element: ColumnElement[Any], columns: Any) -> Any:
    """Resolve references to labels in an ORDER BY element.

    :param columns: where names that are given as text are looked up.
    """

    def replace(each: Any, **keywords: Any) -> Any:
        if isinstance(each, _label_reference):
            return each.element
        if isinstance(each, _textual_label_reference):
            return columns.get(each.element)
        return None

    return visitors.replacement_traverse(element, {}, replace)  # type: ignore[call-overload]


def silence_labels(selectable: Any) -> None:
    """Keep the columns of an eagerly joined alias from being found by ``order_by("name")``."""
    for column in selectable.c:
        column._allow_label_resolve = False


def exported(subquery: Any) -> list[Any]:
    """List the columns of a subquery in the order of its SELECT."""
    return list(subquery.c)


def enclosing_froms(compiler: Any) -> frozenset[Any]:
    """Give the FROM elements of the statements around the one that is being compiled."""
    if not compiler.stack:
        return frozenset()
    return frozenset(compiler.stack[-1]["correlate_froms"])


def cache_key_of(statement: Any) -> Any:
    """Give Core's cache key of a statement (``.key``, ``.bindparams``, ``.params``), ``None`` if it has none."""
    return statement._generate_cache_key()


def has_cache_key(statement: Any) -> bool:
    """Tell whether Core's cache key of a statement has been worked out already."""
    return "_generate_cache_key" in getattr(statement, "__dict__", ())


def bind_sources(compiled: Any, bindparams: Sequence[BindParameter[Any]]) -> tuple[tuple[str, int], ...]:
    """Say which extracted parameter of the statement each parameter of its SQL takes its value from.

    Translation may have copied parameters; a copy remembers what it is a copy of.

    :param compiled: the compiled statement.
    :param bindparams: the parameters in the cache key of the statement it was made from.
    :return: pairs of parameter name and index into ``bindparams``.
    """
    index = {bind: number for number, bind in enumerate(bindparams)}
    found = []
    for bind, name in compiled.bind_names.items():
        for origin in bind._cloned_set:
            if origin in index:
                found.append((name, index[origin]))
                break
    return tuple(found)


def plain_dml(statement: Any, returning: Sequence[Any], more_where: tuple[Any, ...] = ()) -> Any:
    """Copy an INSERT, UPDATE or DELETE as a plain one.

    :param returning: the columns of its RETURNING clause.
    :param more_where: criteria to be added to its own.
    """
    made = statement._generate()
    made._propagate_attrs = immutabledict()
    made._with_options = ()
    made._returning = tuple(returning)
    made.table = plain(statement.table)
    if more_where:
        made._where_criteria = statement._where_criteria + more_where
    return made


def returning_of(statement: Any) -> tuple[Any, ...]:
    """Give the raw elements of a RETURNING clause."""
    found: tuple[Any, ...] = statement._returning
    return found


def where_of(statement: Any) -> tuple[Any, ...]:
    """Give the criteria of a statement's WHERE."""
    found: tuple[Any, ...] = statement._where_criteria
    return found


def values_of(statement: Any) -> Mapping[Any, Any]:
    """Give what ``values()`` sets: columns, or names, and expressions."""
    return getattr(statement, "_values", None) or EMPTY


def has_values(statement: Any) -> bool:
    """Tell whether a statement has been given its values by itself."""
    return bool(statement._values or statement._multi_values or getattr(statement, "_select_names", None))


def has_ordered_values(statement: Any) -> bool:
    """Tell whether an UPDATE was given its values in an order of their own."""
    return bool(statement._maintain_values_ordering)


def named_parameters(statement: Any) -> frozenset[str]:
    """Give the names of the ``bindparam()`` parameters of a statement."""
    return frozenset(
        each.key for each in visitors.iterate(statement) if isinstance(each, BindParameter) and not each.unique
    )


def has_other_tables(statement: Any) -> bool:
    """Tell whether an UPDATE or DELETE mentions more tables than the one that it changes."""
    own = set(surface(statement.table))
    mentioned = from_objects(*statement._where_criteria)
    return any(each not in own for each in mentioned)


def named(selectable: Any) -> bool:
    """Tell whether a FROM element is a table, alias or subquery: its columns alone bring it into a statement."""
    return bool(selectable.named_with_column)


def inspect_entity(thing: Any) -> Any:
    """Give the mapper or aliased entity of a class or alias, ``None`` for anything else."""
    return inspect(thing, raiseerr=False)


def is_column(element: Any) -> bool:
    """Tell whether an element is a column of a table or subquery, rather than an expression."""
    return isinstance(element, ColumnClause)


def label_style(statement: Any) -> Any:
    """Give how a statement labels its columns."""
    return getattr(statement, "_label_style", SelectLabelStyle.LABEL_STYLE_DISAMBIGUATE_ONLY)


def resolved(statement: Any) -> Any:
    """Give the statement that a lambda statement stands for; any other is given back."""
    return statement._resolved if getattr(statement, "_is_lambda_element", False) else statement


def collected_params(compiled: Any) -> Mapping[str, Any]:
    """Give the values of ``statement.params()`` in a statement that was compiled without a cache key."""
    return getattr(compiled, "_collected_params", None) or EMPTY


def kind_of(statement: Any) -> str:
    """Give the kind of a statement: "select", "insert", "update", "delete", or Core's name of it."""
    return str(resolved(statement).__visit_name__)


def names_of(expr: Any) -> list[str]:
    """List the names under which textual SQL may give a column, the likeliest first."""
    candidates = (getattr(plain(expr), "key", None), getattr(expr, "name", None), getattr(expr, "_tq_label", None))
    return [str(each) for each in dict.fromkeys(candidates) if each]


def value_processor(expr: Any, dialect: Any) -> Any:
    """Give the result processor of an expression's type, for rows that Core knows no types of."""
    return expr.type._cached_result_processor(dialect, None)


def is_decorated(statement: Any) -> bool:
    """Tell whether an INSERT has more to it than its table: prefixes, hints, dialect extensions, CTEs."""
    return bool(
        statement._prefixes
        or statement._hints
        or statement._independent_ctes
        or getattr(statement, "_post_values_clause", None) is not None
        or statement._inline
        or statement._return_defaults
        or statement.dialect_kwargs
    )


def surface_expressions(element: Any) -> Iterator[Any]:
    """Yield an expression and what it is made of, level by level, without entering subqueries."""
    level = [element]
    while level:
        below: list[Any] = []
        for each in level:
            if isinstance(each, SelectBase) or is_from(each):
                continue
            yield each
            below.extend(each.get_children())
        level = below


def raw_columns_of(statement: Any) -> Sequence[Any]:
    """Give the raw elements of a columns clause."""
    found: Sequence[Any] = statement._raw_columns
    return found


def is_null(element: Any) -> bool:
    """Tell whether an expression is NULL, under a label or not."""
    return isinstance(getattr(element, "element", element), Null)


def adapt_entities(element: ColumnElement[Any], adapters: Mapping[Any, Callable[[Any], Any]]) -> Any:
    """Express columns by what their entities are selected from.

    :param adapters: by entity, the function that translates its columns; also by table, for columns that were not
        read from a class. Those within other SELECTs are theirs.
    """

    def replace(each: Any, **keywords: Any) -> Any:
        if not isinstance(each, ColumnElement):
            return None
        adapter = adapters.get(each._annotations.get("parententity"))
        if adapter is None:
            return None
        made = adapter(plain(each))
        key = each._annotations.get("proxy_key")
        return made if key is None else made._annotate({"proxy_key": key})

    def replace_table(each: Any, **keywords: Any) -> Any:
        if isinstance(each, (SelectBase, ScalarSelect)):
            return each
        adapter = adapters.get(each.table) if is_column(each) else None
        return None if adapter is None else adapter(plain(each))

    made: Any = visitors.replacement_traverse(element, {}, replace)  # type: ignore[call-overload]
    if any(is_column(each) and each.table in adapters for each in surface_expressions(made)):
        made = visitors.replacement_traverse(made, {}, replace_table)  # type: ignore[call-overload]
    return made


def is_star(element: Any) -> bool:
    """Tell whether an element of a columns clause is ``*``."""
    return isinstance(element, ColumnClause) and element.is_literal and element.name == "*"


def has_insert_extension(statement: Any) -> bool:
    """Tell whether an INSERT has a clause after its values, such as ON CONFLICT."""
    return getattr(statement, "_post_values_clause", None) is not None


def leftmost(element: Any) -> Any:
    """Give the FROM element at the left end of joins."""
    while isinstance(element, Join):
        element = element.left
    return element


CompoundState: Any = CompoundSelectState
