"""What changed in a Session since a transaction or savepoint began, and how to undo it on the objects.

The flush reports new, deleted and changed states and switched primary keys; a rollback calls
:meth:`Snapshot.restore`, a committed savepoint :meth:`Snapshot.absorb` on the one around it.
Next on the way: ``transaction.py``.
"""

from __future__ import annotations

from typing import Any

from session._accel import state_loops

__all__ = ["Snapshot", "filed"]


class Snapshot:
    """What changed since a boundary began, so that its rollback can undo it.

    :param whole: a rollback to this boundary expires everything, so that nobody needs to know which
        persistent objects changed.
    """

    __slots__ = ("_prune_at", "deleted", "dirty", "new", "switched")

    def __init__(self, whole: bool) -> None:
        self.new: dict[Any, None] = {}
        self.deleted: dict[Any, Any] = {}
        self.dirty: dict[Any, None] | None = None if whole else {}
        self.switched: dict[Any, tuple[Any, Any]] = {}
        self._prune_at = 10_000

    def note_new(self, states: Any) -> None:
        """Keep states whose rows were inserted; forget those whose objects are gone, now and then."""
        new = self.new
        new.update(dict.fromkeys(states))
        if len(new) > self._prune_at:
            self.new = new = {state: None for state in new if state() is not None}
            self._prune_at = 10_000 + 2 * len(new)

    def note_switch(self, state: Any, before: Any, after: Any) -> None:
        """Keep the first key of a state whose primary key changes."""
        first = self.switched.get(state)
        self.switched[state] = (before if first is None else first[0], after)

    def absorb(self, inner: Snapshot) -> None:
        """Take over what a committed savepoint has recorded."""
        self.note_new(inner.new)
        self.deleted.update(inner.deleted)
        if self.dirty is not None and inner.dirty is not None:
            self.dirty.update(inner.dirty)
        for state, (before, after) in inner.switched.items():
            self.note_switch(state, before, after)

    def restore(self, session: Any) -> None:
        """Give the objects of the Session back the life they had when the boundary began.

        All of them, even if a listener fails: the first error is raised at the end.
        """
        failure: BaseException | None = None
        born = dict(self.new)
        born.update(dict.fromkeys(session._new))
        doomed = {state: obj for state, obj in (*self.deleted.items(), *session._deleted.items()) if state not in born}
        try:
            session._expunge_states(list(born), to_transient=True)
        except BaseException as error:
            failure = error
        self.new.clear()

        identities = session.identity_map
        switched, self.switched = self.switched, {}
        for state in switched:
            identities.discard(state)
        for state, (before, _) in switched.items():
            if state not in born:
                state.key = before
                if state() is not None and state.home is identities and not state._deleted:
                    try:
                        session._take_back(state)
                    except BaseException as error:
                        failure = failure or error

        self.deleted.clear()
        for state in list(doomed):
            obj = doomed.pop(state)
            if state.key is None:  # made transient meanwhile
                continue
            try:
                if identities.get(state.key) is not None:
                    del obj  # if nobody else holds it, the other object stays that has come for the row
                session._update_impl(state, revert_deletion=True)
            except BaseException as error:
                failure = failure or error
        session._deleted.clear()

        touched = self.dirty
        if touched is None:
            state_loops.expire_states(filed(identities))
        else:
            state_loops.expire_states([s for s in filed(identities) if s.modified or s in touched])
            touched.clear()
        if failure is not None:
            raise failure


def filed(identities: Any) -> list[Any]:
    """All states of an identity map, also those whose objects are dying."""
    states: list[Any] = []
    for shelf in list(identities.shelves.values()):
        states.extend(shelf.values())
    return states
