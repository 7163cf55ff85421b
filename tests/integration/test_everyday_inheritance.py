"""Single-table, joined and concrete inheritance: stored, loaded, queried and changed through any class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, case, func, inspect, select, text
from sqlalchemy.exc import InvalidRequestError, SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    declared_attr,
    joinedload,
    mapped_column,
    relationship,
    selectin_polymorphic,
    selectinload,
    with_polymorphic,
)

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Company(Base):
    __tablename__ = "company"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff: Mapped[list[Employee]] = relationship(back_populates="company", order_by="Employee.id")


class Employee(Base):
    """Joined: one table for each class."""

    __tablename__ = "employee"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(String(20))
    company_id: Mapped[int | None] = mapped_column(ForeignKey("company.id"))
    company: Mapped[Company | None] = relationship(back_populates="staff")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}


class Engineer(Employee):
    __tablename__ = "engineer"

    id: Mapped[int] = mapped_column(ForeignKey("employee.id"), primary_key=True)
    language: Mapped[str | None]
    machines: Mapped[list[Machine]] = relationship(cascade="all, delete-orphan")
    __mapper_args__ = {"polymorphic_identity": "engineer"}


class Manager(Employee):
    __tablename__ = "manager"

    employee_id: Mapped[int] = mapped_column(ForeignKey("employee.id"), primary_key=True)
    budget: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "manager"}


class Director(Manager):
    """Has no table of its own: single-table below a joined one."""

    __mapper_args__ = {"polymorphic_identity": "director"}


class Machine(Base):
    __tablename__ = "machine"

    id: Mapped[int] = mapped_column(primary_key=True)
    engineer_id: Mapped[int] = mapped_column(ForeignKey("engineer.id"))


class Animal(Base):
    """Single: one table for all."""

    __tablename__ = "animal"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Cat(Animal):
    lives: Mapped[int | None] = mapped_column(use_existing_column=True)
    __mapper_args__ = {"polymorphic_identity": "cat"}


class Dog(Animal):
    tricks: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "dog"}


class Puppy(Dog):
    __mapper_args__ = {"polymorphic_identity": "puppy"}


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def staffed(session: Session) -> Session:
    staff = [
        Engineer(name="e", language="sql", machines=[Machine(), Machine()]),
        Manager(name="m", budget=10),
        Director(name="d", budget=99),
        Employee(name="p"),
    ]
    session.add(Company(staff=staff))
    session.commit()
    session.close()
    return session


@pytest.fixture
def zoo(session: Session) -> Session:
    session.add_all([Cat(name="tom", lives=9), Dog(name="rex", tricks=2), Puppy(name="bit"), Animal(name="x")])
    session.commit()
    session.close()
    return session


def kinds(objects: Any) -> list[str]:
    return [type(item).__name__ for item in objects]


# -- joined ---------------------------------------------------------------------------------------


def test_rows_of_a_joined_hierarchy_load_as_their_own_classes(staffed: Session) -> None:
    staff = staffed.scalars(select(Employee).order_by(Employee.id)).all()
    assert kinds(staff) == ["Engineer", "Manager", "Director", "Employee"]
    assert [person.kind for person in staff] == ["engineer", "manager", "director", "employee"]
    assert staff[0].language == "sql"
    assert staff[2].budget == 99
    assert (staff[1].id, staff[1].employee_id) == (2, 2)


def test_a_joined_subclass_is_selected_with_its_subclasses_only(staffed: Session) -> None:
    assert kinds(staffed.scalars(select(Manager).order_by(Manager.id))) == ["Manager", "Director"]
    assert kinds(staffed.scalars(select(Director))) == ["Director"]
    assert kinds(staffed.scalars(select(Engineer).where(Engineer.language == "sql"))) == ["Engineer"]
    assert kinds(staffed.scalars(select(Engineer).where(Engineer.name == "m"))) == []
    assert staffed.scalar(select(func.count()).select_from(Manager)) == 2


def test_a_joined_row_takes_one_insert_a_table_and_updates_only_what_changed(session: Session, engine: Engine) -> None:
    engineer = Engineer(name="e", language="c")
    session.add(engineer)
    with Statements(engine) as sent:
        session.flush()
    assert len(sent.starting("INSERT")) == 2
    engineer.language = "d"
    with Statements(engine) as sent:
        session.flush()
    assert len(sent) == 1
    assert "UPDATE engineer" in sent.texts[0]
    session.delete(engineer)
    with Statements(engine) as sent:
        session.flush()
    assert [statement.split()[2] for statement in sent.starting("DELETE")] == ["engineer", "employee"]


def test_get_by_base_class_and_by_subclass_is_one_object(staffed: Session) -> None:
    engineer = staffed.get(Employee, 1)
    assert type(engineer) is Engineer
    assert staffed.get(Engineer, 1) is engineer
    assert staffed.get(Manager, 1) is None
    staffed.expunge_all()
    assert staffed.get(Manager, 1) is None
    assert type(staffed.get(Manager, 3)) is Director


def test_columns_of_subclasses_come_on_demand_or_with_the_statement(staffed: Session, engine: Engine) -> None:
    engineer = staffed.scalars(select(Employee).order_by(Employee.id)).first()
    assert "language" in inspect(engineer).unloaded
    with Statements(engine) as sent:
        assert engineer.language == "sql"
    assert len(sent) == 1
    for statement, sends in (
        (select(with_polymorphic(Employee, "*")), 1),
        (select(with_polymorphic(Employee, [Engineer, Manager])), 1),
        (select(Employee).options(selectin_polymorphic(Employee, [Engineer, Manager])), 3),
    ):
        staffed.expunge_all()
        with Statements(engine) as sent:
            values = [
                getattr(person, "language", getattr(person, "budget", None)) for person in staffed.scalars(statement)
            ]
            assert sorted(values, key=str) == [10, 99, None, "sql"]
        assert len(sent) == sends


def test_with_polymorphic_filters_by_columns_of_subclasses(staffed: Session) -> None:
    everyone = with_polymorphic(Employee, [Engineer, Manager], aliased=True)
    statement = (
        select(everyone)
        .where((everyone.Engineer.language == "sql") | (everyone.Manager.budget > 50))
        .order_by(everyone.id)
    )
    assert [person.name for person in staffed.scalars(statement)] == ["e", "d"]


def test_relationships_to_a_base_class_and_of_a_subclass(staffed: Session, engine: Engine) -> None:
    company = staffed.get(Company, 1)
    assert kinds(company.staff) == ["Engineer", "Manager", "Director", "Employee"]
    statement = select(Company).join(Company.staff.of_type(Engineer)).where(Engineer.language == "sql")
    assert staffed.scalars(statement).one() is company
    assert staffed.scalars(select(Company).where(Company.staff.of_type(Manager).any(Manager.budget > 50))).one()
    staffed.expunge_all()
    option = selectinload(Company.staff.of_type(Engineer)).selectinload(Engineer.machines)
    company = staffed.scalars(select(Company).options(option)).one()
    with Statements(engine) as sent:
        assert len(company.staff[0].machines) == 2
    assert len(sent) == 0
    staffed.expunge_all()
    everyone = with_polymorphic(Employee, "*", flat=True)
    company = staffed.scalars(select(Company).options(joinedload(Company.staff.of_type(everyone)))).unique().one()
    with Statements(engine) as sent:
        assert [getattr(person, "budget", 0) for person in company.staff] == [0, 10, 99, 0]
    assert len(sent) == 0


def test_an_alias_of_a_joined_subclass(staffed: Session) -> None:
    one, other = aliased(Manager, flat=True), aliased(Manager, flat=True)
    statement = select(one.name, other.name).join(other, one.budget < other.budget)
    assert staffed.execute(statement).all() == [("m", "d")]


def test_deletes_cascade_below_a_subclass(staffed: Session) -> None:
    staffed.delete(staffed.get(Company, 1).staff[0])
    staffed.commit()
    assert staffed.scalar(select(func.count()).select_from(Machine)) == 0
    assert staffed.scalar(text("SELECT count(*) FROM engineer")) == 0


def test_an_expired_subclass_object_loads_all_its_tables_at_once(staffed: Session, engine: Engine) -> None:
    engineer = staffed.get(Engineer, 1)
    staffed.expire(engineer)
    with Statements(engine) as sent:
        assert (engineer.name, engineer.language) == ("e", "sql")
    assert len(sent) == 1


def test_polymorphic_load_of_the_mapping(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Root(Own):
        __tablename__ = "root"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "root"}

    class Inline(Root):
        __tablename__ = "inline_row"
        id: Mapped[int] = mapped_column(ForeignKey("root.id"), primary_key=True)
        a: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "inline", "polymorphic_load": "inline"}

    class Selected(Root):
        __tablename__ = "selected_row"
        id: Mapped[int] = mapped_column(ForeignKey("root.id"), primary_key=True)
        b: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "selected", "polymorphic_load": "selectin"}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Inline(a=1), Selected(b=2), Selected(b=3), Root()])
        session.commit()
        session.close()
        with Statements(engine) as sent:
            rows = session.scalars(select(Root).order_by(Root.id)).all()
            assert (rows[0].a, rows[1].b, rows[2].b) == (1, 2, 3)
        assert len(sent) == 2


# -- single ---------------------------------------------------------------------------------------


def test_rows_of_a_single_table_load_as_their_own_classes(zoo: Session, engine: Engine) -> None:
    assert kinds(zoo.scalars(select(Animal).order_by(Animal.id))) == ["Cat", "Dog", "Puppy", "Animal"]
    assert kinds(zoo.scalars(select(Dog).order_by(Dog.id))) == ["Dog", "Puppy"]
    assert kinds(zoo.scalars(select(Puppy))) == ["Puppy"]
    assert zoo.scalars(select(Cat)).one().lives == 9
    assert zoo.scalar(select(func.count()).select_from(Dog)) == 2
    assert zoo.scalars(select(Dog.name).order_by(Dog.name)).all() == ["bit", "rex"]
    assert Cat.__table__ is Animal.__table__
    assert not hasattr(Animal, "lives")


def test_single_table_classes_narrow_joins_aliases_and_existence(zoo: Session) -> None:
    other = aliased(Dog)
    statement = select(Cat.name, other.name).join(other, Cat.id < other.id).order_by(other.name)
    assert zoo.execute(statement).all() == [("tom", "bit"), ("tom", "rex")]
    assert zoo.scalars(select(Animal.name).where(Animal.kind.in_(["dog", "cat"])).order_by(Animal.name)).all() == [
        "rex",
        "tom",
    ]
    assert zoo.get(Cat, 2) is None
    assert zoo.get(Animal, 2).tricks == 2


def test_the_discriminator_is_set_by_the_class(session: Session) -> None:
    cat = Cat()
    assert cat.kind == "cat"
    session.add(cat)
    session.flush()
    assert session.scalar(select(Animal.kind)) == "cat"


def test_an_object_of_the_wrong_discriminator_is_warned_about(session: Session) -> None:
    session.add(Cat(kind="dog", name="confused"))
    with pytest.warns(SAWarning, match="(?s)(?=.*Cat)(?=.*dog)"):
        session.flush()


def test_a_row_of_an_unknown_discriminator_is_an_error_that_names_it(session: Session) -> None:
    session.execute(text("INSERT INTO animal (id, kind) VALUES (1, 'fish')"))
    with pytest.raises(AssertionError, match="fish"):
        session.scalars(select(Animal)).all()


def test_polymorphic_on_an_expression(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Person(Own):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        age: Mapped[int] = mapped_column()
        __mapper_args__ = {"polymorphic_on": case((age < 18, "child"), else_="grown"), "polymorphic_identity": "grown"}

    class Kid(Person):
        __mapper_args__ = {"polymorphic_identity": "child"}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(text("INSERT INTO person (id, age) VALUES (1, 40), (2, 4)"))
        assert kinds(session.scalars(select(Person).order_by(Person.id))) == ["Person", "Kid"]
        assert kinds(session.scalars(select(Kid))) == ["Kid"]


def test_an_abstract_polymorphic_base_refuses_rows_of_its_own(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_abstract": True}

    class Chair(Thing):
        __mapper_args__ = {"polymorphic_identity": "chair"}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Chair())
        session.commit()
        assert kinds(session.scalars(select(Thing))) == ["Chair"]


# -- concrete -------------------------------------------------------------------------------------


def test_concrete_classes_have_whole_tables_of_their_own(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Vehicle(Own):
        __tablename__ = "vehicle"
        id: Mapped[int] = mapped_column(primary_key=True)
        wheels: Mapped[int | None]

    class Truck(Vehicle):
        __tablename__ = "truck"
        id: Mapped[int] = mapped_column(primary_key=True)
        wheels: Mapped[int | None]
        load: Mapped[int | None]
        __mapper_args__ = {"concrete": True}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Vehicle(wheels=4), Truck(wheels=6, load=9)])
        session.commit()
        assert [vehicle.wheels for vehicle in session.scalars(select(Vehicle))] == [4]
        assert session.scalars(select(Truck)).one().load == 9


def test_declared_attr_gives_columns_to_each_subclass_in_turn(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Named:
        @declared_attr.cascading
        def id(cls) -> Mapped[int]:
            if cls.__name__ == "Low":
                return mapped_column(ForeignKey("high.id"), primary_key=True)
            return mapped_column(primary_key=True)

    class High(Named, Own):
        __tablename__ = "high"
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "high"}

    class Low(High):
        __tablename__ = "low"
        __mapper_args__ = {"polymorphic_identity": "low"}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Low())
        session.commit()
        assert kinds(session.scalars(select(High))) == ["Low"]


def test_a_plain_attribute_of_a_sibling_is_refused_in_filter_by(zoo: Session) -> None:
    with pytest.raises(InvalidRequestError, match="tricks"):
        zoo.scalars(select(Cat).filter_by(tricks=1))
