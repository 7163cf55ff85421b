"""SQL expressions as values of new rows, in columns that the database has a default for."""

from __future__ import annotations

from sqlalchemy import Engine, func, inspect

from session import DeclarativeBase, Mapped, Session, mapped_column

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Reading(Base):
    __tablename__ = "reading"

    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(server_default="4")
    note: Mapped[str | None]


def test_a_value_in_place_of_a_server_default_comes_back_with_the_insert(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        reading = Reading(level=func.abs(-3), note=func.lower("A"))
        session.add(reading)
        session.flush()
        assert inspect(reading).unloaded == {"note"}
        with Statements(engine) as sent:
            assert reading.level == 3
        assert not len(sent)
        assert reading.note == "a"
