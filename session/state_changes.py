"""A guard for objects that live through a fixed order of states.

Each method that moves such an object says from which states it may start and in which one it must
end.  While it runs, no other guarded method may run on the same object, unless the running one has
announced exactly that step: a listener that calls back at a bad moment is refused and finds
everything as it was.  So is a second thread, at once and whatever was announced: objects that move
together share one lock, which is held while any of them moves.  Next on the way: ``transaction.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from functools import wraps
from threading import RLock
from typing import Any, Final, NoReturn, TypeVar

from sqlalchemy.exc import IllegalStateChangeError

__all__ = ["ANY_STATE", "SAME_STATE", "Guarded", "moves"]

_F = TypeVar("_F", bound=Callable[..., Any])


class _Wildcard(Enum):
    ANY = 0
    SAME = 1


ANY_STATE: Final[Any] = _Wildcard.ANY
"""As a start: every state will do."""

SAME_STATE: Final[Any] = _Wildcard.SAME
"""As an end: the state in which the method was called."""


class Guarded:
    """An object whose guarded methods are refused where its state forbids them.

    :param moving: the lock of the objects that move together with this one; one of its own by default.
    """

    _state: Any
    _running: str | None = None
    _announced: Any = None

    def __init__(self, moving: Any = None) -> None:
        self._moving = RLock() if moving is None else moving

    def _refuse(self, operation: str) -> NoReturn:
        """Raise the error for an operation that the present state does not allow."""
        raise IllegalStateChangeError(
            f"{operation}() is not possible while the {type(self).__name__} is in state {self._state.name}",
            code="isce",
        )

    def _require(self, operation: str, state: Any) -> None:
        """Refuse an operation that changes no state itself, unless ``state`` is the present one and stays so."""
        if self._state is not state:
            self._refuse(operation)
        if self._running is not None and self._announced is not state:
            raise IllegalStateChangeError(
                f"{operation}() was called while {self._at_work()} still at work on the same "
                f"{type(self).__name__}; use one Session per thread or task",
                code="isce",
            )

    def _require_room(self, operation: str, goal: Any) -> None:
        """Refuse an operation that would end in ``goal``, if a running one does not expect that."""
        if self._running is not None and self._announced is not goal:
            self._refuse_meanwhile(operation, goal)

    def _at_work(self) -> str:
        return "another thread is" if self._running is None else f"{self._running}() is"

    def _refuse_meanwhile(self, operation: str, goal: Any) -> NoReturn:
        """Raise the error for an operation that would change the state under the feet of a running one."""
        raise IllegalStateChangeError(
            f"{operation}() was called while {self._at_work()} still at work on the same {type(self).__name__}, "
            f"and would take it to {goal.name} under its feet; use one Session per thread or task, "
            "and leave transactions alone in listeners of their own events",
            code="isce",
        )

    def _announce(self, end: Any) -> None:
        """Allow guarded methods that end in ``end`` to run inside of the running one from here on; ``None``: none."""
        self._announced = end


def moves(starts: Collection[Any], end: Any, part_of: str | None = None) -> Callable[[_F], _F]:
    """Guard a method: it may start in one of ``starts``, and has to end in ``end``.

    :param starts: states, or ``ANY_STATE``.
    :param end: a state, or ``SAME_STATE``.
    :param part_of: the public operation that errors speak of, where the method is a part of one.
    """

    def decorate(method: _F) -> _F:
        name = part_of or method.__name__

        @wraps(method)
        def guarded(self: Any, *args: Any, **keywords: Any) -> Any:
            if not self._moving.acquire(False):
                self._refuse_meanwhile(name, self._state if end is SAME_STATE else end)
            try:
                before = self._state
                if starts is not ANY_STATE and before not in starts:
                    self._refuse(name)
                goal = before if end is SAME_STATE else end
                running, announced = self._running, self._announced
                if running is not None and announced is not goal:
                    self._refuse_meanwhile(name, goal)
                self._running, self._announced = name, None
                try:
                    result = method(self, *args, **keywords)
                finally:
                    self._running, self._announced = running, announced
                if self._state is not goal:
                    raise IllegalStateChangeError(
                        f"{name}() should have left the {type(self).__name__} in state {goal.name}, "
                        f"but something moved it to {self._state.name} meanwhile",
                        code="isce",
                    )
                return result
            finally:
                self._moving.release()

        return guarded  # type: ignore[return-value]

    return decorate
