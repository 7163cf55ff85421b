"""Dependencies of relationships that no object of their own carries: association tables, switched keys.

``ManyToMany`` writes the rows of an association table: removed, changed and new ones.  ``KeySwitch`` looks for
objects that refer, by a many-to-one only, to an object whose primary key has changed.
Next on the way: ``order.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from session._accel import gather
from session.constants import PASSIVE_NO_INITIALIZE, PASSIVE_NO_RESULT, PASSIVE_OFF
from session.core import capabilities
from session.core.arrays import ArraySource, is_one_of, plain_table
from session.core.driver import driver_for
from session.flush import sync
from session.flush.counts import check_row_count
from session.flush.dependency import LOAD, LOADED, Dependency, ObjectSteps, Task
from session.flush.plans import Prepared, PreparedArrays, change_rows, key_criteria, key_names

__all__ = ["KeySwitch", "ManyToMany"]

Row = dict[str, Any]


class ManyToMany(Dependency):
    """Both sides are referred to by rows of an association table."""

    def find_pairs(self) -> tuple[sync.Pair, ...]:
        prop = self.prop
        self.secondary = prop.secondary
        self.far_pairs = sync.pairs_of(prop, prop.secondary_synchronize_pairs, self.target, None)
        near = sync.pairs_of(prop, prop.synchronize_pairs, self.parent, None)
        self.near_names = [pair.target.key for pair in near]
        self.far_names = [pair.target.key for pair in self.far_pairs]
        position = {column.key: number for number, column in enumerate(self.secondary.c)}
        self.names = sorted({*self.near_names, *self.far_names}, key=position.__getitem__)
        self._statements: dict[tuple[str, tuple[str, ...], bool], Prepared] = {}
        self._array_statements: dict[tuple[str, tuple[str, ...]], PreparedArrays] = {}
        return near

    @property
    def watched_keys(self) -> frozenset[str]:
        return frozenset((self.key, *[str(pair.source_key) for pair in self.pairs]))

    # -- gathering ---------------------------------------------------------------------------

    def gather_saves(self, uow: Any, states: Iterable[Any]) -> None:
        for state in states:
            passive = LOADED
            if not self.passive_updates and sync.key_changed(self.pairs, state):
                passive = LOAD
            change = self.change(uow, state, passive)
            if not self.delete_orphan:
                continue
            for child in change.deleted:
                if child is not None and self.is_lost(uow, child):
                    self.delete_with_cascades(uow, child)

    def gather_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        for state in states:
            self.change(uow, state, self.delete_passive)

    # -- executing ---------------------------------------------------------------------------

    def process_deletes(self, uow: Any, states: Iterable[Any]) -> None:
        for connection, members in uow.by_connection(self.parent, states):
            removed: list[Row] = []
            for state in members:
                change = self.change(uow, state, self.delete_passive)
                for child in (*change.unchanged, *change.deleted):
                    if child is not None and self._first_time(uow, state, child):
                        self._collect(uow, state, child, removed, "delete", before=True)
            self._write(uow, connection, removed, [], [])

    def process_saves(self, uow: Any, states: Iterable[Any]) -> None:
        for connection, members in uow.by_connection(self.parent, states):
            self._save(uow, connection, members)

    def _save(self, uow: Any, connection: Connection, states: Iterable[Any]) -> None:
        removed: list[Row] = []
        moved: list[Row] = []
        added: list[Row] = []
        there: dict[Any, set[int]] = {}
        for state in states:
            switched = not self.passive_updates and sync.key_changed(self.pairs, state)
            change = self.change(uow, state, LOAD if switched else LOADED)
            queued = state.ident is not None and self.key not in state().__dict__
            for child in change.added:
                self.check_class(child)
                if child is not None and queued and self._is_there(uow, state, child, there):
                    continue
                if child is not None and self._first_time(uow, state, child):
                    self._collect(uow, state, child, added, "add")
            for child in change.deleted:
                if child is not None and self._first_time(uow, state, child):
                    self._collect(uow, state, child, removed, "delete", before=not self.passive_updates)
            if switched:
                for child in change.unchanged:
                    if child is not None:
                        self._collect_move(state, child, moved)
        self._write(uow, connection, removed, moved, added)

    def _is_there(self, uow: Any, state: Any, child: Any, there: dict[Any, set[int]]) -> bool:
        """Tell whether the other direction, from which a pair has come into the queue of this one, had it before.

        What an object remembers that is in no Session says nothing about rows: these went with it.

        :param there: to keep what the other direction had, by object.
        """
        known = there.get(child)
        if known is None:
            known = there[child] = set()
            if not uow.session._contains_state(child):
                return False
            for other in self.prop.reverse_properties:
                history = child.manager[other.key].impl.get_history(child, child().__dict__, PASSIVE_NO_INITIALIZE)
                known.update(map(id, history.unchanged or ()))
        return id(state()) in known

    def _first_time(self, uow: Any, state: Any, child: Any) -> bool:
        """A pair is written once, though both directions of a two-way relationship tell of it."""
        for other in self.prop.reverse_properties:
            if (child, state) in uow.pairs_written(other):
                return False
        uow.pairs_written(self.prop).add((state, child))
        return True

    def _collect(self, uow: Any, state: Any, child: Any, rows: list[Row], operation: str, before: bool = False) -> None:
        self.check_class(child)
        if not uow.session._contains_state(child):
            if not child.deleted:
                uow.warn_of_stranger(child, operation, self.prop)
            return
        found: Row = {}
        read = sync.values_before if before else sync.values_now
        read(self.pairs, state, found, self.near_names)
        read(self.far_pairs, child, found, self.far_names)
        rows.append({name: found[name] for name in self.names})

    def _collect_move(self, state: Any, child: Any, rows: list[Row]) -> None:
        """A row whose object has got another primary key: new values, then the old ones to find it by."""
        row: Row = {}
        sync.values_now(self.pairs, state, row, self.near_names)
        sync.values_before(self.pairs, state, row, ["old " + name for name in self.near_names])
        sync.values_before(self.far_pairs, child, row, ["old " + name for name in self.far_names])
        rows.append(row)

    # -- rows ----------------------------------------------------------------------------------

    def _write(self, uow: Any, connection: Connection, removed: list[Row], moved: list[Row], added: list[Row]) -> None:
        """Delete, change and insert rows of the association table, in this order.

        :raises StaleDataError: if fewer rows were there than were to be deleted or changed.
        """
        if removed:
            self._change(uow, connection, "DELETE", removed, tuple(removed[0]), ())
        if moved:
            criteria = tuple(name for name in moved[0] if name.startswith("old "))
            self._change(uow, connection, "UPDATE", moved, criteria, tuple(self.near_names))
        if added:
            self._insert(uow, connection, tuple(added[0]), [tuple(row.values()) for row in added])

    def _insert(self, uow: Any, connection: Connection, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Insert rows: many at once as far as that can be, else in Core's batches or one by one."""
        if self._has_defaults(uow, connection, self._prepared("INSERT", (), names)):
            self._through_core(uow, connection, self._prepared("INSERT", (), names), rows)
            return
        driver = driver_for(connection)
        if len(rows) > 1:
            sent = sum(page.sent for page in self._together("INSERT", names).run(uow, connection, driver, rows))
            rows = rows[sent:]
        if len(rows) == 1:
            driver.count_each(*self._prepared("INSERT", (), names).arrange(uow, connection, rows))
        elif rows:
            many = capabilities.of(connection.dialect).batched_insert
            driver.executemany(*self._prepared("INSERT", (), names, many).arrange(uow, connection, rows))

    def _change(
        self,
        uow: Any,
        connection: Connection,
        verb: str,
        rows: list[Row],
        criteria: tuple[str, ...],
        names: tuple[str, ...],
    ) -> None:
        """Delete or update rows.

        :param criteria: names of the values that find a row.
        :param names: those that are written.
        """
        order = [*names, *criteria]
        values = [tuple([row[name] for name in order]) for row in rows]
        prepared = self._prepared(verb, criteria, names)
        lacking: list[int] = []
        matched: int | None
        if names and self._has_defaults(uow, connection, prepared):
            matched = self._through_core(uow, connection, prepared, values)
        else:
            together = None if names else self._together(verb, criteria)
            matched = change_rows(uow, connection, together, prepared, values, False, lacking)
        if matched is None:
            return
        if names:
            rows = [{name.removeprefix("old "): row[name] for name in criteria} for row in rows]
        check_row_count(verb, self.secondary, rows, matched, lacking)

    @staticmethod
    def _has_defaults(uow: Any, connection: Connection, prepared: Prepared) -> bool:
        """Tell whether other columns of the table have defaults that Python makes for each row."""
        plan, _ = prepared.plan(uow, connection)
        return bool(plan.python_defaults)

    @staticmethod
    def _through_core(uow: Any, connection: Connection, prepared: Prepared, rows: list[tuple[Any, ...]]) -> int | None:
        """Let Core run a statement, and make the defaults.

        :return: how many rows were matched, ``None`` if the driver does not tell.
        """
        given = [dict(zip(prepared.names, row, strict=True)) for row in rows]
        result = connection.execute(prepared.statement, given, execution_options=uow.execution_options)
        dialect = connection.dialect
        sane = dialect.supports_sane_rowcount if len(rows) == 1 else dialect.supports_sane_multi_rowcount
        return result.rowcount if sane else None

    def _together(self, verb: str, names: tuple[str, ...]) -> PreparedArrays:
        """Give the INSERT or DELETE of many rows at once."""
        found = self._array_statements.get((verb, names))
        if found is not None:
            return found
        table = self.secondary
        columns = [table.c[name] for name in names]

        def inserting(source: ArraySource) -> Any:
            return insert(table).from_select(names, select(*source.columns).order_by(source.place))

        def deleting(source: ArraySource) -> Any:
            return delete(table).where(*map(is_one_of, columns, source.columns))

        if verb == "INSERT":
            found = PreparedArrays(columns, inserting)
        else:
            found = PreparedArrays(columns, deleting, columns, Prepared(plain_table(table), (), ()))
        self._array_statements[verb, names] = found
        return found

    def _prepared(self, verb: str, criteria: tuple[str, ...], names: tuple[str, ...], many: bool = False) -> Prepared:
        """Give the statement for one row, or with ``many`` the one that Core sends in batches."""
        key = (verb, names, many)
        found = self._statements.get(key)
        if found is not None:
            return found
        table = self.secondary
        columns = [table.c[name.removeprefix("old ")] for name in criteria]
        if verb == "INSERT":
            found = Prepared(insert(table), names, names, many)
        elif verb == "DELETE":
            binds = [bindparam(name, type_=column.type) for name, column in zip(criteria, columns, strict=True)]
            found = Prepared(delete(table).where(*key_criteria(columns, binds)), criteria, ())
        else:
            own = key_names(table, columns)
            binds = [bindparam(name, type_=column.type) for name, column in zip(own, columns, strict=True)]
            found = Prepared(update(table).where(*key_criteria(columns, binds)), (*names, *own), names)
        self._statements[key] = found
        return found

    # -- order ---------------------------------------------------------------------------------

    def task_edges(self, saves: bool, deletes: bool) -> Iterator[tuple[Task, Task]]:
        link, unlink = Task("link", self), Task("unlink", self)
        parent, target = self.parent_base, self.target_base
        if saves:
            yield Task("save", parent), link
            yield Task("save", target), link
            yield link, Task("delete", target)
            yield link, Task("delete", parent)
        if deletes:
            yield unlink, Task("delete", parent)
            yield unlink, Task("delete", target)
            yield unlink, Task("save", parent)


