"""Rows of statements and queries, here and in ``sqlalchemy.orm``: their names, and how often they give an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    LABEL_STYLE_DISAMBIGUATE_ONLY,
    LABEL_STYLE_NONE,
    LABEL_STYLE_TABLENAME_PLUS_COL,
    Engine,
    String,
    cast,
    event,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import InvalidRequestError

from .beside import Beside

ROW_KINDS: dict[str, Callable[[Any, Any], list[Any]]] = {
    "keys of two classes": lambda orm, m: [m.Owner.id, m.Item.id],
    "one column twice": lambda orm, m: [m.Item.id, m.Item.id, m.Item.name],
    "one column three times": lambda orm, m: [m.Item.id, m.Item.id, m.Item.id],
    "label of a name that is there": lambda orm, m: [m.Item.name, m.Item.id.label("name")],
    "label before the name": lambda orm, m: [m.Item.id.label("name"), m.Item.name],
    "one label twice": lambda orm, m: [m.Item.id.label("x"), m.Item.name.label("x")],
    "object and key": lambda orm, m: [m.Item, m.Item.id, m.Owner.id],
    "two objects": lambda orm, m: [m.Item, orm.aliased(m.Item, name="other"), m.Item],
    "alias": lambda orm, m: [orm.aliased(m.Item, name="other").id, m.Item.id],
    "columns of tables": lambda orm, m: [m.Item.__table__.c.id, m.Owner.__table__.c.id],
    "column of a table and of a class": lambda orm, m: [m.Item.__table__.c.name, m.Owner.name],
    "table": lambda orm, m: [m.Item.__table__, m.Item.id],
    "function": lambda orm, m: [func.max(m.Item.id), func.max(m.Item.owner_id)],
    "function alone": lambda orm, m: [func.count(literal_column("1"))],
    "expression": lambda orm, m: [m.Item.id + 1, m.Item.id],
    "cast": lambda orm, m: [cast(m.Item.id, String), m.Item.id],
    "subquery": lambda orm, m: [select(m.Item.id, m.Item.name).subquery("found").c.id, m.Item.id],
    "bundle": lambda orm, m: [orm.Bundle("pair", m.Item.id, m.Item.name), m.Item.id],
    "inherited": lambda orm, m: [m.Company.id, m.Company.name, m.Owner.name],
}
OF_NO_CLASS = ("columns of tables", "function alone")

RUNS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "query": lambda session, columns: session.query(*columns).first(),
    "iterated": lambda session, columns: next(iter(session.query(*columns).limit(1))),
    "labels": lambda session, columns: (
        session.query(*columns).set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL).limit(1).one()
    ),
    "chunks": lambda session, columns: next(iter(session.query(*columns).limit(1).yield_per(1))),
    "given": lambda session, columns: session.query(*columns).from_statement(select(*columns).limit(1)).one(),
    "other columns": lambda session, columns: session.query(columns[0]).with_entities(*columns).first(),
    "select": lambda session, columns: session.execute(select(*columns).limit(1)).one(),
    "select with labels": lambda session, columns: session.execute(
        select(*columns).set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL).limit(1)
    ).one(),
    "unambiguous query": lambda session, columns: (
        session.query(*columns).set_label_style(LABEL_STYLE_DISAMBIGUATE_ONLY).limit(1).one()
    ),
    "query without labels": lambda session, columns: (
        session.query(*columns).set_label_style(LABEL_STYLE_NONE).from_statement(select(*columns).limit(1)).one()
    ),
    "select with labels from a given one": lambda session, columns: session.execute(
        select(*columns).set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL).from_statement(select(*columns).limit(1))
    ).one(),
    "select from a given one": lambda session, columns: session.execute(
        select(*columns).from_statement(select(*columns).limit(1))
    ).one(),
    "core": lambda session, columns: session.connection().execute(select(*columns).limit(1)).one(),
}


@pytest.fixture
def beside(engine: Engine) -> Beside:
    return Beside(engine)


def plain(value: Any) -> Any:
    """Give what can be compared of a value: the class of an object."""
    return type(value).__name__ if hasattr(value, "_sa_instance_state") else value


def value_of(row: Any, name: str) -> Any:
    """Give what a row has under a name; an error where several values have it."""
    try:
        return plain(getattr(row, name)), plain(row._mapping[name])
    except InvalidRequestError:
        return "ambiguous"


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")
@pytest.mark.parametrize("run", RUNS)
def test_names_in_rows(beside: Beside, run: str) -> None:
    for kind, columns in ROW_KINDS.items():

        def program(orm: Any, models: Any, session: Any, columns: Any = columns) -> Any:
            row = RUNS[run](session, columns(orm, models))
            named = [(name, value_of(row, name)) for name in dict.fromkeys(row._fields)]
            return row._fields, list(row._mapping.keys()), [plain(value) for value in row], named

        refused = run.endswith("from a given one") and kind in OF_NO_CLASS
        assert isinstance(beside(program), str if refused else tuple), kind


def test_descriptions_of_queries(beside: Beside) -> None:
    for kind, columns in ROW_KINDS.items():

        def program(orm: Any, models: Any, session: Any, columns: Any = columns) -> Any:
            described = session.query(*columns(orm, models)).column_descriptions
            return [
                (each["name"], each["aliased"], each["entity"] is None, str(each["type"])[-8:]) for each in described
            ]

        assert isinstance(beside(program), list), kind


def test_the_last_of_the_values_with_one_name_has_it_in_a_query(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        pairs = session.query(models.Item.id, models.Owner.id).join(models.Item.owner).order_by(models.Item.id)
        return [(tuple(row), row.id, row._asdict()) for row in pairs]

    assert beside(program)[2] == ((3, 2), 2, {"id": 2})


def test_events_hear_of_queries_for_plain_columns_as_statements_of_classes(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        heard: list[Any] = []

        def note(state: Any) -> None:
            heard.append((state.is_orm_statement, state.is_select, list(state.all_mappers)))

        event.listen(session, "do_orm_execute", note)
        columns = models.Item.__table__.c
        found = session.query(columns.id).filter(columns.id < 3).order_by(columns.id).all()
        return [tuple(row) for row in found], heard

    assert beside(program) == ([(1,), (2,)], [(True, True, [])])


def test_queries_for_tables_can_be_united(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        table = models.Tag.__table__
        first, second = session.query(table, models.Tag.code), session.query(table, models.Tag.code).filter_by(code="a")
        return [tuple(row) for row in first.union_all(second).order_by(models.Tag.code)]

    assert beside(program) == [("a", "red", "a"), ("a", "red", "a"), ("b", None, "b")]


def test_a_bundle_joins_the_tables_of_a_class(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        bundle = orm.Bundle("both", models.Owner.name, models.Company.id, models.Company.city)
        return [tuple(row) for row in session.scalars(select(bundle))]

    beside(program)


@pytest.mark.parametrize("given", ["orm", "table", "text"])
@pytest.mark.parametrize("taken", ["scalars", "unique", "execute", "columns", "chunks", "query"])
def test_rows_of_a_given_statement_repeat_objects_also_with_collections(beside: Beside, given: str, taken: str) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        owner, item = models.Owner, models.Item
        tables = owner.__table__, item.__table__
        joined = select(*tables).join(tables[1], tables[0].c.id == tables[1].c.owner_id).order_by(tables[1].c.id)
        words = text(
            "SELECT o.id, o.kind, o.name, o.version, i.id, i.name, i.owner_id"
            " FROM owner o JOIN item i ON i.owner_id = o.id ORDER BY i.id"
        ).columns(owner.id, owner.kind, owner.name, owner.version, item.id, item.name, item.owner_id)
        statement = {"orm": select(owner, item).join(owner.items).order_by(item.id), "table": joined, "text": words}[
            given
        ]
        eager = orm.contains_eager(owner.items)
        made = select(owner).from_statement(statement).options(eager)
        if taken == "scalars":
            found = session.scalars(made).all()
        elif taken == "unique":
            found = session.scalars(made).unique().all()
        elif taken == "execute":
            found = [each for (each,) in session.execute(made)]
        elif taken == "columns":
            both = select(owner, owner.name).from_statement(statement).options(eager)
            found = [each for each, _ in session.execute(both)]
        elif taken == "chunks":
            found = session.scalars(made.execution_options(yield_per=2)).all()
        else:
            found = session.query(owner).options(eager).from_statement(statement).all()
        return [(each.id, [item.id for item in each.__dict__["items"]]) for each in found]

    repeated = [(1, [1, 2]), (1, [1, 2]), (2, [3])]
    expected = {"unique": [repeated[0], repeated[2]], "query": [repeated[0], repeated[2]]}
    assert beside(program) == ("InvalidRequestError" if taken == "chunks" else expected.get(taken, repeated))
