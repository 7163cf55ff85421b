"""Questions to the atlas: through relationships, eager and lazy, and through aggregates.

In: a new Session for each question. Out: an `Answer`. Next on the way: `changes.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sqlalchemy import func, select

from examples.atlas.answers import Answer, Cell
from examples.atlas.models import City, Continent, Country, Currency, Language, Subdivision, country_language
from examples.atlas.orm import Session, joinedload, selectinload

FEW = 8
"""Rows of a short list."""


def how_large_are_the_continents(session: Session) -> Answer:
    """Aggregates over a join, grouped."""
    people = func.sum(Country.population)
    statement = (
        select(Continent.name, func.count(Country.code), people, func.sum(Country.area_km2))
        .join(Continent.countries)
        .group_by(Continent.name)
        .order_by(people.desc())
    )
    rows = [(name, count, int(people), int(area)) for name, count, people, area in session.execute(statement)]
    return Answer("How large are the continents?", ("continent", "countries", "people", "km²"), rows)


def which_cities_are_the_northernmost(session: Session) -> Answer:
    """Many-to-one, joined in the same SELECT, two steps deep."""
    statement = (
        select(City)
        .options(joinedload(City.country).joinedload(Country.continent), joinedload(City.subdivision))
        .order_by(City.latitude.desc(), City.geoname_id)
        .limit(FEW)
    )
    rows = [
        (city.name, city.country.name, city.country.continent.name, city.latitude)
        for city in session.scalars(statement)
    ]
    return Answer(
        "Which cities are the northernmost?", ("city", "country", "continent", "latitude"), rows, "joinedload"
    )


def where_do_most_people_live_in_one_city(session: Session) -> Answer:
    """One-to-many for all countries at once: 34,000 cities come in a few SELECT .. IN."""
    statement = select(Country).options(selectinload(Country.cities)).where(Country.population > 1_000_000)
    shares = []
    for country in session.scalars(statement):
        if country.cities:
            largest = max(country.cities, key=lambda city: city.population)
            shares.append((country.name, largest.name, len(country.cities), largest.population / country.population))
    shares.sort(key=lambda row: (-row[-1], row[0]))
    return Answer(
        "In which country does the largest share live in one city?",
        ("country", "largest city", "cities", "share"),
        shares[:FEW],
        "selectinload of every city of every country with more than a million people",
    )


def which_languages_are_spoken_in_most_countries(session: Session) -> Answer:
    """Many-to-many: counted by the database, then the examples of each loaded when touched."""
    countries = func.count(country_language.c.country_code)
    statement = (
        select(Language, countries)
        .join(country_language, country_language.c.language_code == Language.code)
        .group_by(Language.code, Language.name)
        .order_by(countries.desc(), Language.name)
        .limit(FEW)
    )
    rows = []
    for language, count in session.execute(statement):
        largest = sorted(language.countries, key=lambda country: (-country.population, country.name))
        rows.append((language.name, count, ", ".join(country.name for country in largest[:3])))
    return Answer(
        "Which languages are spoken in most countries?",
        ("language", "countries", "most people"),
        rows,
        "group_by, then a lazy load for each",
    )


def which_currencies_cross_borders(session: Session) -> Answer:
    """Many-to-many, eagerly, with a further step to the continent."""
    statement = select(Currency).options(selectinload(Currency.countries).joinedload(Country.continent))
    currencies = sorted(session.scalars(statement), key=lambda each: (-len(each.countries), each.code))
    rows = [
        (
            currency.code,
            currency.name,
            len(currency.countries),
            ", ".join(sorted({country.continent.name for country in currency.countries})),
        )
        for currency in currencies[:FEW]
    ]
    return Answer("Which currencies cross borders?", ("code", "currency", "countries", "continents"), rows)


def which_name_do_most_countries_share(session: Session) -> Answer:
    """Aggregates with HAVING, ordered by two of them."""
    countries = func.count(City.country_code.distinct())
    statement = (
        select(City.name, countries, func.count(), func.max(City.population))
        .group_by(City.name)
        .having(countries > 4)
        .order_by(countries.desc(), City.name)
        .limit(FEW)
    )
    rows: list[tuple[Cell, ...]] = [tuple(row) for row in session.execute(statement)]
    return Answer("Which name of a city do most countries share?", ("name", "countries", "cities", "largest"), rows)


def how_is_belgium_divided(session: Session) -> Answer:
    """A walk down a self-referential relationship, each step loaded when it is taken."""
    statement = (
        select(Subdivision)
        .where(Subdivision.country_code == "BE", Subdivision.parent_code.is_(None))
        .order_by(Subdivision.name)
    )
    rows = [
        ("    " * depth + each.name, each.kind, len(each.children), len(each.cities))
        for top in session.scalars(statement)
        for depth, each in _walk(top)
    ]
    return Answer("How is Belgium divided?", ("subdivision", "kind", "parts", "cities"), rows, "lazy loads")


def _walk(top: Subdivision, depth: int = 0) -> Iterator[tuple[int, Subdivision]]:
    yield depth, top
    for child in top.children:
        yield from _walk(child, depth + 1)


def how_to_go_by_land_from_portugal_to_malaysia(session: Session) -> Answer:
    """A search through neighbours of neighbours: a many-to-many of a class with itself, lazily."""
    start = session.get_one(Country, "PT")
    goal = session.get_one(Country, "MY")
    came_from: dict[Country, Country | None] = {start: None}
    waiting = deque([start])
    while goal not in came_from:
        country = waiting.popleft()
        for neighbour in country.neighbours:
            if neighbour not in came_from:
                came_from[neighbour] = country
                waiting.append(neighbour)
    path = []
    step: Country | None = goal
    while step is not None:
        path.append(step)
        step = came_from[step]
    rows = [(number, country.name, country.capital or "") for number, country in enumerate(reversed(path), start=1)]
    return Answer(
        "How to go by land from Portugal to Malaysia?",
        ("", "country", "capital"),
        rows,
        f"{len(came_from)} countries looked at",
    )


def which_capitals_are_in_which_subdivision(session: Session) -> Answer:
    """A join by more than a foreign key, and both ends loaded by it."""
    statement = (
        select(City, Country)
        .join(City.country)
        .where(City.name == Country.capital, City.population > 1_000_000, City.subdivision_code.is_not(None))
        .options(joinedload(City.subdivision))
        .order_by(City.population.desc(), City.name)
    )
    rows = [
        (city.name, country.name, city.subdivision.name if city.subdivision else "", city.population)
        for city, country in session.execute(statement)
    ]
    return Answer("Capitals of a million, and where they are", ("capital", "country", "in", "people"), rows)


QUESTIONS = (
    how_large_are_the_continents,
    which_cities_are_the_northernmost,
    where_do_most_people_live_in_one_city,
    which_languages_are_spoken_in_most_countries,
    which_currencies_cross_borders,
    which_name_do_most_countries_share,
    how_is_belgium_divided,
    how_to_go_by_land_from_portugal_to_malaysia,
    which_capitals_are_in_which_subdivision,
)
