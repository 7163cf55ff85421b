"""More classes for the programs: keys of two columns and keys that refer to others, association objects, what the
database makes and what it deletes by itself, rows that refer to each other.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from .schema import Schema


def make_school(orm: ModuleType) -> SimpleNamespace:
    """Map all classes with the given library.

    :returns: the classes by name, and ``metadata``.
    """
    metadata = MetaData()
    base: Any = orm.declarative_base(metadata=metadata)

    class Person(base):
        """The base of a hierarchy in one table; the database gives a value, a function another at each change."""

        __tablename__ = "person"
        id = Column(Integer, primary_key=True)
        kind = Column(String, nullable=False)
        name = Column(String)
        status = Column(String, server_default="new")
        changes = Column(Integer, default=0, onupdate=text("changes + 1"))
        room = Column(String)
        school_id = Column(ForeignKey("school.id", use_alter=True, name="fk_school"))
        school = orm.relationship("School", back_populates="people", foreign_keys=[school_id])
        enrolments = orm.relationship(
            "Enrolment", back_populates="person", cascade="all, delete-orphan", order_by="Enrolment.course_code"
        )
        __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}

    class Teacher(Person):
        """Shares the table."""

        __mapper_args__ = {"polymorphic_identity": "teacher"}
        courses = orm.relationship("Course", back_populates="teacher", order_by="Course.code")

    class School(base):
        """Refers to one of its people, and is referred to by all: written after both are there."""

        __tablename__ = "school"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        head_id = Column(ForeignKey("person.id"))
        head = orm.relationship("Person", foreign_keys=[head_id], post_update=True)
        people = orm.relationship(
            "Person", back_populates="school", foreign_keys=[Person.school_id], order_by="Person.id"
        )

    class Course(base):
        """A key that the program gives and changes; the database changes what refers to it. Values come back at once."""

        __tablename__ = "course"
        code = Column(String, primary_key=True)
        name = Column(String)
        level = Column(Integer, server_default="1")
        teacher_id = Column(ForeignKey("person.id"))
        teacher = orm.relationship("Teacher", back_populates="courses")
        enrolments = orm.relationship(
            "Enrolment", back_populates="course", cascade="all", passive_deletes=True, order_by="Enrolment.person_id"
        )
        lessons = orm.relationship(
            "Lesson",
            back_populates="course",
            cascade="all, delete-orphan",
            passive_deletes=True,
            order_by="Lesson.number",
        )
        __mapper_args__ = {"eager_defaults": True}

    class Enrolment(base):
        """An association object: its key is that of the two objects that it stands between."""

        __tablename__ = "enrolment"
        person_id = Column(ForeignKey("person.id"), primary_key=True)
        course_code = Column(ForeignKey("course.code", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True)
        name = Column(String)
        person = orm.relationship("Person", back_populates="enrolments")
        course = orm.relationship("Course", back_populates="enrolments")

    lesson_topic = Table(
        "lesson_topic",
        metadata,
        Column("course_code", String, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("topic_id", ForeignKey("topic.id"), primary_key=True),
        ForeignKeyConstraint(
            ["course_code", "number"], ["lesson.course_code", "lesson.number"], ondelete="CASCADE", onupdate="CASCADE"
        ),
    )

    class Lesson(base):
        """A key of two columns, one of which refers to the parent."""

        __tablename__ = "lesson"
        course_code = Column(ForeignKey("course.code", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True)
        number = Column(Integer, primary_key=True)
        name = Column(String)
        course = orm.relationship("Course", back_populates="lessons")
        topics = orm.relationship("Topic", secondary=lesson_topic, order_by="Topic.id")

    class Topic(base):
        """Knows nothing of who refers to it."""

        __tablename__ = "topic"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        __table_args__ = (UniqueConstraint("name"),)

    orm.configure_mappers()
    return SimpleNamespace(
        Person=Person,
        Teacher=Teacher,
        School=School,
        Course=Course,
        Enrolment=Enrolment,
        Lesson=Lesson,
        Topic=Topic,
        metadata=metadata,
    )


SCHOOL = Schema(
    make=make_school,
    columns={
        "Person": ("id", "name", "status", "room", "school_id"),
        "Teacher": ("id", "name", "status", "room", "school_id"),
        "School": ("id", "name", "head_id"),
        "Course": ("code", "name", "level", "teacher_id"),
        "Enrolment": ("person_id", "course_code", "name"),
        "Lesson": ("course_code", "number", "name"),
        "Topic": ("id", "name"),
    },
    keys={
        "Person": ("id",),
        "Teacher": ("id",),
        "School": ("id",),
        "Course": ("code",),
        "Enrolment": ("person_id", "course_code"),
        "Lesson": ("course_code", "number"),
        "Topic": ("id",),
    },
    to_one={
        "Person": ("school",),
        "Teacher": ("school",),
        "School": ("head",),
        "Course": ("teacher",),
        "Enrolment": ("person", "course"),
        "Lesson": ("course",),
    },
    to_many={
        "Person": ("enrolments",),
        "Teacher": ("enrolments", "courses"),
        "School": ("people",),
        "Course": ("enrolments", "lessons"),
        "Lesson": ("topics",),
    },
    targets={
        "school": ("School",),
        "head": ("Person", "Teacher"),
        "teacher": ("Teacher",),
        "person": ("Person", "Teacher"),
        "course": ("Course",),
        "enrolments": ("Enrolment",),
        "courses": ("Course",),
        "people": ("Person", "Teacher"),
        "lessons": ("Lesson",),
        "topics": ("Topic",),
    },
    deletable={"Person": ("school",), "Course": ("teacher",)},
    families=("Person", "School", "Course", "Enrolment", "Lesson", "Topic"),
    parts=(),
    rows={
        "school": [(1, "north", None), (2, "south", None)],
        "person": [
            (1, "person", "ann", "old", 0, "r1", 1),
            (2, "teacher", "bob", "new", 0, None, 1),
            (3, "person", "cid", None, 2, None, 2),
        ],
        "course": [("a", "art", 1, 2), ("b", "bio", 2, None)],
        "enrolment": [(1, "a", "x"), (1, "b", None), (3, "a", "y")],
        "lesson": [("a", 1, "first"), ("a", 2, "second"), ("b", 1, None)],
        "topic": [(1, "ink"), (2, "clay")],
        "lesson_topic": [("a", 1, 1), ("a", 1, 2), ("b", 1, 1)],
    },
    behind=(
        "UPDATE person SET name = 'behind'",
        "DELETE FROM enrolment WHERE person_id = 1",
        "UPDATE course SET level = level + 1",
        "DELETE FROM lesson_topic",
        "DELETE FROM lesson WHERE number = 2",
        "UPDATE school SET head_id = 1 WHERE id = 1",
        "INSERT INTO topic (id, name) VALUES (6, 'new')",
    ),
)
