"""The errors: which kinds they are, what they carry, and that they survive a pickle."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest
import sqlalchemy.exc as core

from session import exc

KINDS = [
    (exc.StaleDataError, core.SQLAlchemyError),
    (exc.FlushError, core.SQLAlchemyError),
    (exc.MappedAnnotationError, core.ArgumentError),
    (exc.UnmappedError, core.InvalidRequestError),
    (exc.UnmappedInstanceError, exc.UnmappedError),
    (exc.UnmappedClassError, exc.UnmappedError),
    (exc.ObjectDereferencedError, core.SQLAlchemyError),
    (exc.DetachedInstanceError, core.SQLAlchemyError),
    (exc.ObjectDeletedError, core.InvalidRequestError),
    (exc.UnmappedColumnError, core.InvalidRequestError),
    (exc.LoaderStrategyException, core.InvalidRequestError),
]


class Plain:
    """A class that nobody mapped."""


@pytest.mark.parametrize(("kind", "parent"), KINDS)
def test_each_is_a_kind_of_a_core_error(kind: type[Exception], parent: type[Exception]) -> None:
    assert issubclass(kind, parent)


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS if not issubclass(kind, exc.UnmappedError)])
def test_a_message_is_enough(kind: type[Exception]) -> None:
    error = kind("what went wrong")
    assert error.args == ("what went wrong",)
    assert str(error).startswith("what went wrong")


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
def test_a_code_leads_to_the_manual(kind: type[Exception]) -> None:
    error = kind("x", "message", code="abcd") if issubclass(kind, exc.UnmappedError) else kind("message", code="abcd")
    assert str(error).endswith("/abcd)")


def test_the_old_name_and_the_names_of_core_are_the_same_classes() -> None:
    assert exc.ConcurrentModificationError is exc.StaleDataError
    assert exc.NoResultFound is core.NoResultFound
    assert exc.MultipleResultsFound is core.MultipleResultsFound
    assert exc.NO_STATE == (AttributeError, KeyError)


def test_a_detached_instance_has_its_code_and_its_data() -> None:
    error = exc.DetachedInstanceError("not loaded", state="state", key="name")
    assert (error.code, error.state, error.key) == ("bhk3", "state", "name")
    assert exc.DetachedInstanceError("not loaded").state is None


def test_row_counts_are_kept() -> None:
    error = exc.StaleDataError("stale", table="t", expected=2, matched=1)
    assert (error.table, error.expected, error.matched) == ("t", 2, 1)


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError):
        exc.StaleDataError("stale", colour="red")


def test_an_unmapped_object_is_named_by_its_class() -> None:
    thing = Plain()
    error = exc.UnmappedInstanceError(thing)
    assert error.obj is thing
    assert f"{__name__}.Plain" in str(error)
    assert "itself" in str(exc.UnmappedInstanceError(Plain))
    assert str(exc.UnmappedInstanceError(thing, "other words")) == "other words"


def test_an_unmapped_class_is_named() -> None:
    error = exc.UnmappedClassError(Plain)
    assert error.cls is Plain
    assert f"{__name__}.Plain" in str(error)
    assert "no class" in str(exc.UnmappedClassError(7))
    assert str(exc.UnmappedClassError(Plain, msg="other words")) == "other words"


def test_a_lost_row_is_named_by_class_and_key() -> None:
    state = SimpleNamespace(class_=Plain, key=(Plain, (7,), None))
    error = exc.ObjectDeletedError(state)
    assert error.state is state
    assert f"{__name__}.Plain" in str(error)
    assert "(7,)" in str(error)
    assert str(exc.ObjectDeletedError("gone")) == "gone"
    assert exc.ObjectDeletedError("gone").state is None


@pytest.mark.parametrize(
    "error",
    [
        exc.StaleDataError("stale", table="t", expected=2, matched=1),
        exc.DetachedInstanceError("detached", key="name"),
        exc.UnmappedInstanceError(7),
        exc.UnmappedClassError(Plain, "other words"),
        exc.ObjectDeletedError("gone", code="abcd"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_pickle_keeps_words_and_data(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
