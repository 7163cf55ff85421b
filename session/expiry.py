"""Forgetting what was loaded, and loading it again.

Expired attributes load when they are read next; ``refresh()`` loads them now.  Next on the way:
``load/refresh.py``, which emits the SELECT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session._accel import cascading, state_loops
from session.constants import PASSIVE_NO_INITIALIZE
from session.instrument.base import instance_state, state_label
from session.load.refresh import refresh_state
from session.snapshot import filed

__all__ = ["Expiry"]


class UnknownAttributeError(InvalidRequestError, KeyError):
    """A name that is no mapped attribute was given, also for those who catch a ``KeyError``."""


class Expiry:
    """Expiring and refreshing objects of a Session."""

    identity_map: Any
    _new: dict[Any, Any]
    _autoflush: Callable[[], None]
    _validate_persistent: Callable[[Any], None]
    _detach_states: Callable[..., None]

    def expire(self, instance: Any, attribute_names: Iterable[str] | None = None) -> None:
        """Forget loaded values and pending changes of an object; the next read loads them.

        Without ``attribute_names`` this follows ``refresh-expire`` cascades; a pending object that they
        reach leaves the Session.

        :param instance: a persistent object.
        :param attribute_names: the attributes to forget; all by default, and if there is none in it.
        :raises InvalidRequestError: the object is not persistent in this Session; or it has no attribute of a given
            name, which is a ``KeyError``, too.
        """
        self._expire_state(instance_state(instance), _names(attribute_names))

    def expire_all(self) -> None:
        """Forget loaded values and pending changes of all persistent objects.  No SQL is emitted."""
        state_loops.expire_states(filed(self.identity_map))

    def refresh(
        self,
        instance: Any,
        attribute_names: Iterable[str] | None = None,
        with_for_update: Any = None,
    ) -> None:
        """Load an object's attributes again, now; pending changes of these attributes are lost.

        Emits one SELECT for the columns, and what the loading strategies of its relationships add.

        :param instance: a persistent object.
        :param attribute_names: the attributes to load; by default, and if there is none in it, all that
            load with the row.
        :param with_for_update: ``True``, or a dictionary of the keywords of ``with_for_update()``.
        :raises InvalidRequestError: the object is not persistent in this Session, or its row is gone; or its
            primary key has a change that was not flushed; or it has no attribute of a given name, which is a
            ``KeyError``, too.
        """
        if with_for_update == {}:
            raise ArgumentError("with_for_update={} is ambiguous: give True, or a dictionary with options in it")
        state = instance_state(instance)
        attribute_names = _names(attribute_names)
        if attribute_names is not None:
            attribute_names += _names_behind(state.manager.mapper, attribute_names)
        self._expire_state(state, attribute_names)
        self._autoflush()
        committed = state.committed or {}
        unflushed = [key for key in state.manager.mapper.pk_keys if key in committed and _differs(state, key)]
        if unflushed:
            raise InvalidRequestError(
                f"Cannot refresh {state_label(state)} while a change of its primary key waits to be flushed "
                f"({', '.join(sorted(unflushed))}); flush it first"
            )
        names = None if attribute_names is None else set(attribute_names)
        refresh_state(self, state, names, with_for_update)

    def _expire_state(self, state: Any, attribute_names: list[str] | None) -> None:
        self._validate_persistent(state)
        if attribute_names is not None:
            for name in attribute_names:
                if name not in state.manager:
                    raise UnknownAttributeError(
                        f"{state_label(state)} cannot be expired or refreshed in {name!r}: "
                        f"{state.class_.__name__} has no mapped attribute of that name"
                    )
            state.expire_attributes(state.dict, attribute_names)
            return
        if not state.manager.mapper.cascade_steps("refresh-expire"):
            state.expire(state.dict)
            return
        # listed before anything is expired: afterwards there is nothing left to follow
        reached = [other for other, _ in cascading.walk("refresh-expire", state)]
        for one in (state, *reached):
            if one.ident is not None:
                one.expire(one.dict)
            elif one in self._new:
                del self._new[one]
                self._detach_states([one])


def _differs(state: Any, key: str) -> bool:
    """Tell whether an attribute that was set has another value than before."""
    history = state.manager[key].impl.get_history(state, state.dict, PASSIVE_NO_INITIALIZE)
    return bool(history.added or history.deleted)


def _names_behind(mapper: Any, keys: Iterable[str]) -> list[str]:
    """Give the attributes that composites and synonyms among ``keys`` stand for."""
    found: list[str] = []
    for key in keys:
        names = getattr(mapper.props.get(key), "attribute_names", ())
        found += [*names, *_names_behind(mapper, names)]
    return found


def _names(attribute_names: Iterable[str] | None) -> list[str] | None:
    return None if attribute_names is None else list(attribute_names) or None
