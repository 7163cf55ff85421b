"""Mapped dataclasses: what becomes of the class body."""

from __future__ import annotations

from session import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column


def test_a_plain_default_of_a_mapped_dataclass_makes_a_column() -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Plain(Base):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str] = "x"

    assert Plain().name == "x"
    assert Plain(name="y").name == "y"
    assert not Plain.__table__.c.name.nullable
