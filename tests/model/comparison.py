"""What is promised to be equal in both worlds after a step, and what is not. This is the one place that says so; what a
program ends with is found in ``endings``.

Equal: the result of the step; the class of an error; all of the picture (``picture``), rows included; the categories of
warnings; the events of the Session and of the objects; the UPDATEs with their values, and the number of rows written.

Not compared:

* The order of statements inside a flush, the number and the text of SELECTs, INSERTs and DELETEs: the rows that come of
  them are compared, and how many were written. Statements for transactions and savepoints: they begin with the first
  statement inside, which may be a SELECT.
* Which of several reasons a flush has to fail is found first; how far it got before (to ``after_flush`` here, where the key
  of an object was changed and then taken as loaded by ``merge(load=False)``), and what it has warned of. If one
  has inserted more rows than the other, or has come to the foreign key of a new object and the other has not, the
  program ends with it: new objects keep their keys.
* How long the Session keeps objects that nobody holds and that have no changes (deleted ones until the end of the
  transaction here; those of a failed flush as long as its error there), so their part of the identity map.
* An object that has come for the row of a deleted one, when a rollback brings that back: it is detached here, and in no
  Session's identity map there, though "persistent". The program ends with it (``displaced``).
* A circle of rows that are there already: only UPDATEs, in any order, here; ``CircularDependencyError`` there. The
  program ends with it (``parts_ways``). So it does when a row that is gone is noticed there, where a flush loads an
  expired object, and not here, or by the number of rows written.
* An UPDATE or DELETE statement whose criteria are evaluated, with ``autoflush=False``: an object that had expired keeps what
  it is to write here, and forgets it there. The program ends with it (``forgotten``).
* A column that the database changes in an UPDATE of an object whose primary key has expired: it is loaded with that here,
  and reads as ``None`` there. The program ends with it (``unreadable``).
* How far a step has come that is refused for one of several objects. The program ends with it (``was_refused``).
* What waits in a collection of a tree that is not loaded is written here, as it is in other classes in both; so is the
  parent that an expired object has already, which a flush loads first there. The program ends with it
  (``written_in_a_tree``).
* A new object that takes over the row of one that is deleted with its tree: there its row is deleted; if it refers to
  another one of them, that is an ``IntegrityError`` here. The program ends with it.
* The association rows of an object that is deleted after its key was changed are found here; there they are asked for by
  the new key, ``StaleDataError`` or ``IntegrityError``. The program ends with it.
* An object whose key was changed, and then taken as loaded by ``merge(load=False)``: a delete is of the row that it came
  from here; there of the one with the new key, which warns where there is none. The program ends with it.
* An object that was made transient when it had expired, and then inserted by a transaction that is rolled back: it is read
  as any transient object here; ``DetachedInstanceError`` there. The program ends with it.
* A collection that is loaded while the removal of an expunged object waits in its queue, when its row gives another object:
  nothing is removed here, ``ValueError`` there. The program ends with it.
* A deleted object whose savepoint ends with the rollback of the one around it is persistent again, its row is there; it
  stays "deleted" there. The program ends with it (``left_behind``).
* ``close()`` after a flush that deleted objects: they are detached, and told so, as is documented; there they stay
  "deleted". The program ends with it.
* The order of events of different objects within one flush: the unit of work goes class by class there.
* Objects that left the Session after a flush had changed their key, when the transaction is rolled back: they stay outside
  here, and come back there. The program ends with it (``brought_back``). It ends, too, when a rollback stumbles there over
  an object that was made transient.
* Events at a commit there that tell once more of objects which have left, made transient or expunged, after a flush had
  deleted them.
* ``expire``, once more, of what is expired already, by an UPDATE or DELETE statement; whether it comes before ``refresh``.
* ``refresh_flush`` of a column that SQL was assigned to with ``eager_defaults``: the UPDATE brings it back here; there it
  expires, and is loaded after it.
* ``refresh`` of objects after an UPDATE or DELETE statement there that loads nothing into them;
  ``refresh_flush`` for a version that was in the object before.
* The order of the objects that one object brings into the Session: those that came to a collection last come first there.
* ``was_deleted`` of an object that was made and deleted in a transaction which is rolled back: it is transient, and
  persistent again after another flush here; there that flush leaves it "deleted".
* A collection that is read of an expired object which the flush before deletes: empty here, and there where the object had
  not expired; else there as it was before. The program ends with it (``emptied``).
* That an object counts as modified whose collection is told there to remove what is not in it, and the event of that.
  Collections of transient objects that are empty, or not there yet. Foreign keys of new objects that refer to nothing:
  ``None`` there, not there here.
* An UPDATE that is repeated there with the same values, by ``post_update``; whether a deleted object, whose row is gone,
  is told that it refers to nothing. The program ends with the latter (``cleared``).
* Which old value is remembered, and told, of what was set while it was expired, or not known yet: a flush loads it there.
* What an UPDATE here sets to what it is already, in a row that another object has taken over; all of what that object has
  is written, also what it had before it was made transient.
* A new object that a cascade deletes leaves the Session here; there the row that has its key is deleted. The program ends
  with it (``deletes_rows_of_new``). If that flush fails, new objects leave it before the rollback here, after it there.
* A list that is loaded while an expired object of it waits to come to it holds it once here, twice there. The program
  ends with it (``doubled``).
* When the foreign key of a Node takes over a change of its parent that is not written yet.
* The objects whose deletion is called off by a flush, because they came to the collection of another object: what was
  to be deleted with them waits with them here for the next flush; there it is deleted at once. The program ends with it
  (``waits_with_its_tree``).
* ``persistent_to_detached`` and ``pending_to_transient`` come twice there for what ``expunge()`` reaches on two ways, and
  for what is not in the Session.
* The order in which a rollback tells of new objects, flushed and not flushed: it is that of a set there.
* Attribute events that come a second time: there ``remove`` comes twice for what a new collection leaves out, ``set`` for
  a reference that is deleted, since the other direction's event comes back. Events that set a value to what it is. That
  a flush refreshes expired objects there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import inspect

from .picture import expired_columns
from .world import ROW_EVENTS, Outcome, World

FLUSH_ERRORS = ("IntegrityError", "StaleDataError", "FlushError", "CircularDependencyError", "AssertionError")


def differences(ours: tuple[Outcome, Any], theirs: tuple[Outcome, Any]) -> list[str]:
    """Say what is different after a step.

    :param ours, theirs: outcome and picture of this package, and of ``sqlalchemy.orm``.
    :returns: a line for each difference, empty if there is none.
    """
    parts = promised(*ours), promised(*theirs)
    leave_out(*parts)
    if selects(ours[0]) != selects(theirs[0]):  # one of them has loaded again what is there
        for part in parts:
            part["heard"] = {label: without(what, "refresh") for label, what in part["heard"].items()}
            part["heard"] = {label: what for label, what in part["heard"].items() if what}
    return list(_walk("", *parts))


def leave_out(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Take out of both parts what is not compared of single objects."""
    if "updates" in ours and "updates" in theirs and ours["picture"]["tables"] == theirs["picture"]["tables"]:
        ours["updates"] = [next(filter(update.sets_what, theirs["updates"]), update) for update in ours["updates"]]
    for label in ours["heard"] | theirs["heard"]:
        heard = [part["heard"].get(label, []) for part in (ours, theirs)]
        mine, other = (part["picture"]["objects"].get(label, {}) for part in (ours, theirs))
        if ["refresh"] not in heard[0] and (mine.get("expired") or isinstance(ours["result"], int)):
            heard[1] = without(heard[1], "refresh")
        if isinstance(ours["result"], (int, list)) and {("expire",), ("refresh",)} <= set(map(tuple, heard[1])):
            heard = [sorted(each, key=repr) for each in heard]
        if isinstance(ours["result"], (int, list)) and mine.get("expired"):
            if ["expire"] not in heard[0] or ["expire"] not in heard[1]:
                heard = [without(each, "expire") for each in heard]
        if ["refresh_flush"] not in heard[0]:  # the version that was there
            heard[1] = without(heard[1], "refresh_flush")
        elif ["refresh_flush"] not in heard[1] and ["expire"] in heard[1]:
            heard = [without(each, "refresh_flush", "expire") for each in heard]
        for what in heard[1]:
            if what[0] == "set" and [*what[:3], "LoaderCallableStatus"] in heard[0]:  # the old value is known there
                what[3] = "LoaderCallableStatus"
        heard[1] = [what for what in heard[1] if what[0] != "remove" or what in heard[0] or was_removed(mine, *what)]
        for part, left in zip((ours, theirs), heard):
            part["heard"].pop(label, None)
            if left:
                part["heard"][label] = left
    for label, mine in ours["picture"]["objects"].items():
        other = theirs["picture"]["objects"].get(label)
        if other is None:
            continue
        for name in {*mine["history"], *other["history"]}:
            if "not loaded yet" in (mine["history"].get(name), other["history"].get(name)):
                for seen in (mine, other):
                    seen["history"].pop(name, None)
                    seen["is_modified"] = None
            if learned_later(mine["history"].get(name), other["history"].get(name)):
                mine["history"][name] = other["history"][name]
        if modified_for_nothing(mine, other):
            other["modified"] = False
            theirs["picture"]["dirty"] = [dirty for dirty in theirs["picture"]["dirty"] if dirty != label]
        if mine["phase"] == other["phase"] in (["transient"], ["pending"]) and label not in ours["picture"]["new"]:
            for name in set(mine["unloaded"]) - set(other["unloaded"]):
                if other["values"][name] == [] or (is_foreign_key(name) and other["values"][name] is None):
                    del other["values"][name]
                    mine["unloaded"].remove(name)
        if label.startswith("Node") and mine["modified"] and "parent" in mine["values"]:
            for seen in (mine, other):
                seen["history"].pop("parent_id", None)
                seen["values"].pop("parent_id", None)


