"""How programs end before their last step: what the two worlds do differently on purpose, after which they cannot be
compared. ``comparison`` says why.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

from sqlalchemy import inspect

from .comparison import FLUSH_ERRORS, Update, is_foreign_key, pairs, update_of
from .world import Outcome, World


def parts_ways(ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether a step that may do so failed in one world only; what comes after cannot be compared."""
    if theirs.error == "CircularDependencyError":
        return ours.error in (None, "IntegrityError", "InvalidRequestError")
    if written_in_a_tree(ours, theirs) or (ours.error == "IntegrityError" and deletes_new(ours, theirs)):
        return True
    if theirs.error is None and "SAWarning" in theirs.warnings and deletes_others(ours, theirs):
        return True
    if theirs.error == "ValueError":
        return ours.error in (None, "InvalidRequestError")
    if theirs.error in ("StaleDataError", "IntegrityError") and ours.error is None:
        asked_for = (statement for statement in theirs.statements if statement not in ours.statements)
        return any(
            statement.startswith(("DELETE FROM item_tag", "DELETE FROM lesson_topic")) for statement in asked_for
        )
    if theirs.error == "InvalidRequestError" and ours.error in (None, *FLUSH_ERRORS):
        return any(statement.startswith("ROLLBACK") for statement in ours.statements)
    if ours.error in FLUSH_ERRORS and theirs.error in FLUSH_ERRORS and further(ours, theirs):
        return True
    return theirs.error == "ObjectDeletedError" and ours.error in (None, "StaleDataError")


