"""Objects coming into a Session, moving through their states, and leaving it.

A *pending* object stands in ``_new``, one marked for deletion in ``_deleted`` (both from state to object,
so that nothing is collected before its flush); persistent ones are held weakly by ``identity_map``.  The
flush reports back here what became of them.  Next on the way: ``snapshot.py``, which undoes all of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import and_, case, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidRequestError, SAWarning

from session._accel import cascading, state_loops
from session.constants import REKEYED
from session.exc import FlushError, StaleDataError
from session.heard import heard
from session.instrument.base import instance_state, state_label
from session.snapshot import filed

if TYPE_CHECKING:
    from session.transaction import SessionTransaction

__all__ = ["LifeCycle"]

_COMING = frozenset(("before_attach", "after_attach", "transient_to_pending"))
"""Events of an object that is added."""


class LifeCycle:
    """What a Session knows of its objects' lives."""

    identity_map: Any
    dispatch: Any
    hash_key: int
    _new: dict[Any, Any]
    _deleted: dict[Any, Any]
    _transaction: SessionTransaction | None
    _insert_count: int
    _emptied: int  # how often it let go of all its objects
    _held: list[Any]  # what left while a flush, which knows it by its state, is at work
    _moving: Any
    _flushing: bool
    _warn_on_events: bool
    _autobegin_t: Callable[..., SessionTransaction]
    _keep_others_out: Callable[[str], None]
    _connection_for: Callable[..., Connection]

    # -- coming in -----------------------------------------------------------------------------

    def add(self, instance: Any, *, _warn: bool = True) -> None:
        """Put an object into the Session, with everything that its ``save-update`` cascades reach.

        A transient object becomes pending and is inserted by the next flush; a detached one becomes
        persistent.  One that is marked for deletion is not deleted after all.

        :param instance: an object of a mapped class.
        :raises UnmappedInstanceError: the class is not mapped.
        :raises InvalidRequestError: it is in another Session; or this one has another object of the same
            key; or its row was deleted.
        """
        if _warn and self._warn_on_events:
            self._flush_warning("Session.add()")
        state = instance_state(instance)
        if state.home is None and state.ident is None and not self._hears_of_coming():
            steps = state.manager.mapper.cascade_steps("save-update")
            if not _reaches_others(state, instance, steps):
                self._autobegin_t()
                self._insert_count += 1
                state.insert_order = self._insert_count
                state.home = self.identity_map
                state._strong_obj = self._new[state] = instance
                return
        self._save_or_update_state(state)

    def _hears_of_coming(self) -> bool:
        if heard.isdisjoint(_COMING):
            return False
        dispatch = self.dispatch
        return bool(dispatch.before_attach or dispatch.after_attach or dispatch.transient_to_pending)

    def add_all(self, instances: Iterable[Any]) -> None:
        """Put many objects into the Session, as :meth:`add` does with each, in their order.

        :param instances: objects of mapped classes.
        """
        if self._warn_on_events:
            self._flush_warning("Session.add_all()")
        if self._hears_of_coming():
            for instance in instances:
                self._save_or_update_state(instance_state(instance))
            return
        new, home, count = self._new, self.identity_map, self._insert_count
        manager: Any = None
        steps: tuple[Any, ...] = ()
        try:
            for instance in instances:
                state = instance_state(instance)
                if state.manager is not manager:
                    if manager is None and state.home is None and state.ident is None:
                        self._autobegin_t()
                    manager = state.manager
                    steps = manager.mapper.cascade_steps("save-update")
                if state.home is not None or state.ident is not None:
                    self._insert_count = count
                    self._save_or_update_state(state)
                    count = self._insert_count
                    continue
                count += 1
                state.insert_order = count
                state.home = home
                state._strong_obj = instance
                new[state] = instance
                if _reaches_others(state, instance, steps):
                    if state.extras is not None:
                        state.extras.pop("orphaned", None)
                    self._insert_count = count
                    self._add_reached(state, heard=False)
                    count = self._insert_count
        finally:
            self._insert_count = max(count, self._insert_count)

    def _save_or_update_state(self, state: Any) -> None:
        if state.extras is not None:
            state.extras.pop("orphaned", None)
        self._save_or_update_impl(state)
        self._add_reached(state, self._hears_of_coming())

    def _add_reached(self, state: Any, heard: bool) -> None:
        """Add what the ``save-update`` cascades of an object reach.

        :param heard: somebody listens to objects that come into the Session.
        """
        new, home = self._new, self.identity_map
        for other, obj in cascading.walk("save-update", state, None, home, new):
            if heard or other.home is not None or other.ident is not None:
                self._save_or_update_impl(other)
                continue
            self._insert_count += 1
            other.insert_order = self._insert_count
            other.home = home
            other._strong_obj = new[other] = obj

    def _save_or_update_impl(self, state: Any) -> None:
        if state.ident is None:
            self._save_impl(state)
        else:
            self._update_impl(state)

    def _save_impl(self, state: Any) -> None:
        """Make an object without identity pending."""
        obj = state()
        if obj is None:
            return
        attach = self._before_attach(state, obj)
        if state not in self._new:
            self._new[state] = obj
            self._insert_count += 1
            state.insert_order = self._insert_count
        if attach:
            self._after_attach(state, obj)

    def _update_impl(self, state: Any, revert_deletion: bool = False) -> None:
        """Make an object with identity persistent; also one that was deleted, when a rollback says so."""
        obj = state()
        if obj is None:
            return
        was_deleted = state._deleted
        if was_deleted and not revert_deletion:
            raise InvalidRequestError(
                f"Cannot add {state_label(state)}: its row has been deleted; "
                "call make_transient() on it first to insert it as a new one"
            )
        attach = self._before_attach(state, obj)
        self._deleted.pop(state, None)
        if revert_deletion:
            state._deleted = False
            self._take_back(state)
        else:
            self.identity_map.add(state)
        if attach:
            self._after_attach(state, obj)
        elif revert_deletion and was_deleted and "deleted_to_persistent" in heard:
            self.dispatch.deleted_to_persistent(self, state)

    def _take_back(self, state: Any) -> None:
        """Give an object its key again when a rollback does; another one that has it now leaves the Session."""
        other = self.identity_map.replace(state)
        if other is not None:
            self._detach_states([other])

    def _before_attach(self, state: Any, obj: Any) -> bool:
        """Check that the object may come into this Session.

        :return: False if it is here already.
        """
        self._autobegin_t()
        home = state.home
        if home is self.identity_map:
            return False
        if home is not None:
            if home.session() is not None:
                raise InvalidRequestError(
                    f"Cannot attach {state_label(state)} to Session {self.hash_key}: it belongs to Session "
                    f"{home.session_id}; expunge it there first, or merge() it into this one"
                )
            state.detach()
        if "before_attach" in heard:
            self.dispatch.before_attach(self, state)
        return True

    def _after_attach(self, state: Any, obj: Any, keep: bool = True) -> None:
        state.home = self.identity_map
        pending = state.ident is None
        if keep and (pending or state.modified):
            state._strong_obj = obj
        if "after_attach" in heard:
            self.dispatch.after_attach(self, state)
        if pending:
            if "transient_to_pending" in heard:
                self.dispatch.transient_to_pending(self, state)
        elif "detached_to_persistent" in heard:
            self.dispatch.detached_to_persistent(self, state)

    def enable_relationship_loading(self, obj: Any) -> None:
        """Let an object that is not in the Session load its relationships through it.

        The object is attached, and listeners are told so, but no flush sees it and no query finds it; many-to-one
        and other relationships load by the foreign keys and primary key that it holds, whoever set them.

        :param obj: an object of a mapped class.
        """
        state = instance_state(obj)
        attach = self._before_attach(state, obj)
        state.extra("load_pending", lambda: True)
        if attach:
            self._after_attach(state, obj, keep=False)

    # -- going to be deleted -------------------------------------------------------------------

    def delete(self, instance: Any) -> None:
        """Mark an object for deletion by the next flush, with what its ``delete`` cascades reach.

        :param instance: a persistent or detached object.
        :raises InvalidRequestError: it has no row (it is transient or pending).
        """
        if self._warn_on_events:
            self._flush_warning("Session.delete()")
        self._delete_impl(instance_state(instance), instance, head=True)

    def delete_all(self, instances: Iterable[Any]) -> None:
        """Mark many objects for deletion, as :meth:`delete` does with each.

        :param instances: persistent or detached objects.
        """
        if self._warn_on_events:
            self._flush_warning("Session.delete_all()")
        for instance in instances:
            self._delete_impl(instance_state(instance), instance, head=True)

    def _delete_impl(self, state: Any, obj: Any, head: bool) -> None:
        if state.ident is None:
            if not head:
                return
            raise InvalidRequestError(
                f"Cannot delete {state_label(state)}: it is not persisted; expunge() a pending object instead"
            )
        deleted, home = self._deleted, self.identity_map
        if state in deleted:
            return
        if self._transaction is None:
            self._autobegin_t()
        if state.shelf is None or state.home is not home:
            attach = self._before_attach(state, obj)
            home.add(state)
            if attach:
                self._after_attach(state, obj)
        # found before the mark is set: walking a cascade may load, and loading may flush
        reached = cascading.walk("delete", state) if head else ()
        deleted[state] = obj
        for other, other_obj in reached:
            if other.shelf is not None and other.home is home:
                deleted.setdefault(other, other_obj)
            else:
                self._delete_impl(other, other_obj, head=False)

    # -- leaving -------------------------------------------------------------------------------

    def expunge(self, instance: Any) -> None:
        """Take an object out of the Session, with what its ``expunge`` cascades reach.

        :param instance: an object of this Session.
        :raises InvalidRequestError: it is not in this Session.
        """
        state = instance_state(instance)
        if state.home is not self.identity_map:
            raise InvalidRequestError(f"Cannot expunge {state_label(state)}: it is not present in this Session")
        reached = cascading.walk("expunge", state)
        self._expunge_states([state, *[other for other, _ in reached]])

    def expunge_all(self) -> None:
        """Take all objects out of the Session; changes that were not flushed are forgotten by it.

        :raises IllegalStateChangeError: another thread flushes it, or begins or ends a transaction in it.
        """
        self._keep_others_out("expunge_all")
        try:
            states = [*filed(self.identity_map), *self._new]
            self._hold(states)
            self._emptied += 1
            self._new.clear()
            for state in [*self._deleted]:
                self._forget_deletion(state)
            self._detach_states(states)
        finally:
            self._moving.release()

    def _expunge_states(self, states: Iterable[Any], to_transient: bool = False) -> None:
        states = list(states)
        self._hold(states)
        new = self._new
        for state in states:
            if state in new:
                del new[state]
            else:
                self._forget_deletion(state)
        self._detach_states(states, to_transient)

    def _hold(self, states: Iterable[Any]) -> None:
        """Keep objects that leave for as long as a flush needs them that is at work."""
        if self._flushing:
            self._held.extend([state() for state in states])

    def _forget_deletion(self, state: Any) -> None:
        """Not to be deleted by a flush; and if one has done that, no rollback brings the object back."""
        self._deleted.pop(state, None)
        transaction = self._transaction
        if state._deleted and transaction is not None:
            for level in transaction._lineage():
                level.snapshot.deleted.pop(state, None)

    def _detach_states(self, states: Iterable[Any], to_transient: bool = False) -> None:
        """Part with states; the life-cycle events tell what each was and is now.

        A listener that fails does not keep the others from leaving; the first error is raised at the end.

        :param to_transient: their rows are gone, so they lose their identity, also those that have left before and
            are in no Session.
        """
        failure: BaseException | None = None
        home = self.identity_map
        for state in states:
            if state.home is not home and not (to_transient and state.detached):
                continue
            if state.ident is None:
                event = "pending_to_transient"
            elif state._deleted:
                event = "deleted_to_detached"
            elif to_transient:
                event = "persistent_to_transient"
            else:
                event = "persistent_to_detached"
            obj = state()
            state.detach()
            if to_transient:
                state.reset_identity()
                state.expired = False
                state.expired_keys = None
            if event in heard and obj is not None:
                try:
                    getattr(self.dispatch, event)(self, state)
                except BaseException as error:
                    failure = failure or error
        if failure is not None:
            raise failure

    # -- where an object stands ----------------------------------------------------------------

    def _contains_state(self, state: Any) -> bool:
        return state in self._new or self.identity_map.contains_state(state)

    def _validate_persistent(self, state: Any) -> None:
        if not self.identity_map.contains_state(state):
            raise InvalidRequestError(
                f"{state_label(state)} is not persistent within this Session; flush it, or add() it first"
            )

    def _flush_warning(self, operation: str) -> None:
        warnings.warn(
            f"{operation} in a listener that runs while the flush is writing: the flush may not see it; "
            "use before_flush, or SQL on the connection that the listener is given",
            SAWarning,
            stacklevel=3,
        )

    # -- reports of the flush ------------------------------------------------------------------

    def _register_persistent(self, states: Sequence[Any]) -> None:
        """File states whose rows were inserted or updated under the primary keys that they have now.

        :raises FlushError: an object has no primary key after its INSERT.
        """
        for state in self.identity_map.file_written(states):
            self._file(state)
        state_loops.commit_all_states(states)
        new = self._new
        fresh = states
        if not new:
            fresh = ()
        elif len(new) != len(states) or not all(map(new.__contains__, states)):
            fresh = [state for state in states if state in new]
        self._register_altered(states, fresh)
        self._leave_new(fresh)

    def _file(self, state: Any) -> None:
        """File one state under the primary key that its object has now."""
        obj = state()
        if obj is None:
            return
        home, manager = self.identity_map, state.manager
        keys = manager.mapper.pk_keys
        alone = not manager.composite_key
        ident = _identity_of(state, obj.__dict__, keys, alone)
        before = state.ident
        if before is None:
            state.ident = ident
        elif before != ident:
            if not _has_changed(state, keys):
                self._check_same_row(state, before, ident)
            former = state.key
            home.discard(state)
            state.ident = ident
            transaction = self._transaction
            if transaction is not None:
                transaction.snapshot.note_switch(state, former, state.key)
        elif state.shelf is not None:
            return
        self._replace_in_map(state, keys, alone)

    def _check_same_row(self, state: Any, before: Any, ident: Any) -> None:
        """Refuse a primary key that came into an object without a change, unless it is another spelling of its own.

        :raises StaleDataError: it is none of the object's row, which is still there under the key that it had.
        SQL: a SELECT of that row, and of whether the new key is its key too.
        """
        mapper = state.manager.mapper
        columns = mapper.primary_key
        had, has = (
            and_(*[column == value for column, value in zip(columns, values, strict=True)])
            for values in ((before, ident) if len(columns) > 1 else ((before,), (ident,)))
        )
        row = self._connection_for(mapper, state=state).execute(select(case((has, 1), else_=0)).where(had)).first()
        if row is not None and not row[0]:
            raise StaleDataError(
                f"{state_label(state)} has the primary key {ident!r} in its attributes, which is not that of its row; "
                "merge(load=False) or set_committed_value() took it as loaded: refresh() the object"
            )

    def _register_altered(self, states: Sequence[Any], fresh: Sequence[Any]) -> None:
        """Note in the transaction whose rows were written, for a rollback.

        :param fresh: those of the states whose rows are new.
        """
        transaction = self._transaction
        if transaction is None:
            return
        snapshot = transaction.snapshot
        if snapshot.dirty is not None and len(fresh) < len(states):
            snapshot.dirty.update(dict.fromkeys([state for state in states if state not in self._new]))
        snapshot.note_new(fresh)

    def _replace_in_map(self, state: Any, keys: tuple[str, ...], alone: bool) -> None:
        displaced = self.identity_map.replace(state)
        other = None if displaced is None else displaced()
        if other is None:
            return
        values = other.__dict__
        theirs = values.get(keys[0]) if alone else tuple([values.get(key) for key in keys])
        if theirs == state.ident:
            warnings.warn(
                f"The flush of {state_label(state)} found another object under its key and takes its place; "
                "look for a listener that loads or adds it during the flush",
                SAWarning,
                stacklevel=2,
            )

    def _leave_new(self, fresh: Sequence[Any]) -> None:
        """Let states be pending no more: their rows are there."""
        new = self._new
        listeners = self.dispatch.pending_to_persistent if "pending_to_persistent" in heard else None
        if listeners:
            for state in fresh:
                if state in new:
                    listeners(self, state)
        elif len(new) == len(fresh):
            new.clear()
            return
        for state in fresh:
            new.pop(state, None)

    def _remove_newly_deleted(self, states: Iterable[Any]) -> None:
        """Take states out of the identity map whose rows were deleted; a rollback brings them back."""
        transaction = self._transaction
        deleted = None if transaction is None else transaction.snapshot.deleted
        listeners = self.dispatch.persistent_to_deleted if "persistent_to_deleted" in heard else None
        if not listeners:
            self.identity_map.discard_deleted(states, self._deleted, deleted)
            return
        for state in states:
            self.identity_map.discard_deleted((state,), self._deleted, deleted)
            if state() is not None:
                listeners(self, state)


