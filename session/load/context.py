"""What one run of a statement knows while its rows become objects.

In: the Session and the settings of the run.  Every row loader of the statement gets the same context.
:meth:`LoadContext.finish_chunk` runs the loads that come after the rows (``selectinload`` and its
kin); next on the way for those: ``load/strategies_selectin.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.util import immutabledict

from session._accel import runs as hot
from session.load.carried import CarriedOptions, carried, make_peers

__all__ = ["LoadContext", "QueryContext", "settings_of_loader"]

EMPTY_DICT: Mapping[str, Any] = immutabledict()

_NOT_HANDED_ON = frozenset({"yield_per", "stream_results", "max_row_buffer", "prebuffer_rows", "_load_context"})


class LoadContext(hot.Run):
    """One run of one statement.  Its attributes are those of ``Run``; ``waiting`` are the loads that follow the rows.

    :param session: the Session that the objects come into.
    :param options: the options of the statement as it was given now (a cached plan was made from an equal
        statement, with other bound values).
    :param execution_options: as given to ``execute``; ``populate_existing``, ``identity_token`` and ``yield_per``
        are read.
    :param statement: the statement, for events.
    :param params: its parameters, for events.
    :param bind_arguments: passed on to the loads that follow.
    :param refresh_state: the state of the one object that is refreshed: its values are overwritten.
    :param only_keys: the attributes to which a refresh is confined.
    :param populate_existing: overwrite all objects that the rows name.
    :param autoflush: whether loads that follow may flush first.
    :param lazy_loaded_from: the state whose lazy load this is.
    :param run_id: the number of the run that this one belongs to; what that has overwritten stays.
    :param only_load_props: another name of ``only_keys``.
    :param together: the rows are part of a larger result: its objects that came together, at each place of the
        statement. Whoever gives it makes peers of them.
    :param connection: the connection that the rows come from.
    """

    __slots__ = ()

    def carry(self, options: Sequence[Any]) -> CarriedOptions | None:
        """Give the options that the objects keep."""
        return carried(options)

    # -- called by row loaders ------------------------------------------------------------

    def gathered(self, pairing: Any) -> dict[int, Any]:
        """Give the memory of one pairing, which spans the chunks of a run."""
        gathered = self._gathered
        if gathered is None:
            gathered = self._gathered = {}
        return gathered.setdefault(pairing, {})

    def keep(self, obj: Any) -> None:
        """Hold an object until the run is over, so that its ``id()`` stays its own."""
        if self._held is None:
            self._held = []
        self._held.append(obj)

    def later(self, posts: Sequence[Any], objects: list[Any]) -> None:
        """Note objects for the loads that follow the rows of this chunk."""
        waiting = self.waiting
        if waiting is None:
            waiting = self.waiting = {}
        for post in posts:
            entry = waiting.get(id(post))
            if entry is None:
                waiting[id(post)] = (post, [objects])
            else:
                entry[1].append(objects)

    def came_together(self, loader: Any, objects: Sequence[Any]) -> None:
        """Note objects of this chunk that stand at one place of the statement: they become peers."""
        if loader.peers or loader.mapper.relationships:
            if self.together is None:
                self.together = {}
            self.together.setdefault(loader.path, []).extend(objects)

    # -- called by whoever runs the statement ------------------------------------------------

    def finish_chunk(self) -> None:
        """Run the loads that follow the rows, after each chunk of rows (all rows, without ``yield_per``)."""
        if self.together is not None and self._ends_result:
            together, self.together = self.together, None
            make_all_peers(together)
        while self.waiting:
            waiting, self.waiting = self.waiting, None
            for post, lists in waiting.values():
                found: dict[int, Any] = {}
                for objects in lists:
                    for obj in objects:
                        if obj is not None:
                            found[id(obj)] = obj
                if found:
                    post.run(self, list(found.values()))

    @contextmanager
    def one_result(self) -> Iterator[None]:
        """Let several statements of one follow-up load bring one result: what they load has come together."""
        if self.together is not None:
            yield
            return
        together: dict[Any, list[Any]] = {}
        self.together = together
        try:
            yield
        finally:
            self.together = None
        make_all_peers(together)

    # -- for the loads that follow ---------------------------------------------------------------

    def follow_up(self) -> dict[str, Any]:
        """Give the settings of this run that loads of related objects share, as keywords of a context."""
        return {
            "options": self.options,
            "populate_existing": self.populate_existing,
            "bind_arguments": self.bind_arguments,
            "identity_token": self.identity_token,
            "autoflush": False,
            "run_id": self.run_id,
            "together": self.together,
            "execution_options": self.options_handed_on(),
        }

    def options_handed_on(self) -> Mapping[str, Any]:
        """Give the execution options that loads of related objects share: all but those about this one's rows."""
        given = self.execution_options
        return given and {name: value for name, value in given.items() if name not in _NOT_HANDED_ON}


def settings_of_loader(settings: Mapping[str, Any], bind_arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the keywords of a context that a loader has sent along with its statement.

    :param settings: what ``run_select`` has put into the execution options.
    :param bind_arguments: those of the statement.  A mapper that only the loader has put there is for this statement
        alone.
    """
    own = settings.get("own_mapper")
    if own is not None and bind_arguments and bind_arguments.get("mapper") is own:
        bind_arguments = {name: value for name, value in bind_arguments.items() if name != "mapper"}
    found = {name: value for name, value in settings.items() if name not in ("kind", "path", "own_mapper")}
    found["bind_arguments"] = bind_arguments
    return found


def make_all_peers(together: Mapping[Any, list[Any]]) -> None:
    """Make peers of the objects that stand at one place of a statement, for each place."""
    for objects in together.values():
        make_peers(objects)


QueryContext = LoadContext
"""The documented name."""
