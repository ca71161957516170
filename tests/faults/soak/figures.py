"""The figures of a soak beside their targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One figure; ``least`` or ``most`` is its target, and without either it is only told."""

    name: str
    measured: float
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return not (
            (self.most is not None and self.measured > self.most)
            or (self.least is not None and self.measured < self.least)
        )

    def __str__(self) -> str:
        target = (
            f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}" if self.least is not None else ""
        )
        verdict = "" if not target else "met" if self.met else "MISSED"
        return f"{self.name:56} {self.measured:>12.6g}  {target:>10}  {verdict}".rstrip()
