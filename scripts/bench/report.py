"""Medians over rounds, and what each gateway costs beside ours."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scripts.bench.scenarios import Figures

Goals: TypeAlias = tuple[tuple[str, tuple[str, ...], float], ...]

GOALS: Goals = (
    ("cpu us/request", ("vllm-router",), 0.75),
    ("cpu us/request", ("smg",), 0.35),
    ("cpu us/request", ("nginx",), 3.0),
    ("cpu us/chunk", ("smg", "vllm-router"), 0.9),
    ("added p50 ms", ("smg", "vllm-router"), 1.0),
    ("cpu us/token", ("smg",), 1.6),
    ("KiB/idle stream", ("smg",), 0.5),
    ("cpu ms/MiB, 1 MiB", ("nginx",), 1.5),
    ("cpu ms/MiB, 8 MiB", ("nginx",), 1.5),
)
"""A figure, the gateways whose best is the measure, and the most that ours may be of it."""

SEVERAL: Goals = tuple(
    (figure, ("ours",), 1.1) for figure in ("cpu us/request", "cpu us/request, paced", "cpu us/request, each so")
)
"""The same for ours with two processes: at full load, at the same load of both together, at the same load of each."""


LEAST = ("cores used, %", 90.0)
"""What two processes must reach at full load: requests a second, as a share of what the cores could serve if nobody who
takes part, callers and engines included, were ever idle."""


class Results:
    """Every figure of every gateway, a value a round."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = {}

    def add(self, target: str, figures: Figures) -> None:
        """Take one round's figures of a gateway."""
        table = self.values.setdefault(target, {})
        for name, value in figures.items():
            table.setdefault(name, []).append(value)

    def medians(self) -> dict[str, dict[str, float]]:
        """Return each figure's median; of failures the sum."""
        return {
            target: {name: sum(row) if name == "failed" else statistics.median(row) for name, row in table.items()}
            for target, table in self.values.items()
        }


def shown(medians: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the table and the goals as lines; behind each other gateway's figure stands ours as a share of it."""
    figures = list(dict.fromkeys(name for row in medians.values() for name in row))
    lines = [f"{'(ours, of theirs)':24}" + "".join(f"{target:>22}" for target in medians)]
    for name in figures:
        own = medians.get("ours", {}).get(name)
        cells = (_cell(row.get(name), None if target == "ours" else own) for target, row in medians.items())
        lines.append(f"{name:24}" + "".join(f"{cell:>22}" for cell in cells))
    return [*lines, "", *goals(medians), *goals(medians, "ours x2", SEVERAL), *least(medians, "ours x2")]


def _cell(figure: float | None, own: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:.4g} ({own / figure:.3g})" if own and figure else f"{figure:.4g}"


def goals(medians: Mapping[str, Mapping[str, float]], ours: str = "ours", table: Goals = GOALS) -> list[str]:
    """Return each goal of ``table`` that this run can judge, as ratio of medians."""
    lines = []
    for name, rivals, most in table:
        theirs = [medians[rival][name] for rival in rivals if name in medians.get(rival, {})]
        own = medians.get(ours, {}).get(name)
        if theirs and own is not None:
            ratio = own / min(theirs)
            verdict = "met" if ratio <= most else "MISSED"
            lines.append(f"{name}: {ratio:.2f} of {' or '.join(rivals)} (goal <= {most:g}) {verdict}")
    return lines


def least(medians: Mapping[str, Mapping[str, float]], ours: str) -> list[str]:
    """Return the goal that is no ratio, if this run can judge it."""
    name, goal = LEAST
    seen = medians.get(ours, {}).get(name)
    return [] if seen is None else [f"{name}: {seen:.0f} (goal >= {goal:g}) {'met' if seen >= goal else 'MISSED'}"]
