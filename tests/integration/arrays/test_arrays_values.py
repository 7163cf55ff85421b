"""Many rows at once, as one array for each column: values of all types come to the database as ever.

Whatever an array cannot take for sure has to go another way: a cursor that takes notes tells which way was gone.
"""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    Numeric,
    String,
    TypeDecorator,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.exc import StatementError

from session import DeclarativeBase, Mapped, Session, mapped_column
from tests.conftest import Database

from ...parity.hot import CPYTHON
from .notes import MANY, Notes, item_class, only_postgresql, rows_of, run

pytestmark = only_postgresql


class Colour(enum.Enum):
    RED = "red, or {so}"
    BLUE = 'a "blue"'


class Doubled(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value * 2

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value // 2


STRINGS = [
    "",
    "NULL",
    "null",
    "a,b",
    "{a}",
    'quo"te',
    "back\\slash",
    '\\"',
    "per%cent %s %(name)s",
    "line\nand\ttab",
    "  spaces  ",
    "It's",
    "ünï€ode 😀",
    None,
]


def all_types(base: type[DeclarativeBase]) -> Any:
    class Everything(base):  # type: ignore[misc, valid-type]
        __tablename__ = "everything"

        id: Mapped[int] = mapped_column(primary_key=True)
        string: Mapped[str | None] = mapped_column(String(60))
        small: Mapped[int | None]
        large: Mapped[int | None] = mapped_column(BigInteger)
        real: Mapped[float | None]
        exact: Mapped[Decimal | None] = mapped_column(Numeric(20, 4))
        truth: Mapped[bool | None]
        day: Mapped[date | None]
        hour: Mapped[time | None]
        moment: Mapped[datetime | None]
        moment_in_zone: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
        identifier: Mapped[uuid.UUID | None]
        identifier_as_text: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
        colour: Mapped[Colour | None]
        colour_as_text: Mapped[Colour | None] = mapped_column(Enum(Colour, native_enum=False, length=20))
        json: Mapped[Any] = mapped_column(JSON, nullable=True)
        json_or_null: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
        doubled: Mapped[int | None] = mapped_column(Doubled)

    return Everything


def all_values() -> list[dict[str, Any]]:
    zone = timezone(timedelta(hours=5, minutes=45))
    found: list[dict[str, Any]] = []
    for number, string in enumerate(STRINGS):
        found.append(
            {
                "string": string,
                "small": -number,
                "large": 2**62 + number,
                "real": [0.1, -1e300, 5, 1e-7, 12345678.9][number % 5],
                "exact": [Decimal("1.5"), Decimal("-0.0001"), Decimal("1E+5"), 7, 2.5][number % 5],
                "truth": bool(number % 2),
                "day": date(1 + number * 700, 2, 28),
                "hour": time(number, 59, 1, 123456),
                "moment": datetime(2024, 2, 29, number, 1, 2, 3),
                "moment_in_zone": datetime(2024, 2, 29, number, 1, 2, 3, tzinfo=[timezone.utc, zone][number % 2]),
                "identifier": uuid.uuid5(uuid.NAMESPACE_DNS, str(number)),
                "identifier_as_text": str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
                "colour": list(Colour)[number % 2],
                "colour_as_text": list(Colour)[number % 2],
                "json": [{"a": ['"', "\\"]}, None, 1][number % 3],
                "json_or_null": [None, {"b": "{}"}, "s"][number % 3],
                "doubled": number,
            }
        )
    found.append({})
    return found


@pytest.mark.parametrize("batching", [True, False])
def test_values_of_all_types_come_back_as_they_were(
    base: type[DeclarativeBase], database: Database, batching: bool
) -> None:
    notes = Notes(database, use_insertmanyvalues=batching)
    Everything = all_types(base)
    base.metadata.create_all(notes.engine)
    values = all_values()
    with Session(notes.engine) as session:
        objects = [Everything(**row) for row in values]
        session.add_all(objects)
        session.commit()
        notes.check("INSERT", in_arrays=int(batching), others=1 if batching else len(values))
        for obj, row in zip(objects, values, strict=True):
            for name in Everything.__table__.c.keys()[1:]:
                assert getattr(obj, name) == row.get(name), name
        assert rows_of(notes.engine, "SELECT count(*) FROM everything WHERE json IS NULL") == [(1,)]
        assert rows_of(notes.engine, "SELECT count(*) FROM everything WHERE json_or_null IS NULL") == [(6,)]


@pytest.mark.parametrize("batching", [True, False])
def test_values_of_all_types_are_updated(base: type[DeclarativeBase], database: Database, batching: bool) -> None:
    notes = Notes(database, use_insertmanyvalues=batching)
    Everything = all_types(base)
    base.metadata.create_all(notes.engine)
    values = all_values()
    with Session(notes.engine) as session:
        objects = [Everything() for _ in values]
        session.add_all(objects)
        session.flush()
        notes.forget()
        names = Everything.__table__.c.keys()[1:]
        for obj, row in zip(objects, values[:-1], strict=False):
            for name in names:
                setattr(obj, name, row.get(name))
        session.flush()
        assert any("unnest" in sent for sent in notes.sent) is (batching and notes.unfolding)
        session.expire_all()
        for obj, row in zip(objects, values, strict=True):
            for name in names:
                assert getattr(obj, name) == row.get(name), name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN")])
def test_numbers_that_are_not_finite_go_another_way(base: type[DeclarativeBase], notes: Notes, value: Any) -> None:
    Item = item_class(base, real=mapped_column(Numeric(asdecimal=False), nullable=True))
    base.metadata.create_all(notes.engine)
    run(notes.engine, "ALTER TABLE item ALTER real TYPE double precision")
    notes.forget()
    with Session(notes.engine) as session:
        objects = [Item(real=1.5), Item(real=value)]
        session.add_all(objects)
        session.flush()
        notes.check("INSERT", in_arrays=0, others=1)
        session.expire_all()
        assert objects[0].real == 1.5
        assert str(float(objects[1].real)) == str(float(value))


def test_moments_of_the_other_kind_go_another_way(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(
        base, naive=mapped_column(DateTime, nullable=True), aware=mapped_column(DateTime(timezone=True), nullable=True)
    )
    base.metadata.create_all(notes.engine)
    notes.forget()
    aware = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=9)))
    with Session(notes.engine) as session:
        session.execute(text("SET TIME ZONE 'America/New_York'"))
        session.add_all([Item(naive=aware), Item(naive=aware)])
        session.add_all([Item(aware=datetime(2024, 5, 1, 12)), Item(aware=datetime(2024, 5, 1, 12))])
        session.flush()
        notes.check("INSERT", in_arrays=0, others=1)
        naive, in_zone = session.execute(select(func.max(Item.naive), func.max(Item.aware))).one()
    assert naive == datetime(2024, 4, 30, 23)
    assert in_zone == datetime(2024, 5, 1, 16, tzinfo=timezone.utc)


