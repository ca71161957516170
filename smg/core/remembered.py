"""What is asked again and again, answered from memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """A function's answers by its argument: ``remembered[argument]``.

    To look one up costs compiled code a third of what ``lru_cache`` takes to be called, and to put it in order. So
    there is none: when as many are here as may be, all are forgotten.
    """

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        """Take the function, which may raise and then is asked again, and how many answers to remember."""
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value