def _has_changed(state: Any, keys: Iterable[str]) -> bool:
    """True if the primary key of an object has a change, or may have been given another value by the UPDATE."""
    if state.extras is not None and state.extras.pop(REKEYED, False):
        return True
    committed = state.committed or ()
    return any(key in committed for key in keys) or any(
        column.onupdate is not None or column.server_onupdate is not None for column in state.manager.mapper.primary_key
    )


def _reaches_others(state: Any, instance: Any, steps: Iterable[Any]) -> bool:
    """True if a cascade from the object may find something, loaded or queued; or it has been an orphan."""
    values = instance.__dict__
    for step in steps:
        if step.key in values:
            return True
    return state.extras is not None and ("pending" in state.extras or "orphaned" in state.extras)


def _identity_of(state: Any, values: dict[str, Any], keys: tuple[str, ...], alone: bool) -> Any:
    """The primary key that an object holds: its value, or a tuple of several."""
    if alone:
        ident = values.get(keys[0])
        if ident is None:
            ident = state.ident
            if ident is None or keys[0] in values:
                _without_key(state)
        return ident
    if state.ident is None:
        ident = tuple([values.get(key) for key in keys])
    else:  # a part that has expired is what it was
        ident = tuple([values.get(key, before) for key, before in zip(keys, state.ident, strict=True)])
    if None in ident and (
        not getattr(state.manager.mapper, "allow_partial_pks", True) or all(value is None for value in ident)
    ):
        _without_key(state)
    return ident


def _without_key(state: Any) -> NoReturn:
    columns = ", ".join(str(column) for column in state.manager.mapper.primary_key)
    raise FlushError(
        f"{state_label(state)} has a NULL identity key after its INSERT: no value came for {columns}. Set it before "
        "the flush, or see that the table and the column (integer, autoincrement, a default) let the database make one",
        state=state,
    )
