"""Changes to the atlas: updates, deletes with their cascades, a mistake rolled back, a savepoint.

In: a new Session for each change. Out: an `Answer` that shows what became of it. Next on the way: `story.py`.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from examples.atlas.answers import Answer, Cell
from examples.atlas.models import KINDS, Base, City, Country, Subdivision, country_neighbour
from examples.atlas.orm import Session, selectinload

DISSOLVED = ("AN", "CS")
"""Netherlands Antilles and Serbia and Montenegro: the packages still list them, the world does not."""


def count(session: Session, kind: type[Base]) -> int:
    """Rows of a class."""
    return session.scalar(select(func.count()).select_from(kind)) or 0


def counts(session: Session) -> Answer:
    """Rows of every class."""
    return Answer("What the atlas holds", ("class", "rows"), [(kind.__name__, count(session, kind)) for kind in KINDS])


def let_the_cities_of_india_grow(session: Session) -> Answer:
    """Thousands of objects changed one by one, written by one flush."""
    statement = select(Country).options(selectinload(Country.cities)).where(Country.code == "IN")
    india = session.scalars(statement).one()
    before = sum(city.population for city in india.cities)
    for city in india.cities:
        city.population += city.population // 100
    session.commit()
    after = session.scalar(select(func.sum(City.population)).where(City.country_code == "IN"))
    rows = [("before", before), ("after", int(after or 0))]
    return Answer(f"The {len(india.cities):,} cities of India grow by a hundredth", ("", "people"), rows)


def remove_dissolved_countries(session: Session) -> Answer:
    """Deleted objects take what they own with them, and their rows in association tables."""

    def borders() -> int:
        return session.scalar(select(func.count()).select_from(country_neighbour)) or 0

    rows: list[tuple[str, int, int]] = [("all", count(session, Country), borders())]
    for code in DISSOLVED:
        country = session.get_one(Country, code)
        session.delete(country)
        session.flush()
        rows.append((f"without {country.name}", count(session, Country), borders()))
    session.commit()
    return Answer("Countries that are no more are deleted", ("", "countries", "borders"), rows)


def delete_france_and_think_better_of_it(session: Session) -> Answer:
    """A cascade over hundreds of objects is flushed, and rolled back."""

    def row(when: str) -> tuple[str, int, int, int, str]:
        subdivisions, cities = (count(session, kind) for kind in (Subdivision, City))
        return when, count(session, Country), subdivisions, cities, "yes" if france in session else "no"

    france = session.get_one(Country, "FR")
    rows = [row("before")]
    session.delete(france)
    session.flush()
    rows.append(row("deleted, flushed"))
    session.rollback()
    rows.append(row("rolled back"))
    columns = ("", "countries", "subdivisions", "cities", "in the Session")
    largest = max(france.cities, key=lambda city: city.population)
    return Answer(
        "France is deleted by mistake", columns, rows, f"and its largest city is {largest.name} again, as it was"
    )


def add_a_city_twice(session: Session) -> Answer:
    """What a savepoint loses is only what was done within it."""
    switzerland = session.get_one(Country, "CH")
    bern = session.scalars(select(City).where(City.country == switzerland, City.name == "Bern")).one()
    bern.population += 1
    refused = ""
    try:
        with session.begin_nested():
            twin = _twin(bern)
            session.add(twin)
    except IntegrityError as error:
        refused = type(error).__name__
    session.commit()
    rows = [("the database said", refused), ("the other change stayed", f"{bern.population:,} people in {bern.name}")]
    return Answer("A second Bern is refused", ("", "what came of it"), rows)


def _twin(city: City) -> City:
    return City(
        geoname_id=city.geoname_id,
        name=city.name,
        latitude=city.latitude,
        longitude=city.longitude,
        population=city.population,
        timezone=city.timezone,
        country_code=city.country_code,
    )


def remove_countries_without_people(session: Session) -> Answer:
    """Several roots in one flush: what they own, and what refers to them in association tables, goes first."""
    before = [count(session, kind) for kind in KINDS]
    empty = session.scalars(select(Country).where(Country.population == 0).order_by(Country.name)).all()
    for country in empty:
        session.delete(country)
    session.commit()
    after = [count(session, kind) for kind in KINDS]
    rows: list[tuple[Cell, ...]] = [
        (kind.__name__, *numbers) for kind, *numbers in zip(KINDS, before, after, strict=True)
    ]
    names = ", ".join(country.name for country in empty)
    return Answer("Countries in which nobody lives are deleted", ("class", "before", "after"), rows, names)


CHANGES = (
    let_the_cities_of_india_grow,
    remove_dissolved_countries,
    delete_france_and_think_better_of_it,
    add_a_city_twice,
    remove_countries_without_people,
)