def test_an_adapter_that_somebody_registered_is_asked(item: Any, notes: Notes) -> None:
    extensions = notes.dbapi.extensions
    before = extensions.adapters[str, extensions.ISQLQuote]
    extensions.register_adapter(str, lambda value: extensions.QuotedString(value.upper()))
    try:
        with Session(notes.engine) as session:
            session.add_all([item(name="a"), item(name="b")])
            session.flush()
            notes.check("INSERT", in_arrays=0, others=1)
            assert session.scalars(select(item.name).order_by(item.id)).all() == ["A", "B"]
    finally:
        extensions.adapters[str, extensions.ISQLQuote] = before


def test_types_that_have_no_array_go_another_way(base: type[DeclarativeBase], notes: Notes) -> None:
    class Wrapped(TypeDecorator[str]):
        impl = String
        cache_ok = True

        def bind_expression(self, bindparam: Any) -> Any:
            return func.upper(bindparam)

    Bytes = item_class(base, "with_bytes", data=mapped_column(LargeBinary, nullable=True))
    Upper = item_class(base, "with_expression", upper=mapped_column(Wrapped, nullable=True))
    base.metadata.create_all(notes.engine)
    notes.forget()
    with Session(notes.engine) as session:
        session.add_all([Bytes(data=b"\x00\\1"), Bytes(data=b"2")])
        session.add_all([Upper(upper="a"), Upper(upper="b")])
        session.flush()
        notes.check("INSERT", in_arrays=0, others=2)
        assert session.scalars(select(Bytes.data).order_by(Bytes.id)).all() == [b"\x00\\1", b"2"]
        assert session.scalars(select(Upper.upper).order_by(Upper.id)).all() == ["A", "B"]
        for obj in session.scalars(select(Upper)).all():
            obj.upper = "c"
        session.flush()
        assert set(session.scalars(select(Upper.upper))) == {"C"}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("nul \x00", marks=pytest.mark.skipif(not CPYTHON, reason="the driver there takes it")),
        "surrogate \udc80",
        object(),
    ],
)
def test_values_that_the_driver_refuses(item: Any, notes: Notes, value: Any) -> None:
    with Session(notes.engine) as session:
        session.add_all([item(name="a"), item(name=value)])
        with pytest.raises((StatementError, ValueError)):
            session.flush()
        session.rollback()
        session.add_all([item(name="a"), item(name="b")])
        session.flush()


def test_a_processor_that_fails_is_a_statement_error(base: type[DeclarativeBase], notes: Notes) -> None:
    Item = item_class(base, doubled=mapped_column(Doubled, nullable=True))
    base.metadata.create_all(notes.engine)
    with Session(notes.engine) as session:
        session.add_all([Item(doubled=1), Item(doubled={})])
        with pytest.raises(StatementError) as caught:
            session.flush()
        assert isinstance(caught.value.orig, TypeError)
        session.rollback()
        objects = [Item(doubled=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        objects[3].doubled = {}
        for obj in objects:
            obj.doubled = obj.doubled or 1
        objects[3].doubled = {}
        with pytest.raises(StatementError):
            session.flush()
