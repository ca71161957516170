"""Who hears of events, and telling several of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr
from typing_extensions import override

if TYPE_CHECKING:
    from smg.core.events import Event


@mypyc_attr(allow_interpreted_subclasses=True)
class Observer(ABC):
    """Hears every event; must neither block nor raise."""

    @abstractmethod
    def notify(self, event: Event) -> None:
        """Take note of ``event``."""


class Observers(Observer):
    """Passes each event to several observers in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @override
    def notify(self, event: Event) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.notify(event)
