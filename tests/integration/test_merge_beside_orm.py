"""``Session.merge`` in random situations, on this package and on ``sqlalchemy.orm``: history, SQL and errors are equal."""

from __future__ import annotations

import random
import warnings
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, ForeignKey, Integer, String, create_engine, event, inspect
from sqlalchemy.pool import StaticPool

import session as ours

from ..parity.hot import CPYTHON

ATTRIBUTES = {"Parent": ("id", "name", "note", "children"), "Child": ("id", "name", "parent_id", "parent", "friends")}


class Program:
    """One random program on one library.

    :param orm: the library.
    :param chance: makes the same choices for both.
    """

    def __init__(self, orm: ModuleType, chance: random.Random) -> None:
        self.orm = orm
        self.chance = chance
        self.seen: list[Any] = []
        base: Any = orm.declarative_base()

        class Parent(base):
            __tablename__ = "parent"
            id = Column(Integer, primary_key=True)
            name = Column(String)
            note = orm.deferred(Column(String))
            version = Column(Integer, nullable=False)
            children = orm.relationship("Child", back_populates="parent", cascade="all, delete-orphan")
            __mapper_args__ = {"version_id_col": version}

        class Child(base):
            __tablename__ = "child"
            id = Column(Integer, primary_key=True)
            name = Column(String)
            parent_id = Column(ForeignKey("parent.id"))
            friend_id = Column(ForeignKey("child.id"))
            parent = orm.relationship("Parent", back_populates="children")
            friends = orm.relationship("Child")

        self.Parent: Any = Parent
        self.Child: Any = Child
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        base.metadata.create_all(self.engine)
        with orm.Session(self.engine) as session:
            for number in range(1, 4):
                children = [Child(id=number * 10 + place, name=f"c{place}") for place in range(2)]
                session.add(Parent(id=number, name=f"p{number}", note="n", children=children))
            session.commit()
        event.listen(self.engine, "before_cursor_execute", self.note_sql)

    def note_sql(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        verb = statement.split()[0]
        for row in parameters if many else [parameters]:
            self.seen.append((verb, row if verb == "UPDATE" else len(row)))

    def run(self) -> list[Any]:
        """Merge into a Session that has some of the rows, a few times; give all that was seen."""
        chance = self.chance
        with self.orm.Session(self.engine, autoflush=chance.random() < 0.7) as session:
            present = [session.get(self.Parent, number) for number in range(1, 4) if chance.random() < 0.7]
            for parent in present:
                if chance.random() < 0.5:
                    len(parent.children)
                if chance.random() < 0.3:
                    session.expire(parent)
                elif chance.random() < 0.3:
                    parent.name = "changed"
            merged = []
            for _ in range(3):
                load = chance.random() < 0.7
                given = self.detached() if not load or chance.random() < 0.4 else self.transient()
                try:
                    merged.append(session.merge(given, load=load))
                except Exception as error:
                    self.seen.append(type(error).__name__)
                    break
                self.seen.append(self.picture(session, [*present, *merged]))
            else:
                try:
                    session.commit()
                except Exception as error:
                    self.seen.append(type(error).__name__)
        self.engine.dispose()
        return self.seen

    def transient(self) -> Any:
        chance = self.chance
        values: dict[str, Any] = {"name": chance.choice(["p1", "new", None])}
        if chance.random() < 0.8:
            values["id"] = chance.randrange(1, 6)
        if chance.random() < 0.3:
            values["note"] = "given"
        if chance.random() < 0.2:
            values["version"] = chance.choice([1, 2])
        if chance.random() < 0.6:
            values["children"] = [self.child() for _ in range(chance.randrange(3))]
        return self.Parent(**values)

    def child(self) -> Any:
        chance = self.chance
        made = self.Child(
            id=chance.choice([None, 10, 11, 20, 50 + chance.randrange(40)]), name=chance.choice(["a", "c0"])
        )
        if made.id is None:
            del made.id
        if chance.random() < 0.2:
            made.friends = [self.Child(id=chance.choice([94, 95]), name="friend")]
        return made

    def detached(self) -> Any:
        chance = self.chance
        with self.orm.Session(self.engine) as other:
            given = other.get(self.Parent, chance.randrange(1, 4))
            if chance.random() < 0.5:
                len(given.children)
            if chance.random() < 0.2:
                other.expire(given, ["name"])
        if chance.random() < 0.2:
            given.name = "changed outside"
        return given

    def picture(self, session: Any, objects: list[Any]) -> Any:
        known = {id(obj): obj for obj in [*objects, *session]}
        rows = []
        for obj in known.values():
            state = inspect(obj)
            flags = [state.modified, state.pending, state.persistent, obj in session.dirty]
            changes = [
                (key, [self.plain(part) for part in state.attrs[key].history]) for key in ATTRIBUTES[type(obj).__name__]
            ]
            rows.append([type(obj).__name__, repr(state.identity), flags, changes])
        return sorted(rows, key=repr)

    def plain(self, part: Any) -> Any:
        """Values of a history, objects by what they hold."""
        return [
            (type(value).__name__, value.__dict__.get("id")) if hasattr(value, "__dict__") else value
            for value in part or ()
        ]


@pytest.mark.skipif(not CPYTHON, reason="what nobody holds is still there for a while, and not in both alike")
@pytest.mark.parametrize("seed", range(60))
def test_random_merges_go_as_in_sqlalchemy_orm(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, theirs = [Program(orm, random.Random(seed)).run() for orm in (ours, sqlalchemy.orm)]
    assert mine == theirs
