"""What objects keep from the statement that loaded them: its options, and which objects came with them.

:class:`CarriedOptions` is one object for all objects of a run, so that it costs each of them a pointer.  Where
relationships load by peers, there is one for each group of objects that came together, which also has the
:class:`PeerGroup`.  Next on the way: ``load/strategies_lazy.py``, ``load/strategies_peers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from session._accel import loading
from session.constants import INSTANCE_STATE

__all__ = ["CarriedOptions", "PeerGroup", "carried", "make_peers", "peers_of", "rejoin"]

SMALLEST = 4
"""Peers that a round is for in any case: enough to find out whether values last again."""


class CarriedOptions(tuple[Any, ...]):
    """The options that objects keep from the statement that loaded them, for their lazy loads.

    One is made per run and shared by all its objects; what is worked out from it stays with it.
    """

    memo: dict[Any, Any]
    peers: PeerGroup | None = None

    def __new__(cls, options: Sequence[Any]) -> CarriedOptions:
        made = super().__new__(cls, options)
        made.memo = {}
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return (CarriedOptions, (tuple(self),))

    def among(self, peers: PeerGroup) -> CarriedOptions:
        """Give the same options for the objects of a group."""
        made = CarriedOptions(self)
        made.memo = self.memo
        made.peers = peers
        return made


def carried(options: Sequence[Any]) -> CarriedOptions | None:
    """Give the part of a statement's options that goes on to lazy loads, ``None`` if there is none."""
    if isinstance(options, CarriedOptions):
        return options if options else None
    chosen = [option for option in options if getattr(option, "propagate_to_loaders", False)]
    return CarriedOptions(chosen) if chosen else None


class Round(NamedTuple):
    """A load of one relationship for peers.

    :param size: for how many it was.
    :param ident: for whose read; ``None`` if there were no others that needed it.
    :param wasted: the values of the round before had gone when this one was asked for.
    """

    size: int
    ident: Any
    wasted: bool


class PeerGroup:
    """The objects that came together in one result, by their identities: nothing here keeps an object alive.

    An identity that has left the Session is no peer any more; once it has come back, it is one again.

    :param home: the identity map of the objects' Session, of which only the number is kept.
    :param identity_class: the class in the objects' identity keys.
    """

    __slots__ = ("__weakref__", "identity_class", "idents", "positions", "rounds", "session_id")

    def __init__(self, home: Any, identity_class: Any) -> None:
        self.session_id: int = home.session_id
        self.identity_class = identity_class
        self.idents: list[Any] = []
        #: where each stands in the list; made when a round is for less than all
        self.positions: dict[Any, int] | None = None
        self.rounds: dict[str, Round] = {}

    def is_like(self, other: PeerGroup) -> bool:
        """Tell whether another group is for objects of the same kind in the same Session."""
        return self.session_id == other.session_id and self.identity_class is other.identity_class

    def round(self, state: Any, key: str) -> list[Any]:
        """Give the identities of the peers whose relationship may be loaded together with an object's own.

        The first round is for all peers.  Another one comes when values were expired since.  If that goes on (a loop
        that commits in each turn), loading for all again and again would cost a multiple of single loads; so when the
        values of two rounds were gone before a third was asked for, each such round halves the next one, until one's
        values last, which doubles it.

        :param state: the state of the object whose relationship is read.
        :param key: the relationship's name.
        :return: identities, most often with the object's own; none if it has changed the Session.
        """
        home, shelf, idents = state.home, state.shelf, self.idents
        if shelf is None or home.session_id != self.session_id:
            return []
        size, wasted = self.next_round(shelf, key)
        self.rounds[key] = Round(size, state.ident, wasted)
        if size >= len(idents):
            return idents
        if self.positions is None:
            self.positions = {ident: number for number, ident in enumerate(idents)}
        start = self.positions.get(state.ident, 0)
        chosen = idents[start : start + size]
        return chosen + idents[: size - len(chosen)]

    def next_round(self, shelf: dict[Any, Any], key: str) -> tuple[int, bool]:
        """Tell how many peers the next round is for, and whether the one before was of no use."""
        everything = len(self.idents)
        before = self.rounds.get(key)
        if before is None:
            return everything, False
        state = None if before.ident is None else shelf.get(before.ident)
        obj = None if state is None else state()
        if obj is not None and key in obj.__dict__:
            return min(before.size * 2, everything), False
        return max(before.size // 2, SMALLEST) if before.wasted else before.size, True

    def found_none(self, key: str) -> None:
        """Note that a round was for the object alone."""
        if key in self.rounds:
            self.rounds[key] = self.rounds[key]._replace(ident=None)


def make_peers(objects: Sequence[Any]) -> None:
    """Make objects of one result peers of each other.

    Who came in a larger result before goes on loading for that one: else many small results would break it up.

    :param objects: persistent objects, each once or several times, and ``None``.
    """
    first = next((obj for obj in objects if obj is not None), None)
    if first is None or len(objects) < 2:
        return
    state = first.__dict__[INSTANCE_STATE]
    groups: dict[int, PeerGroup] = {}
    if peers_of(state) is None and state.shelf is not None:
        # nearly always all objects are as the first, which has just been made
        group = groups[id(state.shelf)] = PeerGroup(state.home, state.manager.identity_class)
        options = options_among(state.load_options, group, 0)
        objects = loading.carry_options(objects, state.shelf, state.load_options, options, group.idents)
    if objects:
        join_one_by_one(objects, groups)


def join_one_by_one(objects: Sequence[Any], groups: dict[int, PeerGroup]) -> None:
    """Let objects with different options, or of different classes, join the group of their class.

    :param groups: the groups that some have joined already, by the number of the shelf.
    """
    distinct = {id(obj): obj for obj in objects if obj is not None}
    count = len(distinct) + sum(len(group.idents) for group in groups.values())
    if count < 2:
        return
    copies: dict[tuple[int, int], CarriedOptions] = {}
    for obj in distinct.values():
        state = obj.__dict__[INSTANCE_STATE]
        held, shelf = state.load_options, state.shelf
        if shelf is None:  # a listener has taken it out of the Session
            continue
        group = groups.get(id(shelf))
        if group is None:
            group = groups[id(shelf)] = PeerGroup(state.home, state.manager.identity_class)
        options = copies.get((id(held), id(group)))
        if options is None:
            options = copies[id(held), id(group)] = options_among(held, group, count)
        state.load_options = options
        group.idents.append(state.ident)


def options_among(held: CarriedOptions | None, group: PeerGroup, count: int) -> CarriedOptions:
    """Give what objects carry that have come together.

    :param held: what they have carried so far, which stays if it names a larger group.
    :param group: their group.
    :param count: how many will be in it.
    """
    if held is None:
        return CarriedOptions(()).among(group)
    before = held.peers
    if before is not None and len(before.idents) > count and before.is_like(group):
        return held
    return held.among(group)


def rejoin(state: Any, peers: PeerGroup) -> None:
    """Give an object its peers back, after it has been given other options."""
    held = state.load_options
    if peers_of(state) is not peers:
        state.load_options = (CarriedOptions(()) if held is None else held).among(peers)


def peers_of(state: Any) -> PeerGroup | None:
    """Give the group of an object, ``None`` if it has none."""
    held = state.load_options
    return None if held is None else getattr(held, "peers", None)
