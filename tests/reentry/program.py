"""Works with objects while user code meddles: each kind of work, each place, each kind of meddling.

Run with a number of combinations to take by chance (0: all of them) and a seed.  What is under way is written to the
file that the third argument names, for when the process crashes.
"""

# ruff: noqa: T201

from __future__ import annotations

import gc
import logging
import pickle
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

from sqlalchemy import inspect, select

from session import Session, attributes, implementation, joinedload, make_transient, selectinload

from .world import PLACES, Base, Key, Node, Note, Tag, Value, armed, heard, heard_before, listen, new_engine, populate


class Meddling(Exception):
    """What user code raises."""


class Scene:
    """A Session with objects, and what user code can reach of them."""

    def __init__(self, engine: Any) -> None:
        self.session = Session(engine)
        self.nodes: list[Any] = list(self.session.scalars(select(Node)))
        self.given: list[Any] = []

    @property
    def node(self) -> Any:
        return self.nodes[0]


# -- what user code does -----------------------------------------------------------------------------------------


def raise_error(scene: Scene, subject: Any) -> None:
    raise Meddling


def interrupt(scene: Scene, subject: Any) -> None:
    raise KeyboardInterrupt


def collect(scene: Scene, subject: Any) -> None:
    gc.collect()


def let_go(scene: Scene, subject: Any) -> None:
    del scene.nodes[1:]
    scene.given.clear()


def expunge_all(scene: Scene, subject: Any) -> None:
    scene.session.expunge_all()


def expire_all(scene: Scene, subject: Any) -> None:
    scene.session.expire_all()


def close(scene: Scene, subject: Any) -> None:
    scene.session.close()


def roll_back(scene: Scene, subject: Any) -> None:
    scene.session.rollback()


def flush(scene: Scene, subject: Any) -> None:
    scene.session.flush()


def commit(scene: Scene, subject: Any) -> None:
    scene.session.commit()


def query(scene: Scene, subject: Any) -> None:
    scene.session.scalars(select(Node).options(selectinload(Node.children))).all()


def add_more(scene: Scene, subject: Any) -> None:
    scene.session.add_all([Node(id=100 + n, parent=scene.node) for n in range(30)])


def delete_others(scene: Scene, subject: Any) -> None:
    for node in scene.nodes[1:]:
        scene.session.delete(node)


def change_others(scene: Scene, subject: Any) -> None:
    for node in scene.nodes:
        node.value = Value(9)
        node.parent = None


def empty_dicts(scene: Scene, subject: Any) -> None:
    for node in scene.nodes:
        for key in ("value", "other", "parent", "children", "id"):
            node.__dict__.pop(key, None)


def empty_everything(scene: Scene, subject: Any) -> None:
    for node in scene.nodes:
        node.__dict__.clear()


def fill_dicts(scene: Scene, subject: Any) -> None:
    for node in scene.nodes:
        node.__dict__.update({f"extra {n}": n for n in range(50)})


def change_collections(scene: Scene, subject: Any) -> None:
    node = scene.node
    del node.children[:]
    node.children.extend([Node(id=200 + n) for n in range(20)])
    node.tags.clear()
    node.notes.clear()


def replace_collections(scene: Scene, subject: Any) -> None:
    node = scene.node
    node.children = [Node(id=300)]
    node.tags = set()
    node.notes = {}
    del node.children


def change_given(scene: Scene, subject: Any) -> None:
    scene.given[:] = [Node(id=400 + n) for n in range(3)]


def transient(scene: Scene, subject: Any) -> None:
    for node in scene.nodes:
        make_transient(node)


def expire_one(scene: Scene, subject: Any) -> None:
    for node in scene.nodes:
        scene.session.expire(node, ["value", "children"])


def merge(scene: Scene, subject: Any) -> None:
    scene.session.merge(Node(id=1, value=Value(5), children=[Node(id=2)]), load=True)


