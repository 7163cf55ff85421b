"""Rows to instances: the loop that every load ends in.  Pure Python reference version.

In: raw rows of the driver, result processors not yet applied.  Out: a list with one object (or ``None``)
per row.  A :class:`RowLoader` stands for one entity in one compiled statement; it knows positions, not
names, and runs over whole chunks of rows:

* :meth:`RowLoader.load_plain` for column attributes only: per row, one look-up in the identity map;
* :meth:`RowLoader.load_general` for everything else: eager loading, refreshing, events, options.

Eagerly joined relationships are loaded from the same rows by a nested loader; a *pairing* (``_py/pairings.py``) then
puts the list of children beside the list of parents.  Next on the way: ``load/context.py``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from session.constants import INSTANCE_STATE
from session.exc import StaleDataError
from session.heard import heard

__all__ = [
    "PolymorphicLoader",
    "RowLoader",
    "carry_options",
    "check_version",
    "fill_missing",
    "forget_changes",
    "keep_first",
]

BULK = 200
"""From this many rows on, the collector rests while objects are made."""

Processor = Callable[[Any], Any]
Rows = Sequence[Sequence[Any]]


class RowLoader:
    """Makes the instances of one mapped class from rows of one statement.

    Filled by ``load/entity.py`` while the statement is translated; :meth:`bind` is called once it has
    been compiled, and from then on the loader is constant and shared between threads.

    :param mapper: the mapper of the class that is instantiated.
    :param path: where in the statement the entity stands; given to the objects for later lazy loads.
    """

    __slots__ = (
        "allow_partial",
        "callables",
        "carries_path",
        "columns",
        "composite",
        "identity_class",
        "keys",
        "late_keys",
        "manager",
        "mapper",
        "needs_unique",
        "nested",
        "new_instance",
        "path",
        "peers",
        "pk_positions",
        "pk_processors",
        "plain",
        "positions",
        "post",
        "reset_keys",
        "version",
        "version_key",
    )

    def __init__(self, mapper: Any, path: Any = None) -> None:
        manager = mapper.class_manager
        self.mapper = mapper
        self.manager = manager
        self.new_instance: Callable[[], Any] = manager.new_instance
        self.identity_class = mapper.identity_class
        self.composite: bool = len(mapper.primary_key) > 1
        self.allow_partial: bool = getattr(mapper, "allow_partial_pks", True)
        self.path = path
        self.pk_positions: tuple[int, ...] = ()
        self.pk_processors: tuple[Processor | None, ...] = ()
        #: (attribute key, position in the row)
        self.positions: list[tuple[str, int]] = []
        #: the same with result processors, made by bind()
        self.columns: list[tuple[str, int, Processor | None]] = []
        self.keys: tuple[str, ...] = ()
        #: (attribute key, loader that only the loaded objects have)
        self.callables: list[tuple[str, Any]] = []
        #: attributes of the row that this statement does not select: the next read loads them
        self.late_keys: list[str] = []
        #: attributes that lose their value when an object is overwritten
        self.reset_keys: list[str] = []
        self.nested: list[Any] = []
        self.post: list[Any] = []
        self.plain = False
        self.carries_path = False
        #: some relationship of the objects is loaded for all that came together
        self.peers = False
        self.needs_unique = False
        #: the version attribute, where the statement locks rows: an object must not be older than its row
        self.version_key: str | None = None
        self.version: tuple[str, int, Processor | None] | None = None

    def bind(self, processors: Sequence[Processor | None]) -> None:
        """Take the result processors of the compiled statement.

        :param processors: one per column of the row, ``None`` where the raw value is the value.
        """
        self.pk_processors = tuple(processors[position] for position in self.pk_positions)
        self.columns = [(key, position, processors[position]) for key, position in self.positions]
        self.keys = tuple(key for key, _ in self.positions)
        self.version = next((column for column in self.columns if column[0] == self.version_key), None)
        self.plain = not (self.nested or self.post or self.callables or self.late_keys or self.version)
        for pairing in self.nested:
            pairing.bind(processors)
            if pairing.needs_unique:
                self.needs_unique = True

    def load(self, context: Any, rows: Rows) -> list[Any]:
        """Give the objects of a chunk of rows, ``None`` where a row has no primary key.

        :param context: the :class:`~session.load.context.LoadContext` of this run.
        :param rows: raw rows, as the driver gave them.
        """
        plain = self.plain and context.plain
        if plain and ("load" in heard or "refresh" in heard):
            dispatch = self.manager.dispatch
            plain = not (dispatch.load or dispatch.refresh)
        method = self.load_plain if plain else self.load_general
        if len(rows) < BULK or not gc.isenabled():
            objects = method(context, rows)
        else:
            gc.disable()
            try:
                objects = method(context, rows)
            finally:
                gc.enable()
        if self.peers or context.peers:
            context.came_together(self, objects)
        return objects

    def idents(self, rows: Rows) -> list[Any]:
        """Give the identity of each row: the primary key value, a tuple of several, or ``None``."""
        positions, processors = self.pk_positions, self.pk_processors
        if not self.composite:
            position, processor = positions[0], processors[0]
            if processor is None:
                return [row[position] for row in rows]
            return [processor(row[position]) for row in rows]
        found: list[Any]
        if any(processors):
            pairs = list(zip(positions, processors, strict=False))
            found = [tuple([row[at] if process is None else process(row[at]) for at, process in pairs]) for row in rows]
        else:
            found = list(map(itemgetter(*positions), rows))
        if self.allow_partial:
            empty = (None,) * len(positions)
            return [None if ident == empty else ident for ident in found]
        return [None if None in ident else ident for ident in found]

    def load_plain(self, context: Any, rows: Rows) -> list[Any]:
        """Load objects that have nothing but columns, with nobody listening."""
        home = context.identity_map
        token = context.identity_token
        shelf = home.shelf(self.identity_class, token)
        find = shelf.get
        new_instance = self.new_instance
        columns = self.columns
        keys = self.keys
        objects: list[Any] = []
        append = objects.append
        for row, ident in zip(rows, self.idents(rows), strict=False):
            state = find(ident)
            if state is not None:
                obj = state()
                if obj is not None:
                    dict_ = obj.__dict__
                    for key in keys:
                        if key not in dict_:
                            fill_missing(state, dict_, columns, row)
                            break
                    append(obj)
                    continue
            elif ident is None:
                append(None)
                continue
            obj = new_instance()
            dict_ = obj.__dict__
            for key, position, processor in columns:
                dict_[key] = row[position] if processor is None else processor(row[position])
            state = dict_[INSTANCE_STATE]
            state.ident = ident
            if token is not None:
                state.identity_token = token
            state.home = home
            state.shelf = shelf
            shelf[ident] = state
            append(obj)
        return objects

    def load_general(self, context: Any, rows: Rows) -> list[Any]:
        """Load objects with everything that can be asked of a load."""
        home = context.identity_map
        token = context.identity_token
        run_id = context.run_id
        shelf = home.shelf(self.identity_class, token)
        load_event = self.manager.dispatch.load if "load" in heard else None
        refresh_event = self.manager.dispatch.refresh if "refresh" in heard else None
        columns, callables, late_keys = self.columns, self.callables, self.late_keys
        populate_existing = context.populate_existing
        refresh_state = context.refresh_state
        watched = context.watches_new
        options = context.carried_options
        version = self.version
        created: list[Any] = []
        refreshed: list[tuple[Any, Any]] = []
        objects: list[Any] = []
        for row, ident in zip(rows, self.idents(rows), strict=False):
            state = shelf.get(ident)
            obj = None if state is None else state()
            if obj is None:
                if ident is None:
                    objects.append(None)
                    continue
                obj = self.new_instance()
                dict_ = obj.__dict__
                for key, position, processor in columns:
                    dict_[key] = row[position] if processor is None else processor(row[position])
                state = dict_[INSTANCE_STATE]
                state.ident = ident
                if token is not None:
                    state.identity_token = token
                state.home = home
                state.run_id = run_id
                if options is not None:
                    state.load_options = options
                    state.load_path = self.path
                elif self.carries_path:
                    state.load_path = self.path
                if late_keys:
                    state.expired_keys = frozenset(late_keys)
                if callables:
                    state.callables.update(callables)
                state.shelf = shelf
                shelf[ident] = state
                if load_event or watched:
                    created.append(obj)
                objects.append(obj)
                continue
            objects.append(obj)
            dict_ = obj.__dict__
            if version is not None and not populate_existing and state is not refresh_state:
                check_version(state, dict_, version, row)
            if state.run_id != run_id:
                state.run_id = run_id
                if populate_existing or state is refresh_state:
                    self.overwrite(context, state, dict_, row)
                    if refresh_event:
                        refreshed.append((state, context.only_keys))
                    continue
                if refresh_event:
                    unloaded = state.unloaded
                    if unloaded or self.nested:
                        refreshed.append((state, unloaded))
            fill_missing(state, dict_, columns, row)
            if callables:
                self.add_callables(state, dict_)
        for pairing in self.nested:
            pairing.pair(context, objects, rows)
        if self.post:
            context.later(self.post, objects)
        if created:
            announce(context, created, load_event, watched)
        for state, keys in refreshed:
            assert refresh_event is not None  # somebody hears it, or none is in the list
            refresh_event(state, context, keys)
            if state.committed:
                forget_changes(state, keys)
        return objects

    def overwrite(self, context: Any, state: Any, dict_: dict[str, Any], row: Sequence[Any]) -> None:
        """Put the row's values over those that an object has, changed or not.

        What the row does not bring (relationships, deferred columns, columns of a subclass) loses its value, so that
        it is loaded again.
        """
        values = [
            (key, row[position] if processor is None else processor(row[position]))
            for key, position, processor in self.columns
        ]
        for key in self.reset_keys:
            dict_.pop(key, None)
        dict_.update(values)
        only = context.only_keys
        if only is None:
            for key in self.late_keys:
                dict_.pop(key, None)
            state.commit_all(dict_)
            if context.carried_options is not None:
                state.load_options = context.carried_options
                state.load_path = self.path
            if state.load_options is not None and state.extras is not None:
                state.extras.pop("callables", None)
        else:
            state.commit(dict_, only)
        if self.late_keys:
            late = [key for key in self.late_keys if key not in dict_]
            state.merge_expired(late)
        if self.callables:
            self.add_callables(state, dict_)

    def add_callables(self, state: Any, dict_: dict[str, Any]) -> None:
        """Give an object its own loaders for the attributes that have no value yet."""
        for key, loader in self.callables:
            if key not in dict_:
                state.callables[key] = loader


class PolymorphicLoader:
    """Loads rows of a hierarchy of classes: each row goes to the loader of the class that its discriminator names.

    :param base: the loader of the class that was asked for.
    :param position: position of the discriminator in the row.
    """

    __slots__ = ("base", "explain", "loaders", "needs_unique", "path", "position", "processor")

    def __init__(self, base: RowLoader, position: int, explain: Callable[[Any, Any], Any]) -> None:
        self.base = base
        self.path = base.path
        self.position = position
        self.processor: Processor | None = None
        #: discriminator value -> loader of that class
        self.loaders: dict[Any, RowLoader] = {}
        #: called with an unknown discriminator: gives a loader, or raises
        self.explain = explain
        self.needs_unique = False

    @property
    def mapper(self) -> Any:
        return self.base.mapper

    def bind(self, processors: Sequence[Processor | None]) -> None:
        """Take the result processors of the compiled statement."""
        self.processor = processors[self.position]
        for loader in {id(each): each for each in (self.base, *self.loaders.values())}.values():
            loader.bind(processors)
            if loader.needs_unique:
                self.needs_unique = True

    def load(self, context: Any, rows: Rows) -> list[Any]:
        """Give the objects of a chunk of rows, each of its own class."""
        position, processor, loaders = self.position, self.processor, self.loaders
        raw = {row[position] for row in rows}
        if None in raw and None not in loaders:
            self.check_nulls([row for row in rows if row[position] is None])
        if len(raw) == 1:
            value = raw.pop()
            if processor is not None:
                value = processor(value)
            return (loaders.get(value) or self.unknown(value, rows[0])).load(context, rows)
        groups: dict[int, tuple[RowLoader, list[int], list[Any]]] = {}
        for index, row in enumerate(rows):
            value = row[position]
            if processor is not None:
                value = processor(value)
            loader = loaders.get(value) or self.unknown(value, row)
            group = groups.get(id(loader))
            if group is None:
                group = groups[id(loader)] = (loader, [], [])
            group[1].append(index)
            group[2].append(row)
        objects: list[Any] = [None] * len(rows)
        for loader, indexes, chosen in groups.values():
            for index, obj in zip(indexes, loader.load(context, chosen), strict=False):
                objects[index] = obj
        return objects

    def check_nulls(self, rows: Rows) -> None:
        """Refuse rows of objects whose discriminator is NULL; in an outer join it is, where there is no object."""
        for ident in self.base.idents(rows):
            if ident is not None:
                self.explain(None, ident)

    def unknown(self, value: Any, row: Sequence[Any]) -> RowLoader:
        """Find the loader for a discriminator that none of the loaders is for, or explain what is wrong."""
        ident = self.base.idents([row])[0]
        if ident is None:
            return self.base
        found: RowLoader = self.explain(value, ident)
        return found


def fill_missing(
    state: Any, dict_: dict[str, Any], columns: Iterable[tuple[str, int, Processor | None]], row: Sequence[Any]
) -> list[str]:
    """Give an object that is there already the values that it lacks; what it has stays.

    :return: the keys that were filled.
    """
    committed = state.committed
    filled = []
    for key, position, processor in columns:
        if key in dict_ or (committed is not None and key in committed):
            continue
        dict_[key] = row[position] if processor is None else processor(row[position])
        filled.append(key)
    if state.expired_keys is not None:
        state.unexpire([column[0] for column in columns])
    if state.expired:
        state.expired = False
    return filled


def announce(context: Any, created: Iterable[Any], load_event: Any, watched: Any) -> None:
    """Tell listeners about the objects that a load has made."""
    session = context.session
    for obj in created:
        state = obj.__dict__[INSTANCE_STATE]
        if load_event:
            load_event(state, context)
        if watched:
            watched(session, state)
        if state.committed:
            forget_changes(state, None)


def check_version(
    state: Any, dict_: dict[str, Any], version: tuple[str, int, Processor | None], row: Sequence[Any]
) -> None:
    """Refuse to lock the row of an object that has another version of it.

    :raises StaleDataError: the row was changed after the object had been loaded.
    """
    key, position, processor = version
    found = row[position] if processor is None else processor(row[position])
    if key in dict_ and dict_[key] != found:
        raise StaleDataError(
            f"The row of {state!r} is locked now, but has version {found!r} where the object has {dict_[key]!r}: "
            "somebody else has changed it; refresh the object"
        )


def forget_changes(state: Any, keys: Iterable[str] | None) -> None:
    """Take what listeners of a load have set for the loaded value: of some attributes, or with ``None`` of all."""
    obj = state()
    if obj is None:
        return
    if keys is None:
        state.commit_all(obj.__dict__)
    else:
        state.commit(obj.__dict__, keys)


def carry_options(objects: Iterable[Any], shelf: Any, before: Any, after: Any, idents: list[Any]) -> list[Any]:
    """Let objects carry other options, and note their identities.

    :param objects: persistent objects, each once or several times, and ``None``.
    :param shelf: where they are filed.
    :param before: what they have carried so far.
    :param after: what they carry from now on; another object than ``before``.
    :param idents: gets their identities.
    :return: the objects that are filed elsewhere or carry something else, which stay as they are.
    """
    others = []
    for obj in objects:
        if obj is None:
            continue
        state = obj.__dict__[INSTANCE_STATE]
        held = state.load_options
        if held is after:
            continue
        if held is before and state.shelf is shelf:
            state.load_options = after
            idents.append(state.ident)
        else:
            others.append(obj)
    return others


def keep_first(objects: Iterable[Any]) -> list[Any]:
    """Give each object once, in the order of first appearance; ``None`` is left out."""
    return list({id(obj): obj for obj in objects if obj is not None}.values())
