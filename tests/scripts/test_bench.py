"""The benchmark measures what it says: figures of a short run, medians, goals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench.report import Results, goals, shown
from scripts.bench.targets import TARGETS

ROOT = Path(__file__).parents[2]


def results():
    """Return figures of three rounds of two gateways."""
    made = Results()
    for ours, theirs in ((10.0, 20.0), (12.0, 30.0), (90.0, 40.0)):
        made.add("ours", {"cpu us/request": ours, "failed": 1.0})
        made.add("smg", {"cpu us/request": theirs, "failed": 0.0})
    return made


def test_medians_are_compared_and_failures_added_up():
    """A round that was disturbed moves no figure; no failure is lost."""
    medians = results().medians()

    assert medians == {
        "ours": {"cpu us/request": 12.0, "failed": 3.0},
        "smg": {"cpu us/request": 30.0, "failed": 0.0},
    }
    assert [line.split() for line in shown(medians)][1:3] == [
        ["cpu", "us/request", "12", "30", "(0.4)"],
        ["failed", "3", "0"],
    ]


def test_what_is_not_measured_is_compared_with_nothing():
    """A figure that one of the two lacks."""
    table = shown({"ours": {"cpu us/request": 12.0}, "smg": {"cpu us/token": 30.0}})

    assert [line.split()[-2:] for line in table[1:3]] == [["12", "-"], ["-", "30"]]


@pytest.mark.parametrize(("ours", "verdict"), [(10.5, "met"), (10.6, "MISSED")])
def test_a_goal_is_judged_by_the_ratio(ours, verdict):
    """At most 0.35 of what smg spends; goals whose rival was not there are not judged."""
    lines = goals({"ours": {"cpu us/request": ours}, "smg": {"cpu us/request": 30.0}})

    assert [line.split()[-1] for line in lines] == [verdict]


def test_whoever_is_installed_is_part_of_a_run():
    """Two processes of ours are measured where they are named, for they are judged by one."""
    usual = [target.name for target in TARGETS if target.usual]

    assert usual == ["ours", "smg", "vllm-router", "litellm", "grpc.aio", "nginx"]


def test_a_short_run_measures_our_gateway(tmp_path):
    """Every figure of the scenario is there, and nothing failed."""
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "scripts.bench", "--targets", "ours", "--scenarios", "plain"]
    subprocess.run([*command, "--rounds", "1", "--secs", "0.3", "--out", str(out)], cwd=ROOT, check=True, timeout=50)

    figures = json.loads(out.read_text(encoding="utf-8"))["ours"]
    assert figures["failed"] == [0.0]
    assert figures["cpu us/request"][0] > 0
    assert figures["requests/s"][0] > 0
    assert 0 < figures["cores used, %"][0] < 110


def test_two_processes_are_measured_by_one():
    """Ours with two is judged by ours with one, and by nobody else."""
    one = {"cpu us/request, paced": 100.0, "cpu us/request, each so": 100.0}
    two = {"cpu us/request, paced": 111.0, "cpu us/request, each so": 110.0}

    lines = shown({"ours": one, "ours x2": two})

    assert [line.split()[-1] for line in lines if "goal" in line] == ["MISSED", "met"]


@pytest.mark.parametrize(("used", "verdict"), [(90.0, "met"), (89.9, "MISSED")])
def test_two_processes_are_to_use_the_cores(used, verdict):
    """No ratio of two gateways, but what the cores could serve."""
    lines = [line for line in shown({"ours x2": {"cores used, %": used}}) if "goal" in line]

    assert [line.split()[-1] for line in lines] == [verdict]


def test_a_paced_run_measures_two_processes(tmp_path):
    """All requests that were to be asked were answered, and the larger share of the connections is told."""
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "scripts.bench", "--targets", "ours x2", "--scenarios", "paced"]
    subprocess.run([*command, "--rounds", "1", "--secs", "1.5", "--out", str(out)], cwd=ROOT, check=True, timeout=50)

    figures = json.loads(out.read_text(encoding="utf-8"))["ours x2"]
    assert figures["failed"] == [0.0]
    assert 50 <= figures["most connections, %"][0] <= 100
    assert figures["cpu us/request, each so"] != figures["cpu us/request, paced"]
