"""Readers of numbers on the command line."""

from __future__ import annotations

import argparse

import pytest

from smg.cli.words import not_negative, port, whole


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("65535", 65535)])
def test_port_is_read(text, value):
    """Both ends of the range are in it."""
    assert port(text) == value


@pytest.mark.parametrize("text", ["-1", "65536", "x", "", "1.0", "9" * 5000, "\u0661"])
def test_port_out_of_range_is_refused(text):
    """The message says the range."""
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 65535"):
        port(text)


def test_whole_has_a_low_end():
    """Less than the least is refused."""
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 5"):
        whole(1, 5)("0")


@pytest.mark.parametrize("text", ["-0.1", "nan", "inf", "fast"])
def test_not_negative_refuses_what_is_no_speed(text):
    """Only finite numbers of 0 or more are times."""
    with pytest.raises(argparse.ArgumentTypeError, match="0 or more"):
        not_negative(text)


def test_not_negative_reads_numbers():
    """Zero is one of them."""
    assert [not_negative("0"), not_negative("2.5")] == [0.0, 2.5]
