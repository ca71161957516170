"""What request bodies may take of the process's memory, all of them together."""

from __future__ import annotations


class BodyMemory:
    """An account of the bytes of request bodies that are held.

    Attributes:
        held: Bytes taken and not given back; 0 at rest.
    """

    __slots__ = ("_budget", "held")

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self.held = 0

    @property
    def free(self) -> int:
        """Bytes that may still be taken."""
        return self._budget - self.held

    def take(self, size: int) -> bool:
        """Take so many bytes, or return False and change nothing."""
        if size > self.free:
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        """Return bytes that were taken.

        Raises:
            RuntimeError: They are more than is held.
        """
        if size > self.held:
            raise RuntimeError("more memory is given back than was taken")
        self.held -= size
