"""What a run shows: passed and failed per group, the figures beside their targets, the share the control fails.

A test measures a figure by calling ``figure`` with pytest's ``record_property``; it travels in the JUnit file.
Figures of one name and wording are one line: what must be 0 adds up, of anything else the worst is shown.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    Record: TypeAlias = Callable[[str, object], None]

CASE = re.compile(r"(?:[\[-]|test_)([PJLCUGWBROTXpjlcugwbrotx])(\d\d)(?=[-_\]\[]|$)")
MATRICES = {"F11": ("cells of the fault matrix", 240), "F13": ("hand-made bad requests", 400)}
"""Figures that are the number of cases that carry one, at least so many, and the share of those that passed."""
WANTED = tuple(f"F{number:02}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 21))
"""Figures that a whole run has to show."""
ENDS = ("passed", "failed", "waits", "skipped")


@dataclass(frozen=True)
class Figure:
    """One number beside its target.

    Attributes:
        what: What was measured, with its unit.
        target: The most it may be, or the least.
        over: How many requests, streams, samples or cases it was taken over.
    """

    name: str
    what: str
    measured: float
    target: float
    over: int = 1
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.measured >= self.target if self.at_least else self.measured <= self.target

    def joined(self, other: Figure) -> Figure:
        """Return both as one."""
        adds_up = self.target == 0 and not self.at_least
        pick = min if self.at_least else max
        measured = self.measured + other.measured if adds_up else pick(self.measured, other.measured)
        return replace(self, measured=measured, over=self.over + other.over)

    def __str__(self) -> str:
        bound = f"{'>=' if self.at_least else '<='} {self.target:.4g}"
        verdict = "met" if self.met else "MISSED"
        return f"{self.name}  {self.what}: {self.measured:.4g} (target {bound}, over {self.over:,}) {verdict}"


@dataclass
class Outcome:
    """One case as it ended: ``passed``, ``failed``, ``waits`` (a named mechanism is not there) or ``skipped``.

    Attributes:
        why: The first line of what a failed case said.
    """

    name: str
    group: str
    number: str
    ended: str
    secs: float
    why: str = ""
    figures: list[Figure] = field(default_factory=list)


def figure(
    record: Record, name: str, what: str, measured: float, target: float, *, over: int = 1, at_least: bool = False
) -> None:
    """Note one figure of section 4 of the catalogue; before what it says is asserted, so that a miss is shown too."""
    record(f"figure.{name}", json.dumps(asdict(Figure(name, what, float(measured), target, over, at_least))))


def read(path: Path) -> list[Outcome]:
    """Return the outcomes in a JUnit file."""
    return [outcome(element) for element in ET.parse(path).getroot().iter("testcase")]


def outcome(element: ET.Element) -> Outcome:
    """Read one case."""
    name = element.get("name", "")
    module = element.get("classname", "")
    found = CASE.search(name)
    figures = [Figure(**json.loads(each.get("value", ""))) for each in element.iter("property")]
    group, number = (found[1].upper(), found[2]) if found else ("-", "")
    secs, why = float(element.get("time", 0)), said(element)
    return Outcome(f"{module}::{name}", group, number, ended(element), secs, why, figures)


def said(element: ET.Element) -> str:
    """Return the first line of a case's failure, or why it was left out."""
    told = (element.find("failure"), element.find("error"), element.find("skipped"))
    return next((each.get("message", "").partition("\n")[0][:200] for each in told if each is not None), "")


def ended(element: ET.Element) -> str:
    """Return how a case ended."""
    if element.find("failure") is not None or element.find("error") is not None:
        return "failed"
    skipped = element.find("skipped")
    if skipped is None:
        return "passed"
    return "waits" if skipped.get("type") == "pytest.xfail" else "skipped"


def groups(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """Return how many cases of each group ended how."""
    table: dict[str, Counter[str]] = {}
    for each in outcomes:
        table.setdefault(each.group, Counter())[each.ended] += 1
    return dict(sorted(table.items()))


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the table of groups as lines, the sum last."""
    counted = groups(outcomes)
    rows = [*counted.items(), ("all", sum(counted.values(), Counter()))]
    head = f"{'group':8}" + "".join(f"{word:>8}" for word in ENDS)
    return [head, *(f"{group:8}" + "".join(f"{counts[word]:8}" for word in ENDS) for group, counts in rows)]


def measured(outcomes: Iterable[Outcome]) -> list[Figure]:
    """Return the figures in order, each once; those of cases that are known not to be kept are not judged."""
    cases = list(outcomes)
    kept = [one for case in cases if case.ended != "waits" for one in case.figures]
    found: dict[tuple[str, str], Figure] = {}
    for each in [*kept, *matrices(cases)]:
        key = each.name, each.what
        found[key] = found[key].joined(each) if key in found else each
    return [found[key] for key in sorted(found)]


def matrices(outcomes: Iterable[Outcome]) -> list[Figure]:
    """Return the figures that are counts of cases."""
    figures = []
    for name, (what, least) in MATRICES.items():
        ends = [case.ended for case in outcomes if any(one.name == name for one in case.figures)]
        if ends:
            share = ends.count("passed") / len(ends)
            figures.append(Figure(name, f"{what}, number", len(ends), least, len(ends), at_least=True))
            figures.append(Figure(name, f"{what}, share answered exactly", share, 1.0, len(ends), at_least=True))
    return figures


def not_measured(figures: Iterable[Figure]) -> list[str]:
    """Return a line for each wanted figure that is missing."""
    return [f"{name}  not measured: MISSED" for name in WANTED if name not in {each.name for each in figures}]


def left_out(control: Iterable[Outcome]) -> list[str]:
    """Return how many cases of each group could not be asked of the control, and why."""
    counted = Counter((each.group, each.why) for each in control if each.ended == "skipped" and each.group != "-")
    return [f"     not asked of the control: {count} of {group}: {why}" for (group, why), count in counted.items()]


def compared(outcomes: Iterable[Outcome], control: Iterable[Outcome], explained: Mapping[str, str]) -> list[str]:
    """Return what the control says of the cases: the share it fails, those it passes, and those not asked of it.

    ``explained`` gives, for a word of a case's name, why the control may pass it; one that has no reason is a miss.
    """
    control = list(control)
    numbered = [each for each in control if each.group != "-" and each.ended in {"passed", "failed"}]
    real = {each.name for each in outcomes if each.ended == "passed"}
    passed = [each.name for each in numbered if each.ended == "passed" and each.name in real]
    share = 100 * (1 - len(passed) / max(1, len(numbered)))
    lines = [str(Figure("F33", "cases that the control fails, in %", share, 95, len(numbered), at_least=True))]
    for name in passed:
        reason = next((why for word, why in explained.items() if word in name), "not explained: MISSED")
        lines.append(f"     passes on the control: {name}: {reason}")
    return [*lines, *left_out(control)]