class KeySwitch(Dependency):
    """A many-to-one without the other direction: finds the objects that refer to a key that has changed.

    Here the "parents" of the base class are objects of the *target* whose primary key has changed.
    """

    def find_pairs(self) -> tuple[sync.Pair, ...]:
        return sync.pairs_of(self.prop, self.prop.synchronize_pairs, self.target, self.parent)

    @staticmethod
    def concerns(prop: Any) -> bool:
        """Tell whether no one-to-many takes care of it."""
        others = [other for other in prop.reverse_properties if not other.viewonly]
        if not others:
            return True
        return not prop.passive_updates and all(other.passive_updates for other in others)

    def gather_saves(self, uow: Any, states: Iterable[Any]) -> None:
        if not self.passive_updates:
            self._switch(uow, states)

    def process_saves(self, uow: Any, states: Iterable[Any]) -> None:
        if self.passive_updates:
            self._switch(uow, states)

    def _switch(self, uow: Any, states: Iterable[Any]) -> None:
        switched = {state for state in states if sync.key_changed(self.pairs, state)}
        if not switched:
            return
        passive = PASSIVE_NO_INITIALIZE if self.passive_updates else PASSIVE_OFF
        for state in uow.session.identity_map.states_of(self.parent.identity_class):
            obj = state()
            if obj is None or not state.manager.mapper.isa(self.parent):
                continue
            value = state.manager[self.key].impl.get(state, obj.__dict__, passive)
            if value is None or value is PASSIVE_NO_RESULT:
                continue
            if self.prop.uselist:
                value = next(iter(value._sa_adapter), None)
            related = gather.state_of(value)
            if related in switched:
                uow.register(state, list_only=self.passive_updates)
                sync.populate(uow, self.pairs, related, state, self.passive_updates)

    def task_edges(self, saves: bool, deletes: bool) -> Iterator[tuple[Task, Task]]:
        link = Task("link", self)
        yield Task("save", self.target_base), link
        yield link, Task("save", self.parent_base)

    def order_objects(self, uow: Any, steps: ObjectSteps, saved: list[Any], deleted: list[Any]) -> None:
        for state in saved:
            steps.graph.join(steps.saves.get(state), steps.links[self].get(state))
