"""The join condition of a relationship: found or given, its columns told apart, its direction."""

from __future__ import annotations

import warnings

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    cast,
)
from sqlalchemy.exc import AmbiguousForeignKeysError, ArgumentError, NoForeignKeysError, SAWarning

from session.constants import MANYTOMANY, MANYTOONE, ONETOMANY
from session.mapping.joining import lazy_clause
from session.mapping.joins import JoinCondition, Side, foreign, remote

metadata = MetaData()
parent = Table("parent", metadata, Column("id", Integer, primary_key=True), Column("code", String))
child = Table(
    "child",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey("parent.id")),
    Column("code", String),
)
node = Table(
    "node",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("parent_id", ForeignKey("node.id")),
    Column("path", String),
)
tag = Table("tag", metadata, Column("id", Integer, primary_key=True))
parent_tag = Table(
    "parent_tag",
    metadata,
    Column("parent_id", ForeignKey("parent.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)
employee = Table(
    "employee",
    metadata,
    Column("company_id", Integer, primary_key=True),
    Column("emp_id", Integer, primary_key=True),
    Column("boss_id", Integer),
    ForeignKeyConstraint(["company_id", "boss_id"], ["employee.company_id", "employee.emp_id"]),
)
letter = Table(
    "letter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sender_id", ForeignKey("parent.id")),
    Column("receiver_id", ForeignKey("parent.id")),
)
island = Table("island", metadata, Column("id", Integer, primary_key=True), Column("code", String))


def side(table, local=None):
    return Side(str(table), table, table if local is None else local)


def condition(one, other, **options):
    return JoinCondition("One.other", side(one), side(other), **options)


def names(columns):
    return {str(column) for column in columns}


def test_foreign_key_on_the_far_side_is_one_to_many():
    found = condition(parent, child)
    assert str(found.primaryjoin) == "parent.id = child.parent_id"
    assert found.direction is ONETOMANY
    assert found.local_remote_pairs == [(parent.c.id, child.c.parent_id)]
    assert found.synchronize_pairs == [(parent.c.id, child.c.parent_id)]
    assert found.secondary_synchronize_pairs == []


def test_foreign_key_on_the_near_side_is_many_to_one():
    found = condition(child, parent)
    assert found.direction is MANYTOONE
    assert found.local_remote_pairs == [(child.c.parent_id, parent.c.id)]
    assert found.synchronize_pairs == [(parent.c.id, child.c.parent_id)]
    assert names(found.local_columns) == {"child.parent_id"}
    assert names(found.remote_columns) == {"parent.id"}


def test_secondary_table_is_many_to_many():
    found = condition(parent, tag, secondary=parent_tag)
    assert found.direction is MANYTOMANY
    assert str(found.primaryjoin) == "parent.id = parent_tag.parent_id"
    assert str(found.secondaryjoin) == "tag.id = parent_tag.tag_id"
    assert found.synchronize_pairs == [(parent.c.id, parent_tag.c.parent_id)]
    assert found.secondary_synchronize_pairs == [(tag.c.id, parent_tag.c.tag_id)]
    assert found.local_remote_pairs == [
        (parent.c.id, parent_tag.c.parent_id),
        (tag.c.id, parent_tag.c.tag_id),
    ]


def test_self_reference_is_one_to_many_unless_the_key_is_remote():
    assert condition(node, node, self_referential=True).direction is ONETOMANY
    found = condition(node, node, remote_side=[node.c.id], self_referential=True)
    assert found.direction is MANYTOONE
    assert found.local_remote_pairs == [(node.c.parent_id, node.c.id)]


def test_composite_self_reference_with_a_column_that_refers_to_itself():
    up = condition(employee, employee, remote_side=[employee.c.emp_id, employee.c.company_id])
    assert up.direction is MANYTOONE
    assert up.local_remote_pairs == [
        (employee.c.company_id, employee.c.company_id),
        (employee.c.boss_id, employee.c.emp_id),
    ]
    down = condition(employee, employee)
    assert down.direction is ONETOMANY


def test_reversed_condition_exchanges_the_sides():
    up = condition(node, node, remote_side=[node.c.id])
    down = condition(node, node, primaryjoin=up.reversed_primaryjoin())
    assert down.direction is ONETOMANY
    assert down.local_remote_pairs == [(node.c.id, node.c.parent_id)]


def test_given_condition_with_marked_columns():
    found = condition(
        node,
        node,
        primaryjoin=remote(foreign(node.c.path)).like(node.c.path.concat("/%")),
        writable=False,
    )
    assert found.direction is ONETOMANY
    assert found.local_remote_pairs == [(node.c.path, node.c.path)]
    assert found.synchronize_pairs == []


def test_foreign_keys_choose_between_two_paths():
    found = condition(letter, parent, foreign_keys=[letter.c.receiver_id])
    assert str(found.primaryjoin) == "parent.id = letter.receiver_id"
    assert found.direction is MANYTOONE


def test_condition_on_columns_without_constraint_takes_foreign_keys_argument():
    found = condition(island, child, primaryjoin=island.c.code == child.c.code, foreign_keys=[child.c.code])
    assert found.direction is ONETOMANY
    assert found.synchronize_pairs == [(island.c.code, child.c.code)]


def test_further_criteria_are_no_pairs():
    found = condition(parent, child, primaryjoin=and_(parent.c.id == child.c.parent_id, child.c.code == "x"))
    assert found.local_remote_pairs == [(parent.c.id, child.c.parent_id)]


def test_joined_inheritance_target_that_shares_a_table():
    person = Table("person", MetaData(), Column("id", Integer, primary_key=True))
    manager = Table(
        "manager",
        person.metadata,
        Column("id", ForeignKey("person.id"), primary_key=True),
        Column("chief_id", ForeignKey("person.id")),
    )
    joined = person.join(manager, manager.c.id == person.c.id)
    found = JoinCondition(
        "Person.managers",
        side(person),
        Side("Manager", joined, manager),
        primaryjoin=person.c.id == manager.c.chief_id,
        self_referential=True,
    )
    assert found.direction is ONETOMANY
    assert found.local_remote_pairs == [(person.c.id, manager.c.chief_id)]


def test_no_foreign_key_names_the_attribute_and_the_way_out():
    with pytest.raises(NoForeignKeysError, match=r"One\.other.*primaryjoin="):
        condition(parent, island)
    with pytest.raises(NoForeignKeysError, match=r"One\.other.*secondary"):
        condition(island, tag, secondary=parent_tag)


def test_several_foreign_keys_name_the_attribute_and_the_way_out():
    with pytest.raises(AmbiguousForeignKeysError, match=r"One\.other.*foreign_keys="):
        condition(letter, parent)


def test_condition_without_foreign_key_is_refused():
    with pytest.raises(ArgumentError, match=r"One\.other.*foreign\(\)"):
        condition(island, child, primaryjoin=island.c.code == child.c.code)


def test_condition_that_cannot_be_written_is_refused_unless_viewonly():
    join = cast(island.c.id, String) == foreign(child.c.code)
    condition(island, child, primaryjoin=join)
    like = foreign(child.c.code).like(island.c.code)
    with pytest.raises(ArgumentError, match="viewonly"):
        condition(island, child, primaryjoin=like)
    assert condition(island, child, primaryjoin=like, writable=False).direction is ONETOMANY


def test_foreign_keys_on_both_sides_give_no_direction():
    join = and_(parent.c.id == foreign(child.c.parent_id), foreign(parent.c.code) == child.c.code)
    with pytest.raises(ArgumentError, match="no direction"):
        condition(parent, child, primaryjoin=join)


def test_condition_without_a_near_side_is_refused():
    with pytest.raises(ArgumentError, match=r"remote\(\)"):
        condition(parent, child, primaryjoin=remote(parent.c.id) == remote(foreign(child.c.parent_id)))


def test_secondaryjoin_without_secondary_is_refused():
    with pytest.raises(ArgumentError, match="secondary="):
        condition(parent, child, secondaryjoin=tag.c.id == parent_tag.c.tag_id)


def test_remote_mark_on_the_wrong_side_warns():
    with pytest.warns(SAWarning, match="remote"):
        condition(child, parent, primaryjoin=remote(foreign(child.c.parent_id)) == parent.c.id)


def test_lazy_clause_binds_the_known_side():
    found = condition(parent, child)
    clause = lazy_clause(found)
    assert str(clause.criterion) == ":param_1 = child.parent_id"
    assert [column for _, column in clause.params] == [parent.c.id]
    back = lazy_clause(found, reverse=True)
    assert str(back.criterion) == "parent.id = :param_1"
    assert [column for _, column in back.params] == [child.c.parent_id]


def test_lazy_clause_over_a_secondary_table():
    found = condition(parent, tag, secondary=parent_tag)
    assert str(lazy_clause(found).criterion) == (":param_1 = parent_tag.parent_id AND tag.id = parent_tag.tag_id")
    back = lazy_clause(found, reverse=True)
    assert str(back.criterion) == "parent.id = parent_tag.parent_id AND :param_1 = parent_tag.tag_id"
    assert [column for _, column in back.params] == [tag.c.id]


def test_lazy_clause_with_null_values():
    found = condition(employee, employee, remote_side=[employee.c.emp_id, employee.c.company_id])
    clause = lazy_clause(found)
    key = next(key for key, column in clause.params if column is employee.c.boss_id)
    assert str(clause.with_nulls([key])) == ("employee.company_id = :param_1 AND employee.emp_id IS NULL")


def test_marks_leave_the_tables_alone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        condition(parent, child, primaryjoin=parent.c.id == child.c.parent_id)
    assert not child.c.parent_id._annotations
