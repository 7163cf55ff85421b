"""How two tables are joined by a relationship: the join condition, worked out once at configure time.

What comes in: the two sides, and whatever the user has said (``primaryjoin``, ``secondary``, ``foreign_keys``,
``remote_side``, columns marked with :func:`foreign` and :func:`remote`).  What goes out: the condition with
each of its columns marked ``foreign``, ``remote`` or ``local``, the direction, and the pairs of columns that a flush
copies.  ``joining.py`` derives from it what loads and JOINs need.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import (
    AmbiguousForeignKeysError,
    ArgumentError,
    NoForeignKeysError,
)
from sqlalchemy.util import warn

from session.constants import MANYTOMANY, MANYTOONE, ONETOMANY, RelationshipDirection
from session.core import expressions as sql
from session.core.sql import coercions, roles

__all__ = ["JoinCondition", "Side", "foreign", "remote"]

Pair = tuple[Any, Any]


def foreign(expr: Any) -> Any:
    """Mark a column of a ``primaryjoin`` as the one that refers, as a foreign key does.

    :param expr: a column, a mapped attribute, or an expression over columns.
    :return: the same with its columns marked.

    ::

        primaryjoin=lambda: foreign(Note.subject_key) == Subject.key
    """
    return _mark_all(expr, "foreign", "foreign()")


def remote(expr: Any) -> Any:
    """Mark a column of a ``primaryjoin`` as belonging to the relationship's target.

    :param expr: a column, a mapped attribute, or an expression over columns.
    :return: the same with its columns marked.

    ::

        primaryjoin=lambda: remote(foreign(Folder.path)).like(Folder.path.concat("/%"))
    """
    return _mark_all(expr, "remote", "remote()")


def _mark_all(expr: Any, note: str, what: str) -> Any:
    element = coercions.expect(roles.ColumnArgumentRole, expr, argname=what)
    return sql.mark_columns(element, note, sql.is_column)


@dataclass(frozen=True)
class Side:
    """One end of a relationship.

    :param name: the class's name, for messages.
    :param selectable: all tables of the mapped class, joined.
    :param local: the table that the class itself adds.
    """

    name: str
    selectable: Any
    local: Any

    def has(self, column: Any) -> bool:
        """Tell whether a column belongs to the side's tables."""
        return bool(self.selectable.c.contains_column(column))

    def has_locally(self, column: Any) -> bool:
        """Tell whether a column belongs to the table that the class itself adds."""
        return bool(self.local.c.contains_column(column))


