"""What a run shows: passed and failed per group, the figures beside their targets, the share the control fails.

A test measures a figure by calling ``figure`` with pytest's ``record_property``; it travels in the JUnit file.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CASE = re.compile(r"(?:\[|test_)([PJLCUGWBROTXpjlcugwbrotx])(\d\d)(?=[-_\]\[]|$)")


@dataclass
class Outcome:
    """One case as it ended: ``passed``, ``failed``, ``waits`` (a named mechanism is not there) or ``skipped``."""

    name: str
    group: str
    number: str
    ended: str
    secs: float
    figures: list[dict[str, Any]] = field(default_factory=list)


def figure(record: Callable[[str, object], None], name: str, what: str, measured: float, target: float) -> None:
    """Note one figure of section 4; ``target`` is the most it may be."""
    record(f"figure.{name}", json.dumps({"name": name, "what": what, "measured": measured, "target": target}))


def read(path: Path) -> list[Outcome]:
    """Return the outcomes in a JUnit file."""
    return [outcome(element) for element in ET.parse(path).getroot().iter("testcase")]


def outcome(element: ET.Element) -> Outcome:
    """Read one case."""
    name = element.get("name", "")
    module = element.get("classname", "")
    found = CASE.search(name)
    figures = [json.loads(each.get("value", "")) for each in element.iter("property")]
    group, number = (found[1].upper(), found[2]) if found else ("-", "")
    return Outcome(f"{module}::{name}", group, number, ended(element), float(element.get("time", 0)), figures)


def ended(element: ET.Element) -> str:
    """Return how a case ended."""
    if element.find("failure") is not None or element.find("error") is not None:
        return "failed"
    skipped = element.find("skipped")
    if skipped is None:
        return "passed"
    return "waits" if skipped.get("type") == "pytest.xfail" else "skipped"


def groups(outcomes: list[Outcome]) -> dict[str, Counter[str]]:
    """Return how many cases of each group ended how."""
    table: dict[str, Counter[str]] = {}
    for each in outcomes:
        table.setdefault(each.group, Counter())[each.ended] += 1
    return dict(sorted(table.items()))


def shown(outcomes: list[Outcome]) -> list[str]:
    """Return the table of groups and figures as lines."""
    lines = [f"{'group':8}{'passed':>8}{'failed':>8}{'waits':>8}{'skipped':>8}"]
    for group, counts in groups(outcomes).items():
        lines.append(f"{group:8}" + "".join(f"{counts[word]:8}" for word in ("passed", "failed", "waits", "skipped")))
    for each in sorted((one for case in outcomes for one in case.figures), key=lambda one: str(one["name"])):
        verdict = "met" if each["measured"] <= each["target"] else "MISSED"
        lines.append(
            f"{each['name']}  {each['what']}: {each['measured']:.4g} (target <= {each['target']:.4g}) {verdict}"
        )
    return lines


def compared(outcomes: list[Outcome], control: list[Outcome], explained: Mapping[str, str]) -> list[str]:
    """Return what the control says of the cases: the share it fails, and those it passes.

    ``explained`` gives, for the beginning of a case's name, why the control may pass it.
    """
    numbered = [each for each in control if each.group != "-" and each.ended in {"passed", "failed"}]
    real = {each.name for each in outcomes if each.ended == "passed"}
    passed = [each.name for each in numbered if each.ended == "passed" and each.name in real]
    share = 100 * (1 - len(passed) / max(1, len(numbered)))
    lines = [f"F33  the control fails {share:.1f} % of {len(numbered)} cases (target >= 95 %)"]
    for name in passed:
        reason = next((why for start, why in explained.items() if start in name), "NOT EXPLAINED")
        lines.append(f"     passes on the control: {name}: {reason}")
    return lines