def deletes_others(ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether each of two steps has deleted rows that the other one has not."""
    mine, other = (
        {statement for statement in outcome.statements if statement.startswith("DELETE")} for outcome in (ours, theirs)
    )
    return bool(mine - other) and bool(other - mine)


def was_refused(name: str, ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether a step was refused that is for several objects; the first of them are not the same ones there."""
    return name in ("add", "add_all", "replace") and ours.error == theirs.error == "InvalidRequestError"


def read_of_transient(name: str, arguments: tuple[Any, ...], ours: World, theirs: Outcome) -> bool:
    """Tell whether an attribute of a transient object was to be loaded there."""
    reads = name.startswith("read") and theirs.error == "DetachedInstanceError"
    return reads and bool(inspect(ours.pick(arguments[0])).transient)


def written_in_a_tree(ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether the parent of a Node is written here, and not there."""
    there = {update.criteria for update in map(update_of, theirs.statements) if update and update.table == "node"}
    mine = [update for update in map(update_of, ours.statements) if update and is_of_parent(update)]
    changed = [update for update in mine if update.criteria not in there]
    return bool(changed) and ours.error == theirs.error is None


def deletes_new(ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether a flush has deleted the row there that a new object had taken over in it."""
    statements = [" ".join(statement.split()) for statement in theirs.statements]
    updates = filter(None, map(update_of, [*ours.statements, *theirs.statements]))
    return any(f"DELETE FROM {table} WHERE {' AND '.join(criteria)}" in statements for table, _, criteria in updates)


def further(ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether one of two flushes that failed has inserted more than the other: new objects keep the keys of that."""
    mine, other = (
        sorted(statement for statement in outcome.statements if statement.startswith("INSERT"))
        for outcome in (ours, theirs)
    )
    return mine != other


def came_to_keys(ours: World, theirs: World) -> bool:
    """Tell whether one of two flushes that failed has come to the foreign key of a new object, and the other has not."""
    for mine, obj in pairs(ours, theirs):
        both = inspect(mine).transient and inspect(obj).transient
        if both and any(map(is_foreign_key, given(mine).symmetric_difference(given(obj)))):
            return True
    return False


def given(obj: Any) -> set[str]:
    """The names of the attributes of an object that have a value."""
    return {name for name, value in obj.__dict__.items() if value is not None}


def left_behind(ours: World, theirs: World) -> bool:
    """Tell whether the rollback of a savepoint has left an object deleted there whose row is back."""
    return any(inspect(obj).deleted and inspect(ours.held[number]).persistent for number, obj in theirs.held.items())


def waits_with_its_tree(ours: World, theirs: World) -> bool:
    """Tell whether a flush has deleted an object there whose deletion waits for the next one here, as others' does there."""
    waiting = [number for number, obj in ours.held.items() if obj in ours.session.deleted]
    gone = [number for number in waiting if inspect(theirs.held[number]).deleted]
    return bool(gone and theirs.session.deleted)


def cleared(ours: World, theirs: World) -> bool:
    """Tell whether a deleted object has lost a foreign key that ``post_update`` writes, and kept it there."""
    deleted = [number for number, obj in theirs.held.items() if inspect(obj).deleted and type(obj).__name__ == "School"]
    return any(theirs.held[each].__dict__.get("head_id") != ours.held[each].__dict__.get("head_id") for each in deleted)


def forgotten(ours: World, theirs: World) -> bool:
    """Tell whether an UPDATE or DELETE statement has made an object forget there what it was to write."""
    changed = [number for number, obj in ours.held.items() if obj in ours.session.dirty]
    return any(theirs.held[number] not in theirs.session.dirty for number in changed)


def unreadable(ours: World, theirs: World) -> bool:
    """Tell whether a column reads as ``None`` there, for a row that has a value."""
    for mine, obj in pairs(ours, theirs):
        state = inspect(obj)
        columns = {attribute.key for attribute in state.mapper.column_attrs if not attribute.deferred}
        lost = (columns & set(mine.__dict__)) - set(obj.__dict__) - state.expired_attributes
        if state.persistent and any(mine.__dict__[name] is not None for name in lost):
            return True
    return False


def emptied(ours: World, theirs: World) -> bool:
    """Tell whether a deleted object has members in a collection there, and none here."""
    for number, obj in theirs.held.items():
        names = theirs.schema.to_many.get(type(obj).__name__, ()) if inspect(obj).was_deleted else ()
        if any(obj.__dict__.get(name) and ours.held[number].__dict__.get(name) == [] for name in names):
            return True
    return False


def deletes_rows_of_new(ours: World, mine: Outcome | None, theirs: Outcome | None) -> bool:
    """Tell whether a flush has deleted a row there that has the key of a new object, and not here."""
    statements = set(theirs.statements if theirs else ()).difference(mine.statements if mine else ())
    return any(
        f"DELETE FROM {table} WHERE {criterion}" in statements
        for table, criteria in ours.rows_of_new
        for criterion in map(" AND ".join, permutations(criteria))
    )


def nothing_here_or_there(ours: Outcome | None, theirs: Outcome | None) -> bool:
    """Tell whether there was nothing to do in one world only, after a flush that may fail there."""
    failures = ("CircularDependencyError", "ObjectDeletedError")
    return ours is None and theirs is not None and theirs.error in failures


def doubled(ours: World, theirs: World) -> bool:
    """Tell whether a collection holds an object twice there, and once here."""
    for number, obj in theirs.held.items():
        for name in theirs.schema.to_many.get(type(obj).__name__, ()):
            members, mine = obj.__dict__.get(name, ()), ours.held[number].__dict__.get(name, ())
            if len(members) > len(set(map(id, members))) and len(mine) == len(set(map(id, mine))):
                return True
    return False


def outside(world: World) -> set[int]:
    """The numbers of the held objects that are in no Session."""
    return {number for number, obj in world.held.items() if obj not in world.session}


def brought_back(gone: set[int], theirs: World) -> bool:
    """Tell whether a rollback has brought an object back there that had left the Session.

    :param gone: numbers of those that were outside in both worlds before, and are here.
    """
    return any(obj in theirs.session for number, obj in theirs.held.items() if number in gone)


def displaced(ours: World, theirs: World) -> bool:
    """Tell whether a rollback that brought deleted objects back has sent away one here that had come in their place."""
    return any(inspect(mine).detached and inspect(obj).persistent for mine, obj in pairs(ours, theirs))


def is_of_parent(update: Update) -> bool:
    """Tell whether an UPDATE sets the parent of a Node and nothing else."""
    return update.table == "node" and len(update.values) == 1 and update.values[0].startswith("parent_id=")