def was_removed(mine: dict[str, Any], _: str, name: str, member: Any) -> bool:
    """Tell whether a collection has lost a member since it was loaded, as far as can be seen: it is gone, or not loaded.

    What a transient object has not loaded is empty.
    """
    unknown = name in mine.get("unloaded", ()) and mine.get("phase") != ["transient"]
    return unknown or member in mine.get("history", {}).get(name, ([], [], []))[2]


def learned_later(mine: Any, other: Any) -> bool:
    """Tell whether two histories are of the same change, but for the old value, which is known here only."""
    return bool(mine and other) and mine[0] == other[0] and bool(mine[2]) and other[2] == []


def modified_for_nothing(mine: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether an object counts as modified there alone, and is not, or is nobody's: it was told to remove nothing."""
    if not (mine and other) or mine["modified"] or not other["modified"]:
        return False
    return other["is_modified"] is False or other["phase"] == ["transient"]


def promised(outcome: Outcome, picture: dict[str, Any]) -> dict[str, Any]:
    """The part of an outcome and a picture that has to be equal."""
    failed = outcome.error is not None
    part = {
        "error": "of the flush" if outcome.error in FLUSH_ERRORS else outcome.error,
        "result": outcome.result,
        "warnings": None if outcome.error in FLUSH_ERRORS else outcome.warnings,
        "picture": {**picture, "objects": held(picture), "identity_map": None},
        "events": events(outcome.events, outcome.error in FLUSH_ERRORS),
        "heard": heard_of(outcome.heard, failed),
    }
    if not failed:
        updates = list(filter(None, map(update_of, outcome.statements)))
        part["updates"] = sorted(set(updates))
        part["rows written"] = outcome.rows_written - (len(updates) - len(part["updates"]))
    return part


def held(picture: dict[str, Any]) -> dict[str, Any]:
    """The objects that somebody has to keep: the program (their label is a number), or the Session for their changes."""
    changed = {*picture["new"], *picture["dirty"]}
    return {label: seen for label, seen in picture["objects"] if "#" in label or label in changed}


NEW_GONE = {"pending_to_transient", "persistent_to_transient"}
"""What a rollback says of new objects."""


def events(heard: list[Any], failed: bool = False) -> list[Any]:
    """The events of held objects and of the Session; those of one name that follow each other stand in any order, and so
    do those of objects that come into it.

    :param failed: a flush has.
    """
    ordered: list[Any] = []
    committed = ("before_commit", None) in heard
    if failed:
        heard = sorted(heard, key=lambda event: event[0] == "pending_to_transient")
    for name, label in heard:
        if (label is not None and "#" not in label) or (name == "deleted_to_detached" and not committed):
            continue
        if failed and name == "after_flush":
            continue
        if committed and name in ("pending_to_transient", "persistent_to_detached"):
            continue
        if ordered and ordered[-1][0] == name:
            if name == "persistent_to_detached" and label in ordered[-1][1]:
                continue
            ordered[-1][1].append(label)
            ordered[-1][1].sort(key=repr)
        else:
            ordered.append([name, [label]])
            if len(ordered) > 1 and {name, ordered[-2][0]} == NEW_GONE:
                ordered[-2:] = sorted(ordered[-2:])
    return [
        each for coming, run in groupby(ordered, is_coming) for each in (sorted(run, key=_of_whom) if coming else run)
    ]


COMING = {"before_attach", "after_attach", "transient_to_pending", "detached_to_persistent"}


def is_coming(event: list[Any]) -> bool:
    """Tell whether an event is of an object that comes into the Session."""
    return event[0] in COMING


def _of_whom(event: list[Any]) -> str:
    return repr(event[1])


def heard_of(heard: list[Any], failed: bool) -> dict[str, list[Any]]:
    """The events of mapped classes: for each object that the program holds, what was heard of it, in order.

    :param failed: the step has; what was heard of rows until then is left out.
    """
    found: dict[str, list[Any]] = {}
    for label, *what in heard:
        if "#" not in label or (what[0] == "set" and (what[2] == what[3] or what[1] == "parent_id")):
            continue  # for the parent's key in a tree, see equalise
        of_object = found.setdefault(label, [])
        if what not in of_object:
            of_object.append(what)
        elif what[0] == "remove":  # the first of two came too early
            of_object.remove(what)
            of_object.append(what)
    for of_object in found.values():
        if failed:  # a flush has set foreign keys until then
            of_object[:] = [what for what in of_object if what[0] != "set" or not is_foreign_key(what[1])]
        echoes = [["set", what[1], None, what[2]] for what in of_object if what[0] == "remove"]
        of_object[:] = [what for what in of_object if what not in echoes]
        if ["expire"] in of_object and ["refresh_flush"] in of_object:
            of_object.sort(key=lambda what: what == ["expire"])
        if any(what[0] in ROW_EVENTS for what in of_object):
            of_object[:] = without(of_object, "refresh", *(ROW_EVENTS if failed else ()))
    return {label: of_object for label, of_object in found.items() if of_object}


def is_foreign_key(name: str) -> bool:
    """Tell whether an attribute is one that refers to other objects, by its name."""
    return name.endswith(("_id", "_code"))


def without(heard: list[Any], *names: str) -> list[Any]:
    """Events but those of some names."""
    return [what for what in heard if what[0] not in names]


def selects(outcome: Outcome) -> int:
    """How many SELECTs a step has taken."""
    return sum(statement.startswith("SELECT") for statement in outcome.statements)


def without_taken_rows(ours: World, mine: Outcome, theirs: Outcome) -> Outcome:
    """Leave out what new objects have written here to rows that they have taken over, and there not: it is there already."""
    known = {update.criteria for update in filter(None, map(update_of, theirs.statements))}
    repeated = [
        statement
        for statement in mine.statements
        if (update := update_of(statement)) is not None
        and (update.table, frozenset(update.criteria)) in ours.rows_of_new
        and update.criteria not in known
    ]
    left = [statement for statement in mine.statements if statement not in repeated]
    return mine._replace(statements=left, rows_written=mine.rows_written - len(repeated))


def equalise(ours: World, theirs: World) -> None:
    """Bring in line what may be different, where later steps would show it.

    * A flush loads expired columns there, and with them what the options of the object's statement say, which it does not
      need here: they expire there. If it takes a transaction to load them, there is one here. ``selectinload()`` of an
      object that is expired loads it here at once: it is loaded there.
    * What an INSERT or UPDATE has brought back here, and expired there, is loaded there; where that would begin a
      transaction, or bring other columns, too, it expires here.
    * An object that expires is loaded again with what its options name: here by the place where it was read first, all of
      it; there by that of the last one with ``populate_existing``, from which they may lead nowhere, and without what
      has changes that wait. What comes along here is loaded there.
    * A delete loads many-to-one references there, which it does not need here: they are unloaded there. In a tree, where
      the foreign key has a change that waits, it is chance there whether that counts: they are unloaded in both.
    * A flush writes the foreign key into a child that is not in the Session, in both; there not in a tree, for changes of
      a collection that is not loaded: so it is there.
    * What the Session keeps longer here, though nobody holds it, is expired here: it is loaded anew there.
    * An object that counts as modified there, and is not, counts as that no longer: a flush would tell of it.
    * With ``expire_on_commit=False`` deleted objects stay in the Session after the commit there: they leave it.
    * A refresh of the collection of a tree loads that of the parent there, too, if it comes along: it is expired.
    """
    for mine, obj in pairs(ours, theirs):
        state = inspect(obj)
        if state.was_deleted:
            references = ours.schema.to_one.get(type(obj).__name__, ())
            for name in set(references) & set(obj.__dict__) - set(mine.__dict__):
                del obj.__dict__[name]
            if obj.__dict__.get("parent", mine) is None and mine.__dict__.get("parent") is not None:
                del obj.__dict__["parent"], mine.__dict__["parent"]
            if state.deleted and not theirs.session.in_transaction():
                theirs.session.expunge(obj)
        if not theirs.session.in_transaction():
            for name in theirs.schema.to_many.get(type(obj).__name__, ()):
                for member in obj.__dict__.get(name, ()):
                    if inspect(member).deleted:
                        theirs.session.expunge(member)
        if state.modified and not inspect(mine).modified and state.persistent and not theirs.session.is_modified(obj):
            state._commit_all(obj.__dict__, theirs.session.identity_map)
        late = expired_columns(inspect(mine), mine) - expired_columns(state, obj)
        if late and state.persistent:
            theirs.session.expire(obj, late)
        elif late:  # which cannot be expired
            state.expired_attributes.update(late)
            for name in late & set(obj.__dict__):
                del obj.__dict__[name]
        early = expired_columns(state, obj) - expired_columns(inspect(mine), mine)
        unread = early - set(mine.__dict__) if inspect(mine).load_options else set()
        idle = not theirs.session.in_transaction() or not theirs.session.is_active
        if early and (late or idle or unread) and state.persistent and inspect(mine).persistent:
            inspect(mine).expire_attributes(mine.__dict__, early)
        elif early and state.persistent and inspect(mine).persistent and theirs.session.is_active:
            with theirs.session.no_autoflush:
                for name in early | (set(state.mapper.relationships.keys()) & set(mine.__dict__)):
                    getattr(obj, name)
            for name in early - set(mine.__dict__):  # NULL, by an INSERT: it is none here without being there
                if obj.__dict__.get(name, name) is None:
                    del obj.__dict__[name]
        if state.load_options and inspect(mine).load_options and state.persistent and theirs.session.is_active:
            changed = {*state.committed_state, *inspect(mine).committed_state}
            related = set(state.mapper.relationships.keys()) & set(mine.__dict__)
            with theirs.session.no_autoflush:
                for name in related - set(obj.__dict__) - changed:
                    getattr(obj, name)
        if expired_columns(inspect(mine), mine) and state.persistent:
            eager = (set(state.mapper.relationships.keys()) & set(obj.__dict__)) - set(mine.__dict__)
            eager -= set(state.committed_state)
            if eager:
                theirs.session.expire(obj, eager)
        if type(obj).__name__ == "Node" and state.persistent and "children" in obj.__dict__:
            if "children" not in {*mine.__dict__, *state.committed_state} and any(
                "parent" in each.__dict__ and each.parent is obj and "children" in each.__dict__
                for each in theirs.session
            ):
                theirs.session.expire(obj, ["children"])
        if type(obj).__name__ == "Node" and obj not in theirs.session and mine not in ours.session:
            if "parent_id" in mine.__dict__ and obj.__dict__.get("parent_id", "expired") != mine.parent_id:
                obj.parent_id = mine.parent_id
    for obj in kept_longer(ours, theirs):
        inspect(obj).expire(obj.__dict__)
    begun = theirs.raw.in_transaction and ours.session.in_transaction() and ours.session.is_active
    if begun and not ours.raw.in_transaction:
        ours.session.connection().exec_driver_sql("SELECT 1").close()


def pairs(ours: World, theirs: World) -> list[tuple[Any, Any]]:
    """The objects that the program holds, or both Sessions have, of both worlds."""
    found = [(ours.held[number], obj) for number, obj in theirs.held.items()]
    held = {id(obj) for obj in theirs.held.values()}
    mine = {key_of(obj): obj for obj in ours.session.identity_map.values()}
    others = [obj for obj in theirs.session.identity_map.values() if id(obj) not in held and key_of(obj) in mine]
    return found + [(mine[key_of(obj)], obj) for obj in others]


def key_of(obj: Any) -> Any:
    """The identity of an object, the same in both worlds."""
    key = inspect(obj).key
    return (key[0].__name__, *key[1])


def kept_longer(ours: World, theirs: World) -> list[Any]:
    """The objects that nobody holds, and that have nothing to write, which are in the Session here only."""
    there = set(map(key_of, theirs.session.identity_map.values()))
    busy = {id(obj) for obj in (*ours.held.values(), *ours.session.new, *ours.session.dirty, *ours.session.deleted)}
    found = [obj for obj in ours.session if id(obj) not in busy]
    return [obj for obj in found if key_of(obj) not in there]


class Update(NamedTuple):
    """An UPDATE, with what it sets and asks for in alphabetical order."""

    table: str
    values: tuple[str, ...]
    criteria: tuple[str, ...]

    def sets_what(self, other: Update) -> bool:
        """Tell whether it sets in the same row what another one sets, and perhaps more."""
        return self[::2] == other[::2] and set(self.values) >= set(other.values)


def update_of(statement: str) -> Update | None:
    """Read an UPDATE; ``None`` for other statements."""
    found = re.fullmatch(r"UPDATE (\w+) SET (.*?) WHERE (.*?)(?: RETURNING .*)?", " ".join(statement.split()))
    if found is None:
        return None
    table, values, criteria = found.groups()
    return Update(table, tuple(sorted(values.split(", "))), tuple(sorted(criteria.split(" AND "))))


def _walk(path: str, ours: Any, theirs: Any) -> Iterator[str]:
    """Go down to the smallest parts that differ."""
    if ours == theirs:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in {**ours, **theirs}:
            yield from _walk(f"{path}.{name}", ours.get(name, "(nothing)"), theirs.get(name, "(nothing)"))
    else:
        yield f"{path[1:]}: {ours!r}, in sqlalchemy.orm {theirs!r}"