def spoil_subject(scene: Scene, subject: Any) -> None:
    values = getattr(subject, "__dict__", None)
    if isinstance(values, dict) and isinstance(subject, Base):
        values.clear()
    if isinstance(subject, list):
        list.clear(subject)


ACTIONS: tuple[Callable[[Scene, Any], None], ...] = (
    raise_error, interrupt, collect, let_go, expunge_all, expire_all, close, roll_back, flush, commit, query, add_more,
    delete_others, change_others, empty_dicts, empty_everything, fill_dicts, change_collections, replace_collections,
    change_given, transient, expire_one, merge, spoil_subject,
)  # fmt: skip


# -- the work in which it is called --------------------------------------------------------------------------------


def load(scene: Scene) -> None:
    scene.session.scalars(select(Node).execution_options(populate_existing=True)).all()


def load_new(scene: Scene) -> None:
    scene.nodes.clear()
    scene.session.expunge_all()
    scene.nodes.extend(scene.session.scalars(select(Node)))


def load_related(scene: Scene) -> None:
    options = selectinload(Node.children).selectinload(Node.children), joinedload(Node.tags), selectinload(Node.notes)
    scene.session.scalars(select(Node).options(*options)).unique().all()


def load_lazily(scene: Scene) -> None:
    for node in list(scene.nodes):
        node.children, node.parent, node.tags, node.notes  # noqa: B018


def get(scene: Scene) -> None:
    for number in range(7):
        scene.session.get(Node, Key(number))


def refresh(scene: Scene) -> None:
    for node in list(scene.nodes):
        scene.session.expire(node)
        node.value  # noqa: B018
        scene.session.refresh(node)


def set_scalars(scene: Scene) -> None:
    for node in list(scene.nodes):
        node.value = Value(7)
        node.value = Value(8)
        node.other = node.value
        del node.other


def set_references(scene: Scene) -> None:
    for node in list(scene.nodes):
        node.parent = scene.node
        node.parent = None
        node.parent = Node(id=50)


def change_children(scene: Scene) -> None:
    node = scene.node
    node.children.append(Node(id=60))
    node.children.remove(node.children[0])
    node.children[0:2] = [Node(id=61), Node(id=62)]
    node.children.sort(key=lambda child: int(child.id))
    node.children = [node.children[0], Node(id=63)]
    node.tags |= {Tag(id=60)}
    node.tags.discard(next(iter(node.tags)))
    node.notes["x"] = Note(text="x")
    node.notes.pop("x")
    node.notes = {"y": Note(text="y")}


def histories(scene: Scene) -> None:
    for node in list(scene.nodes):
        node.value = Value(1)
        for attribute in inspect(node).attrs:
            attribute.history  # noqa: B018
        attributes.get_history(node, "children")
        scene.session.is_modified(node)
    scene.session.dirty  # noqa: B018


def write_changes(scene: Scene) -> None:
    for node in list(scene.nodes):
        node.value = Value(3)
    scene.session.flush()


def write_new(scene: Scene) -> None:
    scene.given = [Node(id=70 + n, value=Value(n), parent=scene.node, tags={Tag(id=70 + n)}) for n in range(5)]
    scene.session.add_all(scene.given)
    scene.session.flush()


def write_tree(scene: Scene) -> None:
    top = Node(id=80, children=[Node(id=81, children=[Node(id=82)]), Node(id=83)], notes={"n": Note(text="n")})
    scene.session.add(top)
    scene.session.flush()


def write_deletions(scene: Scene) -> None:
    scene.session.delete(scene.node)
    scene.session.flush()


def write_keys(scene: Scene) -> None:
    for node in scene.nodes[3:]:
        node.id = Key(int(node.id) + 90)
    scene.session.flush()


def commit_all(scene: Scene) -> None:
    write_changes(scene)
    scene.session.commit()


