"""Events of instrumentation itself: classes and attributes that come under it.

``listen(SomeClass, "class_instrument", fn, propagate=True)`` hears of ``SomeClass`` and what
derives from it; ``object`` as target hears of all.  A target is held weakly: the listener goes
with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from sqlalchemy import event

from session.core.event import EventKey
from session.core.inspection import precede

__all__ = ["INSTRUMENTATION", "InstrumentationEvents"]


class InstrumentationEvents(event.Events[Any]):
    """What happens while classes are instrumented."""

    _target_class_doc = "SomeBaseClass"

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        return _Target(target) if isinstance(target, type) else None

    @classmethod
    def _listen(cls, event_key: Any, propagate: bool = True, **keywords: Any) -> None:
        fn = event_key._listen_fn
        target = event_key.dispatch_target

        def if_wanted(class_: Any, *args: Any) -> Any:
            wanted = target.class_()
            if class_ is wanted or (
                propagate and wanted is not None and isinstance(class_, type) and issubclass(class_, wanted)
            ):
                return fn(class_, *args)
            return None

        def forget(_: Any) -> None:
            key: Any = EventKey(INSTRUMENTATION, event_key.identifier, if_wanted, INSTRUMENTATION)
            getattr(INSTRUMENTATION.dispatch, event_key.identifier).remove(key)

        target.class_ = ref(event_key.target, forget)
        event_key.with_dispatch_target(INSTRUMENTATION).with_wrapper(if_wanted).base_listen(**keywords)

    @classmethod
    def _clear(cls) -> None:
        super()._clear()
        INSTRUMENTATION.dispatch._clear()

    def class_instrument(self, cls: type[Any]) -> None:
        """After a class got its manager."""

    def class_uninstrument(self, cls: type[Any]) -> None:
        """Before a class loses its manager."""

    def attribute_instrument(self, cls: type[Any], key: str, inst: Any) -> None:
        """After an attribute was put on a class."""


class Instrumentation:
    """The place where instrumentation reports; there is one."""

    dispatch: Any = event.dispatcher(InstrumentationEvents)


INSTRUMENTATION = Instrumentation()


class _Target:
    """A class that somebody listens on."""

    dispatch: Any = INSTRUMENTATION.dispatch

    def __init__(self, class_: type[Any]) -> None:
        self.class_: Callable[[], Any] = lambda: class_


precede(InstrumentationEvents)
