"""Telling several observers of each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smg.core.events import Event, Observer


class Observers:
    """Passes each event to several observers in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def notify(self, event: Event) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.notify(event)