def undo(scene: Scene) -> None:
    write_changes(scene)
    with scene.session.begin_nested() as nested:
        write_new(scene)
        nested.rollback()
    scene.session.rollback()


def merge_many(scene: Scene) -> None:
    children = [Node(id=Key(n), value=Value(n)) for n in (2, 3, 90)]
    scene.given = [Node(id=Key(1), value=Value(2), children=children, notes={"1": Note(id=1, text="1")}), *children]
    scene.session.merge_all(scene.given)


def come_and_go(scene: Scene) -> None:
    scene.given = [Node(id=95), Node(id=96, children=[Node(id=97)])]
    scene.session.add_all(scene.given)
    for obj in list(scene.given):
        scene.session.expunge(obj)
    scene.session.expire_all()
    scene.session.expunge_all()
    scene.session.add_all(scene.nodes)


def look(scene: Scene) -> None:
    identities = scene.session.identity_map
    list(identities.items())
    for key in list(identities.keys()):
        identities.get(key)
    list(scene.session)
    repr([inspect(node) for node in scene.nodes])
    scene.node in scene.session  # noqa: B015


def pickle_objects(scene: Scene) -> None:
    scene.node.children, scene.node.notes  # noqa: B018
    copies = pickle.loads(pickle.dumps([scene.node, Node(id=98)]))
    scene.session.merge(copies[0], load=False)


def construct(scene: Scene) -> None:
    scene.given = [Node(id=99, value=Value(1), other=Value(2), children=[Node()], tags={Tag()}, parent=scene.node)]
    scene.given[0].value  # noqa: B018
    Node().value  # noqa: B018


WORK: tuple[Callable[[Scene], None], ...] = (
    load, load_new, load_related, load_lazily, get, refresh, set_scalars, set_references, change_children, histories,
    write_changes, write_new, write_tree, write_deletions, write_keys, commit_all, undo, merge_many, come_and_go, look,
    pickle_objects, construct,
)  # fmt: skip


def main(count: str, seed: str, log: str) -> None:
    print(implementation())
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None
    engine = new_engine()
    populate(engine)
    combinations = [(work, place, act) for work in WORK for place in PLACES for act in ACTIONS]
    if int(count):
        combinations = random.Random(int(seed)).sample(combinations, int(count))
    errors: dict[str, int] = {}
    with open(log, "w") as under_way:
        for work, place, act in combinations:
            under_way.seek(0)
            under_way.write(f"{work.__name__}, {place}, {act.__name__}{' ' * 40}\n")
            under_way.flush()
            error = run(engine, work, place, act)
            name = type(error).__name__
            errors[name] = errors.get(name, 0) + 1
    print(len(combinations), errors)
    print(heard)
    print("silent:", [place for place in PLACES if place not in heard])
    print("alive")


def run(engine: Any, work: Callable[[Scene], None], place: str, act: Callable[[Scene, Any], None]) -> Any:
    """One kind of work with one kind of meddling at one place; afterwards all has to be as before."""
    scene = Scene(engine)
    heard_before.update(heard)
    end = listen(place)
    armed[place] = lambda subject: act(scene, subject)
    error: BaseException | None = None
    try:
        work(scene)
    except (Exception, KeyboardInterrupt) as caught:
        error = caught
    finally:
        armed.clear()
        end()
    session = scene.session
    whole = session.in_transaction() and act not in (empty_everything, spoil_subject)
    try:
        session.rollback()
        if whole:
            assert not session.new
            assert not session.deleted
            assert not session.dirty
        session.close()
        again = session.scalars(select(Node)).all()
        assert again or "commit" in f"{work.__name__} {act.__name__}"
        for node in again:
            node.children, node.value  # noqa: B018
        session.close()
    except BaseException as failure:
        failure.add_note(f"after {work.__name__}, {place}, {act.__name__}, which met {error!r}")
        raise
    scene.nodes.clear()
    populate(engine)
    return error


if __name__ == "__main__":
    main(*sys.argv[1:])
