"""The mapped classes: continents, countries, their subdivisions and cities, languages and currencies."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table

from examples.atlas.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """What all classes share: one registry, one `MetaData`."""


country_language = Table(
    "atlas_country_language",
    Base.metadata,
    Column("country_code", ForeignKey("atlas_country.code"), primary_key=True),
    Column("language_code", ForeignKey("atlas_language.code"), primary_key=True, index=True),
)

country_currency = Table(
    "atlas_country_currency",
    Base.metadata,
    Column("country_code", ForeignKey("atlas_country.code"), primary_key=True),
    Column("currency_code", ForeignKey("atlas_currency.code"), primary_key=True, index=True),
)

country_neighbour = Table(
    "atlas_country_neighbour",
    Base.metadata,
    Column("country_code", ForeignKey("atlas_country.code"), primary_key=True),
    Column("neighbour_code", ForeignKey("atlas_country.code"), primary_key=True, index=True),
)


class Continent(Base):
    """One of seven."""

    __tablename__ = "atlas_continent"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(40))

    countries: Mapped[list[Country]] = relationship(back_populates="continent", order_by="Country.name")


class Country(Base):
    """A country; it owns its subdivisions and its cities, which go when it goes."""

    __tablename__ = "atlas_country"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    capital: Mapped[str | None] = mapped_column(String(80))
    area_km2: Mapped[int] = mapped_column(BigInteger)
    population: Mapped[int] = mapped_column(BigInteger)
    continent_code: Mapped[str] = mapped_column(ForeignKey("atlas_continent.code"), index=True)

    continent: Mapped[Continent] = relationship(back_populates="countries")
    subdivisions: Mapped[list[Subdivision]] = relationship(back_populates="country", cascade="all, delete-orphan")
    cities: Mapped[list[City]] = relationship(back_populates="country", cascade="all, delete-orphan")
    languages: Mapped[list[Language]] = relationship(secondary=country_language, back_populates="countries")
    currencies: Mapped[list[Currency]] = relationship(secondary=country_currency, back_populates="countries")
    neighbours: Mapped[list[Country]] = relationship(
        secondary=country_neighbour,
        primaryjoin=lambda: Country.code == country_neighbour.c.country_code,
        secondaryjoin=lambda: Country.code == country_neighbour.c.neighbour_code,
        back_populates="neighbour_of",
        order_by="Country.code",
    )
    neighbour_of: Mapped[list[Country]] = relationship(
        secondary=country_neighbour,
        primaryjoin=lambda: Country.code == country_neighbour.c.neighbour_code,
        secondaryjoin=lambda: Country.code == country_neighbour.c.country_code,
        back_populates="neighbours",
    )


class Subdivision(Base):
    """A state, province, canton, parish, ... of a country, maybe within a larger one."""

    __tablename__ = "atlas_subdivision"

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(80))
    country_code: Mapped[str] = mapped_column(ForeignKey("atlas_country.code"), index=True)
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("atlas_subdivision.code"), index=True)

    country: Mapped[Country] = relationship(back_populates="subdivisions")
    parent: Mapped[Subdivision | None] = relationship(back_populates="children", remote_side=[code])
    children: Mapped[list[Subdivision]] = relationship(back_populates="parent", order_by="Subdivision.name")
    cities: Mapped[list[City]] = relationship(back_populates="subdivision")


class City(Base):
    """A city of 15,000 or more; its key is made by the database."""

    __tablename__ = "atlas_city"

    id: Mapped[int] = mapped_column(primary_key=True)
    geoname_id: Mapped[int] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(100), index=True)
    latitude: Mapped[float]
    longitude: Mapped[float]
    population: Mapped[int]
    timezone: Mapped[str] = mapped_column(String(40))
    country_code: Mapped[str] = mapped_column(ForeignKey("atlas_country.code"), index=True)
    subdivision_code: Mapped[str | None] = mapped_column(ForeignKey("atlas_subdivision.code"), index=True)

    country: Mapped[Country] = relationship(back_populates="cities")
    subdivision: Mapped[Subdivision | None] = relationship(back_populates="cities")


class Language(Base):
    """A language that is spoken in some country."""

    __tablename__ = "atlas_language"

    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))

    countries: Mapped[list[Country]] = relationship(secondary=country_language, back_populates="languages")


class Currency(Base):
    """A currency that some country uses."""

    __tablename__ = "atlas_currency"

    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))

    countries: Mapped[list[Country]] = relationship(secondary=country_currency, back_populates="currencies")


KINDS: tuple[type[Base], ...] = (Continent, Country, Subdivision, City, Language, Currency)
"""All mapped classes, for counting their rows."""
