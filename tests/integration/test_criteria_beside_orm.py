"""``with_loader_criteria()`` of a mapped class with subclasses: which of them it is for."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, delete, select

from .beside import Beside


@pytest.fixture
def beside(engine: Engine) -> Beside:
    return Beside(engine)


def entity(orm: Any, models: Any, name: str) -> Any:
    """Give the class, or its alias, or the base with the subclass."""
    return {
        "base": models.Owner,
        "subclass": models.Company,
        "alias": orm.aliased(models.Company),
        "column": models.Company.id,
        "polymorphic": orm.with_polymorphic(models.Owner, "*"),
    }[name]


@pytest.mark.parametrize("of", ["Owner", "Company"])
@pytest.mark.parametrize("include_aliases", [False, True])
@pytest.mark.parametrize("name", ["base", "subclass", "alias", "column", "polymorphic"])
def test_which_classes_a_condition_is_for(beside: Beside, of: str, include_aliases: bool, name: str) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = orm.with_loader_criteria(
            getattr(models, of), lambda cls: cls.name == "nobody", include_aliases=include_aliases
        )
        found = session.scalars(select(entity(orm, models, name)).options(option)).all()
        return sorted(getattr(each, "id", each) for each in found)

    beside(program)


@pytest.mark.parametrize("include_aliases", [False, True])
def test_a_condition_on_the_base_is_not_for_statements_about_a_subclass(beside: Beside, include_aliases: bool) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = orm.with_loader_criteria(models.Owner, models.Owner.name == "nobody", include_aliases=include_aliases)
        found = session.scalars(select(models.Company).options(option)).all()
        return len(found)

    assert beside(program) == (0 if include_aliases else 1)


@pytest.mark.parametrize("loader", ["joinedload", "selectinload", "lazyload"])
def test_related_objects_of_a_class_with_subclasses(beside: Beside, loader: str) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = orm.with_loader_criteria(models.Owner, lambda cls: cls.name == "nobody")
        load = getattr(orm, loader)(models.Item.owner)
        items = session.scalars(select(models.Item).options(load, option).order_by(models.Item.id)).all()
        return [item.owner is None for item in items]

    beside(program)


def test_rows_that_a_statement_deletes(beside: Beside) -> None:
    def program(orm: Any, models: Any, session: Any) -> Any:
        option = orm.with_loader_criteria(models.Badge, models.Badge.name == "nobody")
        return session.execute(delete(models.Badge).options(option)).rowcount

    assert beside(program) == 0
