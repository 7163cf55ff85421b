"""Pickles objects of all kinds (``write FILE``), or reads them and shows that they work (``read FILE``)."""

# ruff: noqa: T201

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, select

from session import Session, implementation, joinedload, lazyload, selectinload
from tests.parity.isolated.models import Parcel, Person, database, populate


def write(path: Path) -> None:
    session = Session(database(), autoflush=False)
    populate(session)
    people = (
        session.scalars(
            select(Person).order_by(Person.id).options(selectinload(Person.letters), joinedload(Person.circles))
        )
        .unique()
        .all()
    )
    people[1].name = "changed"
    people[1].letters.append(Parcel(id=50, text="pending"))
    session.expire(people[2])
    lazy = session.scalars(select(Parcel).options(lazyload(Parcel.person)).order_by(Parcel.id)).all()
    transient = Person(name="transient", letters=[Parcel(text="its own")])
    alike = [Person(name="one"), Person(name="two")]
    kinds = {
        "alike": alike,
        "people": people,
        "lazy": lazy,
        "transient": transient,
        "state": inspect(people[0]),
        "class": Person,
    }
    path.write_bytes(
        pickle.dumps([pickle.dumps(kinds, protocol) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)])
    )
    print(implementation())


def read(path: Path) -> None:
    written = path.read_bytes()
    assert b"_cy" not in written
    assert b"session._py" not in written
    for one in pickle.loads(written):
        statements: list[Any] = []
        engine = database(statements)
        with Session(engine) as session:
            populate(session)
        kinds = pickle.loads(one)
        first, second = kinds["alike"]
        inspect(first).committed_state.clear()
        assert inspect(second).attrs.name.history == (["two"], (), ())
        assert list(inspect(second).committed_state) == ["name"]
        people, lazy, transient = kinds["people"], kinds["lazy"], kinds["transient"]
        assert type(inspect(people[0])) is type(inspect(transient))
        assert inspect(people[0])() is people[0]
        assert inspect(people[0]).detached
        assert inspect(people[0]).key == (Person, (1,), None)
        assert [letter.id for letter in people[1].letters] == [1, 3, 5, 50]
        assert [circle.name for circle in people[0].circles] == ["one", "two"]
        assert inspect(people[1]).attrs.name.history == (["changed"], (), ["person 2"])
        assert inspect(people[2]).expired_attributes
        assert inspect(transient).transient
        assert transient.letters[0].person is transient
        assert kinds["state"]() is people[0] or kinds["state"]().id == 1
        assert kinds["class"] is Person
        with Session(engine) as session:
            statements.clear()
            session.add_all([*people, transient])
            assert people[2].name == "person 3"
            assert people[0].note == "note 1"
            session.commit()
            assert session.get(Person, 2) is people[1]
            assert people[1].name == "changed"
            assert session.get(Parcel, 50).person is people[1]
            assert transient.id is not None
            for parcel in lazy:
                assert session.merge(parcel).person is people[1]
        assert sum(statement.startswith("UPDATE person") for statement, _, _ in statements) == 1
    print(implementation())


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
