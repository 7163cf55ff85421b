"""Makes one graph of objects out of all the facts, and puts it into a Session by its seven roots.

In: the `World` of `sources.py`. Out: rows in the database. Next on the way: `questions.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from examples.atlas.models import City, Continent, Country, Currency, Language, Subdivision
from examples.atlas.sources import Facts, World, currency_name, language_of, split, subdivision_code

Advance = Callable[[int], None]

STEP = 500
"""Things between two reports of progress."""


def make_continents(world: World, advance: Advance) -> list[Continent]:
    """Make all objects, related to each other; the continents lead to every one of them.

    Parameters:
        world: the facts.
        advance: called now and then with how many more things are done.
    """
    continents = {each["continentCode"]: _continent(each) for each in world.continents}
    countries = {each["iso"]: _country(each, continents) for each in world.countries}
    _relate_countries(world, countries)
    advance(len(continents) + len(countries))
    subdivisions = _make_subdivisions(world, countries)
    advance(len(subdivisions))
    for number, each in enumerate(world.cities, start=1):
        _city(each, countries, subdivisions)
        if number % STEP == 0:
            advance(STEP)
    advance(len(world.cities) % STEP)
    return list(continents.values())


def _continent(facts: Facts) -> Continent:
    return Continent(code=facts["continentCode"], name=facts["name"])


def _country(facts: Facts, continents: dict[str, Continent]) -> Country:
    return Country(
        code=facts["iso"],
        name=facts["name"],
        capital=facts["capital"] or None,
        area_km2=facts["areakm2"],
        population=facts["population"],
        continent=continents[facts["continentcode"]],
    )


def _relate_countries(world: World, countries: dict[str, Country]) -> None:
    """Give the countries their neighbours, languages and currencies."""
    languages: dict[str, Language] = {}
    currencies: dict[str, Currency] = {}
    for facts in world.countries:
        country = countries[facts["iso"]]
        country.neighbours = [countries[code] for code in split(facts["neighbours"])]
        for known in dict.fromkeys(map(language_of, split(facts["languages"]))):
            if known is not None:
                code, name = known
                country.languages.append(languages.setdefault(code, Language(code=code, name=name)))
        if code := facts["currencycode"]:
            name = currency_name(code, facts["currencyname"])
            country.currencies.append(currencies.setdefault(code, Currency(code=code, name=name)))


def _make_subdivisions(world: World, countries: dict[str, Country]) -> dict[str, Subdivision]:
    subdivisions = {
        each.code: Subdivision(code=each.code, name=each.name, kind=each.type, country=countries[each.country_code])
        for each in world.subdivisions
    }
    for each in world.subdivisions:
        if each.parent_code:
            subdivisions[each.code].parent = subdivisions[each.parent_code]
    return subdivisions


def _city(facts: Facts, countries: dict[str, Country], subdivisions: dict[str, Subdivision]) -> City:
    return City(
        geoname_id=facts["geonameid"],
        name=facts["name"],
        latitude=facts["latitude"],
        longitude=facts["longitude"],
        population=facts["population"],
        timezone=facts["timezone"],
        country=countries[facts["countrycode"]],
        subdivision=subdivisions.get(subdivision_code(facts)),
    )
