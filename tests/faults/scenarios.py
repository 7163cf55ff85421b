"""What programs do: each scenario is one transaction of a Session, from the first statement to the commit.

A scenario takes the Session and a list for the objects that it uses; objects that it makes are in
the list already when it runs again, and are added again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from session import Session, joinedload, selectinload
from tests.integration.session_models import Address, Base, Document, Group, Node, Place, User, user_groups

Scenario = Callable[[Session, list[Any]], None]
SCENARIOS: dict[str, Scenario] = {}
TWO_PHASE: dict[str, Scenario] = {}
FAST_STATEMENTS: dict[str, int] = {}
"""How many statements of a scenario go past Core, at least."""


def scenario(fast: int, into: dict[str, Scenario] = SCENARIOS) -> Callable[[Scenario], Scenario]:
    def enter(function: Scenario) -> Scenario:
        into[function.__name__] = function
        FAST_STATEMENTS[function.__name__] = fast
        return function

    return enter


def populate(connection: Connection) -> None:
    """Empty the tables and fill them with what all scenarios start from."""
    for statement in _EMPTYING:
        connection.execute(statement)
    names = ["ann", "ben", "cat", "dan"]
    connection.execute(_INSERTS["user"], [{"name": name, "age": 30} for name in names])
    connection.execute(_INSERTS["group"], [{"name": f"group of {name}"} for name in names])
    users = {name: key for key, name in connection.execute(_KEYS["user"])}
    groups = {name: key for key, name in connection.execute(_KEYS["group"])}
    emails = [{"email": f"{name}{number}@x", "user_id": users[name]} for name in names for number in (1, 2)]
    connection.execute(_INSERTS["address"], emails)
    members = [{"user_id": users[name], "group_id": groups[f"group of {name}"]} for name in names]
    connection.execute(_INSERTS["member"], members)
    parent = connection.execute(_INSERTS["node"], {"name": "root"}).inserted_primary_key[0]
    connection.execute(_INSERTS["node"], [{"name": name, "parent_id": parent} for name in ("left", "right")])
    connection.execute(_INSERTS["place"], {"country": "no", "number": 1, "name": "Oslo"})
    connection.execute(_INSERTS["document"], {"body": "draft", "version": 1})


_TABLES = {
    "user": User.__table__,
    "group": Group.__table__,
    "address": Address.__table__,
    "member": user_groups,
    "node": Node.__table__,
    "place": Place.__table__,
    "document": Document.__table__,
}
# Made once: these run more often than all others.
_EMPTYING = [delete(table) for table in reversed(Base.metadata.sorted_tables)]
_INSERTS = {name: insert(table) for name, table in _TABLES.items()}
_KEYS = {name: select(_TABLES[name].c.id, _TABLES[name].c.name) for name in ("user", "group")}


def _all_without_keys() -> dict[str, Any]:
    users, addresses, groups, nodes = (_TABLES[name] for name in ("user", "address", "group", "node"))
    parents = nodes.alias()
    return {
        "user": select(users.c.name, users.c.age),
        "address": select(addresses.c.email, users.c.name).outerjoin_from(addresses, users),
        "group": select(groups.c.name),
        "member": select(users.c.name, groups.c.name).select_from(user_groups.join(users).join(groups)),
        "node": select(nodes.c.name, parents.c.name).outerjoin_from(nodes, parents, nodes.c.parent_id == parents.c.id),
        "place": select(_TABLES["place"]),
        "document": select(_TABLES["document"].c.body, _TABLES["document"].c.version),
    }


_CONTENTS = _all_without_keys()


def contents(connection: Connection) -> list[tuple[Any, ...]]:
    """Give all that is in the database, without the keys that it made itself."""
    found: list[tuple[Any, ...]] = []
    for name, statement in _CONTENTS.items():
        found.extend((name, *row) for row in connection.execute(statement))
    return sorted(found, key=repr)


def user(session: Session, name: str, *options: Any) -> User:
    return session.scalars(select(User).where(User.name == name).options(*options)).unique().one()


@scenario(fast=4)
def insert_with_children(session: Session, kept: list[Any]) -> None:
    if not kept:
        new = User(name="eve", addresses=[Address(email="eve1@x"), Address(email="eve2@x")])
        tree = Node(name="a", children=[Node(name="b", children=[Node(name="c")])])
        kept += [new, *new.addresses, tree, *tree.children, Place(country="se", number=2, name="Ume")]
    session.add_all(kept)
    session.flush()
    session.add(User(name="fay"))
    session.commit()


@scenario(fast=2)
def insert_many(session: Session, kept: list[Any]) -> None:
    if not kept:
        kept += [User(name=f"user {n}", age=n, addresses=[Address(email=f"{n}@x")]) for n in range(12)]
        kept += [Place(country="fi", number=n, name=str(n)) for n in range(12)]
    session.add_all(kept)
    session.commit()


@scenario(fast=3)
def change(session: Session, kept: list[Any]) -> None:
    people = session.scalars(select(User).order_by(User.name)).all()
    document, place = session.scalars(select(Document)).one(), session.get_one(Place, ("no", 1))
    kept[:] = [*people, document, place]
    for number, person in enumerate(people):
        person.age = 40 + number
    document.body = "final"
    place.number = 5
    session.flush()
    people[0].addresses.append(Address(email="more@x"))
    people[0].addresses[0].email = "changed@x"
    people[1].groups = []
    people[3].groups.append(Group(name="new group"))
    people[2].name = "kim"
    session.commit()


@scenario(fast=4)
def delete_with_children(session: Session, kept: list[Any]) -> None:
    ann, ben = user(session, "ann"), user(session, "ben", selectinload(User.addresses))
    tree = session.scalars(select(Node).where(Node.name == "root")).one()
    kept[:] = [ann, ben, *ann.addresses, *ben.addresses, tree, *tree.children]
    session.delete(ann)
    session.delete(tree)
    ben.addresses.pop(0)
    session.commit()


@scenario(fast=2)
def savepoints(session: Session, kept: list[Any]) -> None:
    ann = user(session, "ann")
    first, second, third = User(name="first"), User(name="second"), User(name="third")
    kept[:] = [ann, first, third]
    session.add(first)
    with session.begin_nested():
        ann.age = 50
        session.add(second)
        kept.append(second)
    inner = session.begin_nested()
    ann.age = 51
    ann.addresses.clear()
    session.add(third)
    session.flush()
    inner.rollback()
    assert ann.age == 50
    assert len(ann.addresses) == 2
    with session.begin_nested():
        session.delete(ann.addresses[0])
    session.commit()


@scenario(fast=8)
def loads(session: Session, kept: list[Any]) -> None:
    people = session.scalars(select(User).options(selectinload(User.addresses)).order_by(User.id)).all()
    kept[:] = [*people, *[address for person in people for address in person.addresses]]
    kept += [group for person in people for group in person.groups]
    session.scalars(select(Address).options(joinedload(Address.user))).all()
    assert [name for (name,) in session.execute(select(User.name).where(User.name.in_(["ann", "ben"])))]
    for partition in session.scalars(select(Address).execution_options(yield_per=3)).partitions():
        kept += partition
    session.expire(people[0])
    assert people[0].age == 30
    session.refresh(people[1], ["name", "addresses"])
    assert session.get(User, -1) is None
    assert session.query(Node).filter(Node.parent.has(name="root")).count() == 2
    for node in session.scalars(select(Node)):
        assert node.parent is None or node.parent.name == "root"
    people[3].age = 77
    session.commit()


@scenario(fast=4)
def merge_objects(session: Session, kept: list[Any]) -> None:
    ids = dict(session.execute(select(User.name, User.id)).all())
    given = User(id=ids["ann"], name="anna", addresses=[Address(email="merged@x")])
    kept[:] = [session.merge(given), session.merge(User(name="new by merge")), session.merge(User(id=ids["ben"]))]
    kept += kept[0].addresses
    session.commit()


@scenario(fast=2)
def bulk(session: Session, kept: list[Any]) -> None:
    made = session.scalars(insert(User).returning(User), [{"name": f"bulk {n}", "age": n} for n in range(5)])
    assert [one.name for one in made] == [f"bulk {n}" for n in range(5)]
    kept[:] = [user(session, "cat")]
    session.execute(update(User).where(User.name == "cat").values(age=61))
    ids = session.scalars(select(User.id).where(User.name.in_(["ann", "ben"])).order_by(User.id)).all()
    session.execute(update(User), [{"id": id_, "age": 62} for id_ in ids])
    session.execute(delete(Address).where(Address.email.like("%1@x")))
    session.bulk_insert_mappings(Place, [{"country": "is", "number": n, "name": "x"} for n in range(5)])
    session.bulk_save_objects([User(name="saved in bulk"), User(name="and this")])
    session.commit()


@scenario(fast=2)
def undone(session: Session, kept: list[Any]) -> None:
    ann, new = user(session, "ann"), User(name="never")
    kept[:] = [ann, new, *ann.addresses]
    ann.age = 99
    session.add(new)
    session.delete(ann.addresses[0])
    session.flush()
    session.rollback()
    assert ann.age == 30
    session.rollback()


@scenario(fast=2)
def twice(session: Session, kept: list[Any]) -> None:
    """Reading after a commit begins again; the second transaction changes nothing."""
    ann = user(session, "ann")
    kept[:] = [ann]
    ann.age = 70
    session.commit()
    assert ann.age == 70
    assert len(ann.addresses) == 2
    session.commit()


@scenario(fast=2, into=TWO_PHASE)
def two_phases(session: Session, kept: list[Any]) -> None:
    ann, new = user(session, "ann"), User(name="in two phases")
    kept[:] = [ann, new]
    ann.age = 80
    session.add(new)
    session.commit()


@scenario(fast=2, into=TWO_PHASE)
def two_phases_prepared(session: Session, kept: list[Any]) -> None:
    ben, new = user(session, "ben"), User(name="prepared first")
    kept[:] = [ben, new]
    session.delete(ben.addresses[1])
    session.add(new)
    session.prepare()
    session.commit()