class JoinCondition:
    """The join condition of one relationship.

    :param name: ``Class.attribute``, for messages.
    :param parent: the side that has the relationship.
    :param target: the side that it leads to.
    :param primaryjoin: the condition between the two, or between parent and ``secondary``; to be found if ``None``.
    :param secondary: the table between the two, if any.
    :param secondaryjoin: the condition between ``secondary`` and the target; to be found if ``None``.
    :param foreign_keys: the columns to be taken for foreign keys, where the tables do not say it.
    :param remote_side: the columns of the target's side, where the tables do not say it.
    :param local_side: the columns of the parent's side, where the tables do not say it.
    :param self_referential: whether both sides are of one class hierarchy.
    :param writable: whether a flush writes by this relationship.
    :param is_mapped: tells of columns whether they can be copied to and from objects.
    :raises ArgumentError: if the condition gives no direction, or no columns to work with.
    :raises NoForeignKeysError: if there is no foreign key to join by.
    :raises AmbiguousForeignKeysError: if there are several ways to join.
    """

    primaryjoin: Any
    secondaryjoin: Any
    direction: RelationshipDirection
    #: pairs of a column of the parent's and one of the far side, as they are compared
    local_remote_pairs: list[Pair]
    #: pairs ``(source, destination)``: the value of the first is copied to the second in a flush
    synchronize_pairs: list[Pair]
    #: the same between ``secondary`` and the target
    secondary_synchronize_pairs: list[Pair]

    def __init__(
        self,
        name: str,
        parent: Side,
        target: Side,
        *,
        primaryjoin: Any = None,
        secondary: Any = None,
        secondaryjoin: Any = None,
        foreign_keys: Collection[Any] = (),
        remote_side: Collection[Any] = (),
        local_side: Collection[Any] = (),
        self_referential: bool = False,
        writable: bool = True,
        is_mapped: Callable[..., bool] = lambda *columns: True,
    ) -> None:
        self.name = name
        self.parent = parent
        self.target = target
        self.secondary = secondary
        self.foreign_keys = sql.column_set(foreign_keys)
        self.remote_side = sql.column_set(remote_side)
        self.local_side = sql.column_set(local_side)
        self.self_referential = self_referential
        self.writable = writable
        self.is_mapped = is_mapped

        self.primaryjoin = None if primaryjoin is None else sql.without_entity_notes(primaryjoin)
        self.secondaryjoin = None if secondaryjoin is None else sql.without_entity_notes(secondaryjoin)
        self._find_joins()
        self._mark_foreign()
        self._mark_remote(primaryjoin)
        self._mark_local()
        self._pair_up()
        self._check_foreign()
        self._check_remote()
        self.direction = self._find_direction()

    # -- the columns, by their part ------------------------------------------------------

    def _joins(self) -> Iterable[Any]:
        return [join for join in (self.primaryjoin, self.secondaryjoin) if join is not None]

    def columns_with(self, *notes: str) -> Any:
        """Return the columns of the condition that carry all the given marks, without these marks."""
        found = sql.column_set()
        for join in self._joins():
            for column in sql.columns_in(join, notes[0]):
                if all(sql.marked(column, note) for note in notes):
                    found.add(sql.plain(column))
        return found

    @property
    def local_columns(self) -> Any:
        """The columns of the parent's side."""
        return self.columns_with("local")

    @property
    def remote_columns(self) -> Any:
        """The columns of the far side."""
        return self.columns_with("remote")

    @property
    def foreign_key_columns(self) -> Any:
        """The columns that refer."""
        return self.columns_with("foreign")

    # -- finding the condition -----------------------------------------------------------

    def _find_joins(self) -> None:
        if self.secondaryjoin is not None and self.secondary is None:
            raise ArgumentError(
                f"Relationship {self.name} has a secondaryjoin and no secondary table; give the table as "
                f"secondary=, or state the whole condition as primaryjoin="
            )
        hints = self.foreign_keys or None
        if self.secondary is not None and self.secondaryjoin is None:
            self.secondaryjoin = self._foreign_key_join(self.target, self.secondary, hints)
        if self.primaryjoin is None:
            other = self.target.selectable if self.secondary is None else self.secondary
            self.primaryjoin = self._foreign_key_join(self.parent, other, hints)

    def _foreign_key_join(self, side: Side, other: Any, hints: Any) -> Any:
        try:
            return sql.join_condition(side.selectable, other, a_subset=side.local, consider_as_foreign_keys=hints)
        except NoForeignKeysError as error:
            raise NoForeignKeysError(
                f"Relationship {self.name} finds no foreign key {self._between()}; give a column of one a "
                f"ForeignKey to the other, or state the condition as {self._condition_argument(other)}"
            ) from error
        except AmbiguousForeignKeysError as error:
            raise AmbiguousForeignKeysError(
                f"Relationship {self.name} finds several ways to join by foreign keys {self._between()}; say which "
                f"columns refer with foreign_keys=[...], or state the condition as {self._condition_argument(other)}"
            ) from error

    def _between(self) -> str:
        if self.secondary is None:
            return f"between the tables of {self.parent.name} and {self.target.name}"
        return f"between secondary table {str(self.secondary)!r} and those of {self.parent.name} and {self.target.name}"

    def _condition_argument(self, other: Any) -> str:
        if self.secondary is None:
            return "primaryjoin="
        return "primaryjoin= and secondaryjoin="

    # -- foreign -------------------------------------------------------------------------

    def _any_marked(self, note: str) -> bool:
        return any(sql.has_note(join, note) for join in self._joins())

    def _mark_foreign(self) -> None:
        if self._any_marked("foreign"):
            return
        if self.foreign_keys:
            self._rewrite(lambda join: sql.mark_columns(join, "foreign", self.foreign_keys.__contains__))
        else:
            self._rewrite(lambda join: sql.rewrite_comparisons(join, self._mark_referring))

    def _rewrite(self, change: Callable[[Any], Any]) -> None:
        self.primaryjoin = change(self.primaryjoin)
        if self.secondaryjoin is not None:
            self.secondaryjoin = change(self.secondaryjoin)

    def _mark_referring(self, left: Any, right: Any) -> Pair:
        """Mark the one of two compared columns that has the foreign key to the other."""
        if not (sql.is_column(left) and sql.is_column(right)):
            return left, right
        if _refers(left, right):
            return sql.mark(left, "foreign"), right
        if _refers(right, left):
            return left, sql.mark(right, "foreign")
        if self.secondary is not None:
            inside = [bool(self.secondary.c.contains_column(column)) for column in (left, right)]
            if inside == [True, False]:
                return sql.mark(left, "foreign"), right
            if inside == [False, True]:
                return left, sql.mark(right, "foreign")
        return left, right

    # -- remote --------------------------------------------------------------------------

    def _mark_remote(self, as_written: Any) -> None:
        if self._any_marked("remote"):
            return
        if self.secondary is not None:
            self._mark_between()
        elif self.remote_side:
            self._mark_given_remote()
        elif self._compares_within_one_table():
            self._mark_remote_among_same(lambda column: sql.marked(column, "foreign"), told=False)
        elif sql.selectables_overlap(self.parent.selectable, self.target.selectable):
            self.primaryjoin = sql.rewrite_comparisons(self.primaryjoin, self._mark_remote_of_overlapping)
        else:
            self.primaryjoin = sql.mark_columns(self.primaryjoin, "remote", self._is_targets_own)

    def _mark_between(self) -> None:
        """Mark the columns of ``secondary``, which may be a join that has a table of either side in it again."""
        between = self.secondary.c.contains_column
        joined = isinstance(self.secondary, sql.Join)

        def marked(join: Any, side: Side) -> Any:
            found = join
            if joined:
                found = sql.mark_columns(join, "remote", lambda column: between(column) and not side.has(column))
            return found if sql.has_note(found, "remote") else sql.mark_columns(join, "remote", between)

        self.primaryjoin = marked(self.primaryjoin, self.parent)
        self.secondaryjoin = marked(self.secondaryjoin, self.target)

    def _is_targets_own(self, column: Any) -> bool:
        if not self.target.has(column):
            return False
        return not self.parent.has_locally(column) or self.target.has_locally(column)

    def _mark_given_remote(self) -> None:
        if self._compares_within_one_table():
            self._mark_remote_among_same(self.remote_side.__contains__, told=True)
        else:
            self.primaryjoin = sql.mark_columns(self.primaryjoin, "remote", self.remote_side.__contains__)

    def _mark_remote_among_same(self, is_remote: Callable[[Any], bool], told: bool) -> None:
        """Mark by comparison, as each column may stand on either side of it."""

        def rewrite(left: Any, right: Any) -> Pair:
            if not (sql.is_column(left) and sql.is_column(right)):
                if told:
                    self._warn_of_expressions()
                return left, right
            to_itself = sql.plain(left) is sql.plain(right)
            if is_remote(left):
                left = sql.mark(left, "remote")
            if is_remote(right) and not to_itself:
                right = sql.mark(right, "remote")
            return left, right

        self.primaryjoin = sql.rewrite_comparisons(self.primaryjoin, rewrite)

    def _mark_remote_of_overlapping(self, left: Any, right: Any) -> Pair:
        """Mark where the two classes share a table, as a class and one that inherits from it do."""
        if not (sql.is_column(left) and sql.is_column(right)):
            self._warn_of_expressions()
            return left, right
        forth = self.parent.has(left) and self.target.has(right)
        back = self.parent.has(right) and self.target.has(left)
        if forth and back:
            forth = sql.marked(right, "foreign") or not sql.marked(left, "foreign")
            back = not forth
        if forth:
            return left, sql.mark(right, "remote")
        if back:
            return sql.mark(left, "remote"), right
        return left, right

    def _warn_of_expressions(self) -> None:
        warn(
            f"The primaryjoin of relationship {self.name} compares expressions that are no plain columns; mark the "
            f"columns of the far side in it with remote()"
        )

    def _compares_within_one_table(self) -> bool:
        """Tell whether the condition compares columns of a table that both sides have."""
        tables = (self.parent.selectable, self.target.selectable)
        for _, left, right in sql.comparisons(self.primaryjoin):
            if all(
                table.is_derived_from(column.table)
                for column in (left, right)
                if column.table is not None
                for table in tables
            ):
                return True
        return False

    # -- local ---------------------------------------------------------------------------

    def _mark_local(self) -> None:
        if sql.has_note(self.primaryjoin, "local"):
            return
        is_local = self.local_side.__contains__ if self.local_side else self.parent.has

        def wanted(column: Any) -> bool:
            return not sql.marked(column, "remote") and is_local(column)

        self.primaryjoin = sql.mark_columns(self.primaryjoin, "local", wanted)

    # -- pairs ---------------------------------------------------------------------------

    def _pair_up(self) -> None:
        compared: dict[Pair, None] = {}
        self.synchronize_pairs = self._pairs_of(self.primaryjoin, compared)
        self.secondary_synchronize_pairs = []
        if self.secondaryjoin is not None:
            self.secondary_synchronize_pairs = self._pairs_of(self.secondaryjoin, compared)
        self.local_remote_pairs = list(compared)

    def _pairs_of(self, join: Any, compared: dict[Pair, None]) -> list[Pair]:
        """Collect the compared pairs, and return those whose value is copied from one to the other."""
        copied: dict[Pair, None] = {}
        for operation, left, right in sql.comparisons(join):
            sides = (sql.plain(left), sql.plain(right))
            if sql.marked(right, "remote") and not sql.marked(left, "remote") and self.is_mapped(sides[0]):
                compared[sides] = None
            elif sql.marked(left, "remote") and not sql.marked(right, "remote") and self.is_mapped(sides[1]):
                compared[sides[::-1]] = None
            if sql.is_equality(operation) and self.is_mapped(*sides):
                if sql.marked(right, "foreign"):
                    copied[sides] = None
                elif sql.marked(left, "foreign"):
                    copied[sides[::-1]] = None
        return list(copied)

    # -- checks --------------------------------------------------------------------------

    def _check_foreign(self) -> None:
        self._check_foreign_in(self.primaryjoin, self.synchronize_pairs, "primaryjoin")
        if self.secondaryjoin is not None:
            self._check_foreign_in(self.secondaryjoin, self.secondary_synchronize_pairs, "secondaryjoin")

    def _check_foreign_in(self, join: Any, pairs: list[Pair], which: str) -> None:
        has_foreign = any(True for _ in sql.columns_in(join, "foreign"))
        if pairs if self.writable else has_foreign:
            return
        told = f"The {which} {str(join)!r} of relationship {self.name}"
        if self.writable and has_foreign:
            raise ArgumentError(
                f"{told} has no simple equality between mapped columns of which one is a foreign key, so a "
                f"flush would not know what to write; give the column a ForeignKey or mark it with foreign(), or make "
                f"the relationship viewonly=True"
            )
        raise ArgumentError(
            f"{told} has no column that is a foreign key to another; give one a ForeignKey or "
            f"ForeignKeyConstraint, mark it with foreign() in the condition, or name it in foreign_keys=[...]"
        )

    def _check_remote(self) -> None:
        if not self.local_remote_pairs:
            raise ArgumentError(
                f"Relationship {self.name} does not tell the columns of its two sides apart in the condition "
                f"{str(self.primaryjoin)!r}; mark those of the far side with remote(), or name them in remote_side="
            )
        if self.secondary is not None:
            return
        for column in self.columns_with("remote"):
            if self.parent.has(column) and not self.target.has(column):
                warn(
                    f"Column {column} is marked as remote in relationship {self.name} but belongs to the side of "
                    f"{self.parent.name}; remote() and remote_side= are for the columns of {self.target.name}"
                )

    # -- direction -----------------------------------------------------------------------

    def _find_direction(self) -> RelationshipDirection:
        if self.secondaryjoin is not None:
            return MANYTOMANY
        far, near, elsewhere = sql.column_set(), sql.column_set(), sql.column_set()
        for column in sql.columns_in(self.primaryjoin, "foreign"):
            if self._is_far(column):
                far.add(sql.plain(column))
            elif sql.marked(column, "local") or self.parent.has(column):
                near.add(sql.plain(column))
            else:
                elsewhere.add(sql.plain(column))
        if not far and not near:
            near = elsewhere
        if far and near:
            to_themselves = self.remote_columns.intersection(self.local_columns)
            far, near = far.difference(to_themselves), near.difference(to_themselves)
        if far and not near:
            return ONETOMANY
        if near and not far:
            return MANYTOONE
        raise ArgumentError(
            f"Relationship {self.name} has no direction: foreign keys stand on both sides of its condition "
            f"{str(self.primaryjoin)!r}; mark only the columns that this relationship should write with foreign(), or "
            f"name them in foreign_keys=[...]"
        )

    def _is_far(self, column: Any) -> bool:
        if sql.marked(column, "remote"):
            return True
        return not sql.marked(column, "local") and self.target.has(column) and not self.parent.has(column)

    # -- the same from the other side ----------------------------------------------------

    def exchanged_joins(self) -> tuple[Any, Any]:
        """Return primaryjoin and secondaryjoin of the other direction over the same secondary table."""
        primaryjoin, secondaryjoin = (sql.without_notes(join, ("local",)) for join in self._joins())
        return secondaryjoin, primaryjoin

    def reversed_primaryjoin(self, sides: bool = True, foreign: bool = True) -> Any:
        """Return the condition as the target's relationship back to the parent sees it.

        :param sides: keep the marks of the two sides, exchanged; otherwise other arguments are going to make them.
        :param foreign: keep the marks of the foreign keys.
        """
        unwanted = (*(() if sides else ("remote", "local")), *(() if foreign else ("foreign",)))
        primaryjoin = sql.without_notes(self.primaryjoin, unwanted) if unwanted else self.primaryjoin

        def turn(element: Any) -> Any:
            for note, turned in (("remote", "local"), ("local", "remote")):
                if sql.marked(element, note):
                    return sql.mark(sql.without_notes(element, (note,)), turned)
            return None

        return sql.replace_elements(primaryjoin, turn)


def _refers(column: Any, to: Any) -> bool:
    references = getattr(column, "references", None)
    return references is not None and hasattr(to, "proxy_set") and bool(references(to))
