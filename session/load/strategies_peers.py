"""Relationships that are loaded at the first read, for all objects that came in the same result.

In: one object whose relationship is read, and the group of its peers (``load/carried.py``), which is found again in
the identity map.  Those whose relationship waits for a load like the object's own get it by the statements of
``load/strategies_selectin.py``.  What cannot be loaded that way is left to the single load of
``load/strategies_lazy.py``, which asks here first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from session.constants import INSTANCE_STATE
from session.load.carried import PeerGroup, peers_of
from session.load.context import LoadContext
from session.load.lazy_parts import plain_way
from session.load.loader_option import RELATIONSHIP
from session.load.prepared import run_select
from session.load.renamed import handed_on, path_of
from session.load.strategies_lazy import LazyLoader, compile_late, loader_for
from session.load.strategies_selectin import KEYS, SelectinLoad, set_scalar
from session.mapping.path import Path
from session.mapping.strategies import register

__all__ = ["PeerLoad", "PeersStrategy"]

NONE: Mapping[str, Any] = {}
ALONE = ("select", "immediate")
"""Strategies whose loads stay single, also in a Session where all others load for peers."""


@register("relationship", "peers")
class PeersStrategy:
    """The related objects are loaded when the attribute of one of several objects is read.

    :param prop: the relationship.
    """

    def __init__(self, prop: Any) -> None:
        self.prop = prop
        #: for objects that came without options; its statement is compiled once
        self.plain_load: PeerLoad | None = None

    def attribute_loader(self) -> Any:
        """Objects without peers load their own."""
        return loader_for(self.prop, "peers")

    def compile(self, build: Any, part: Any, mapper: Any, directive: Any, available: bool) -> None:
        """Select nothing, and have the objects know which others came with them."""
        compile_late(self.prop, part, "peers")
        part.peers = True

    def load(self, session: Any, state: Any, directive: Any, execution_options: Mapping[str, Any]) -> bool:
        """Load the relationship of one object and of its peers.

        :param state: the state of the object, whose relationship has no value.
        :param directive: what the object's options say about the relationship.
        :param execution_options: for the SELECTs.
        :return: whether the object has its value now; where not, nothing was done.
        """
        key = self.prop.key
        group = peers_of(state)
        if group is None or not self.wanted(session, directive) or not untouched(state, state.dict, key):
            return False
        peers = self.waiting(group, session, state)
        if not peers:
            group.found_none(key)
            return False
        load = self.load_for(state, directive)
        context = LoadContext(
            session,
            options=tuple(state.load_options),
            execution_options=execution_options,
            identity_token=state.identity_token,
            lazy_loaded_from=state,
        )
        load.run(context, [state.obj(), *peers])
        return bool(key in state.dict)

    def wanted(self, session: Any, directive: Any) -> bool:
        """Tell whether the relationship of an object is to be loaded together with that of others."""
        if directive is not None and directive.name:
            return bool(directive.name == "peers" or (session.lazy_peers and directive.name not in ALONE))
        strategy = self.prop.strategy
        return bool(strategy == "peers" or (session.lazy_peers and strategy != "immediate"))

    def waiting(self, group: PeerGroup, session: Any, state: Any) -> list[Any]:
        """Give the peers of an object that have to load the relationship too."""
        prop = self.prop
        key, owner = prop.key, prop.parent.class_
        shelf, deleted = state.shelf, session._deleted
        found = []
        for ident in group.round(state, key):
            peer = shelf.get(ident)
            obj = None if peer is None or peer is state else peer()
            if obj is None or key in obj.__dict__ or not isinstance(obj, owner):
                continue
            if untouched(peer, obj.__dict__, key) and peer not in deleted and loads_when_read(peer, prop):
                found.append(obj)
        return found

    def load_for(self, state: Any, directive: Any) -> PeerLoad:
        """Give the load for objects with the options and at the place of one of them."""
        prop = self.prop
        held, path = state.load_options, path_of(state)
        if path is None and not held:
            found = self.plain_load
            if found is None:
                found = self.plain_load = PeerLoad(prop, Path.root(prop.parent), directive)
            return found
        key = ("peers", prop, path)
        found = held.memo.get(key)
        if found is None:
            start = Path.root(state.manager.mapper) if path is None else path
            found = held.memo[key] = PeerLoad(prop, start, directive)
            found.by_target_key = found.by_target_key and plain_way(prop, state)
        return found


class PeerLoad(SelectinLoad):
    """One relationship, to be loaded for objects that came together.

    :param prop: the relationship.
    :param path: where the objects stand.
    :param directive: what their options say about it.
    """

    def __init__(self, prop: Any, path: Any, directive: Any) -> None:
        super().__init__(prop, prop.parent, path, directive)
        self.recursion_depth = 0
        self.with_options: Any = None
        self.arguments = (prop, path, directive)

    def divided(self, parents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Divide parents as others do.

        Parents with a key of several columns of which some are NULL are in neither: what that means to a load is up
        to the mapping, and left to their own.
        """
        having, without = super().divided(parents)
        if len(self.prop.get_pairs) > 1:
            having = [parent for parent in having if self.is_whole(parent)]
        return having, without

    def is_whole(self, parent: Any) -> bool:
        """Tell whether a parent's foreign key has a value in all of its columns, or in none."""
        dict_ = parent.__dict__
        mapper = dict_[INSTANCE_STATE].manager.mapper
        values = [dict_.get(mapper.get_property_by_column(local).key) for local, _ in self.prop.get_pairs]
        return None not in values or not any(value is not None for value in values)

    def awaited(self, context: Any, parents: Sequence[Any]) -> dict[Any, list[Any]]:
        """Give the primary keys of the targets that are not in the Session; the others are set at once."""
        by_ident = super().awaited(context, parents)
        target = self.target.mapper
        shelf = context.identity_map.shelves.get((target.identity_class, context.identity_token))
        if shelf is None:
            return by_ident
        for ident in list(by_ident):
            state = shelf.get(ident)
            obj = None if state is None or state.expired else state()
            if obj is not None and isinstance(obj, target.class_):
                for parent in by_ident.pop(ident):
                    set_scalar(parent, self.prop.key, obj)
        return by_ident

    def settings(self, context: Any) -> dict[str, Any]:
        """Give the keywords of the context of one SELECT."""
        return {**super().settings(context), "lazy_loaded_from": context.lazy_loaded_from}

    def columns(self, context: Any, keys: Sequence[Any]) -> list[list[Any]]:
        """Run the SELECT for one batch of keys.

        With options it is one of the Session's own statements: those of one shape share a plan, and this object
        lives as long as the options of one run only.
        """
        if not context.options:
            return super().columns(context, keys)
        settings = self.settings(context)
        bind_arguments = settings.pop("bind_arguments")
        if self.with_options is None:
            self.with_options = self.statement(handed_on(context.options))
        values = {KEYS: list(keys)}
        return run_select(
            context.session, self.with_options, values, self.target.mapper, RELATIONSHIP, bind_arguments, **settings
        )


def untouched(state: Any, dict_: dict[str, Any], key: str) -> bool:
    """Tell whether an attribute has neither a value nor changes that were not flushed."""
    if key in dict_ or (state.committed is not None and key in state.committed):
        return False
    extras = state.extras
    return extras is None or key not in extras.get("pending", ())


def loads_when_read(state: Any, prop: Any) -> bool:
    """Tell whether an object's attribute would run the lazy loader of a relationship now."""
    extras = state.extras
    loader = None if extras is None else extras.get("callables", NONE).get(prop.key)
    if loader is None:
        loader = state.manager[prop.key].impl.loader
    return isinstance(loader, LazyLoader) and loader.prop is prop
