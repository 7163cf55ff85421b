"""Random programs on the whole package; prints what can be seen after each step.

Arguments: the seeds.
"""

# ruff: noqa: T201

from __future__ import annotations

import gc
import random
import re
import sys
import warnings
from typing import Any

from sqlalchemy import inspect, select

from session import Session, implementation, joinedload, selectinload
from tests.parity.isolated.models import Circle, Letter, Parcel, Person, database, populate

STEPS = 60


def main() -> None:
    print(implementation())
    gc.disable()  # what is garbage goes after each step, and at no moment that is the interpreter's
    gc.freeze()  # modules and classes are none: each step is spared to look at them
    for seed in map(int, sys.argv[1:]):
        print("seed", seed)
        run(random.Random(seed))


def run(chance: random.Random) -> None:
    statements: list[Any] = []
    engine = database(statements if chance.random() < 0.7 else None)
    session = Session(engine, autoflush=chance.random() < 0.8, expire_on_commit=chance.random() < 0.7)
    populate(session)
    held: list[Any] = []
    fresh = iter(range(100, 1000))
    for number in range(STEPS):
        statements.clear()
        step = chance.choice(sorted(ACTIONS))
        obj = chance.choice(held) if held else None
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                gives = ACTIONS[step](session, chance, held, obj, fresh)
        except Exception as error:
            gives = (type(error).__name__, plain(str(error)))
            session.rollback()
        obj = None
        gc.collect()
        print(number, step, plain(repr(gives)), [plain(str(warning.message)) for warning in caught], statements)
        for each in held:
            print("   ", picture(each))
        print("   ", *(sorted(map(repr, part)) for part in (session.new, session.dirty, session.deleted)))
        print("   ", sorted((cls.__name__, key, token) for cls, key, token in session.identity_map.keys()))  # noqa: SIM118
    session.close()


def plain(text: str) -> str:
    return re.sub("0x[0-9a-f]+", "0x", text)


def picture(obj: Any) -> str:
    state = inspect(obj)
    words = [
        w
        for w in ("transient", "pending", "persistent", "deleted", "detached", "modified", "expired")
        if getattr(state, w)
    ]
    values = {key: value for key, value in obj.__dict__.items() if not key.startswith("_")}
    history = {key: tuple(state.attrs[key].history) for key in sorted(values)}
    return plain(f"{obj!r} {words} {values} {history} {sorted(state.unloaded)} {sorted(state.expired_attributes)}")


def load(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    cls = chance.choice([Person, Letter, Parcel, Circle])
    statement = select(cls).order_by(cls.id)
    if cls is Person:
        statement = statement.options(
            *chance.sample(
                [
                    selectinload(Person.letters),
                    joinedload(Person.circles),
                    joinedload(Person.boss),
                    selectinload(Person.staff),
                ],
                2,
            )
        )
    if chance.random() < 0.2:
        statement = statement.execution_options(populate_existing=True)
    found = session.scalars(statement).unique().all()
    held.extend(each for each in found if chance.random() < 0.4 and each not in held)
    return found


def get(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    found = session.get(chance.choice([Person, Letter, Circle]), chance.randrange(1, 7))
    if found is not None and found not in held:
        held.append(found)
    return found


def make(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    number = next(fresh)
    made = chance.choice(
        [
            lambda: Person(id=number, name="made"),
            lambda: Person(name="without a key"),
            lambda: Parcel(id=number, weight=1.5, person=obj if isinstance(obj, Person) else None),
            lambda: Circle(id=number, name="made", people=[obj] if isinstance(obj, Person) else []),
        ]
    )()
    if chance.random() < 0.8:
        session.add(made)
    held.append(made)
    return made


def change(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    if isinstance(obj, Person):
        key = chance.choice(["name", "note", "rank"])
        value = chance.randrange(3)
        setattr(obj, key, value if key == "rank" else str(value))
    elif isinstance(obj, Letter):
        obj.text = f"changed {chance.randrange(3)}"
    elif obj is not None:
        obj.name = "changed"
    return obj


def relate(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    people = [each for each in held if isinstance(each, Person)]
    other = chance.choice(people) if people else None
    if isinstance(obj, Letter):
        obj.person = chance.choice([None, other])
    elif isinstance(obj, Circle) and other is not None:
        (obj.people.remove if other in obj.people else obj.people.append)(other)
    elif isinstance(obj, Person) and obj is not other:
        obj.boss = other
    return other


def empty(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    if isinstance(obj, Person):
        setattr(obj, chance.choice(["letters", "circles", "staff"]), [])
    return obj


def read(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    if obj is None:
        return None
    keys = sorted(inspect(type(obj)).attrs.keys())
    return [(key, getattr(obj, key)) for key in chance.sample(keys, 2)]


def delete(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    return obj is not None and session.delete(obj)


def expire(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    return obj is not None and chance.choice([session.expire, session.refresh, session.expunge])(obj)


def finish(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    return chance.choice([session.flush, session.commit, session.rollback, session.expire_all])()


def forget(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    if obj is not None:
        held.remove(obj)


def nested(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    savepoint = session.begin_nested()
    change(session, chance, held, obj, fresh)
    return chance.choice([savepoint.commit, savepoint.rollback])()


def merge(session: Any, chance: random.Random, held: list[Any], obj: Any, fresh: Any) -> Any:
    return session.merge(Person(id=chance.randrange(1, 4), name="merged"))


ACTIONS = {
    function.__name__: function
    for function in (load, get, make, change, relate, empty, read, delete, expire, finish, forget, nested, merge)
}

if __name__ == "__main__":
    main()
