"""Bundles of tokenizer files."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest

from smg.text import bundle
from smg.text.bundle import unpack
from smg.text.errors import BundleError


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of ``files``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def with_type(name: str, file_type: int) -> zipfile.ZipInfo:
    """An entry that says of itself it is of ``file_type``, as Unix archivers write it."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = file_type << 16
    return entry


def test_files_come_out_as_they_were() -> None:
    """A bundle with the announced checksum is unpacked."""
    data = zipped(("tokenizer.json", b"{}"), ("a.txt", b"x" * 5000))

    assert unpack(data, hashlib.sha256(data).hexdigest().upper()) == {"tokenizer.json": b"{}", "a.txt": b"x" * 5000}


def test_checksum_is_compared_when_given() -> None:
    """A wrong checksum refuses the bundle; none at all is taken as it is."""
    data = zipped(("a", b"a"))

    with pytest.raises(BundleError, match="sha256"):
        unpack(data, "0" * 64)
    assert unpack(data, "") == {"a": b"a"}


@pytest.mark.parametrize("name", ["../a", "/a", "b/a", "b/", "..", "c:a", "b\\a", "./a"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    """Only plain names are taken, so nobody can be led to another file."""
    with pytest.raises(BundleError, match="plain"):
        unpack(zipped((name, b"a")), "")


def test_links_and_rare_compressions_are_refused() -> None:
    """A symbolic link is no file of ours."""
    with pytest.raises(BundleError, match="plain"):
        unpack(zipped((with_type("link", 0o120000), b"/etc/passwd")), "")
    with pytest.raises(BundleError, match="plain"):
        unpack(zipped(("a", b"a"), compression=zipfile.ZIP_LZMA), "")


def test_size_is_counted_while_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds for all files together, whatever the headers say."""
    monkeypatch.setattr(bundle, "UNPACKED_BYTES_AT_MOST", 1500)
    unpack(zipped(("a", b"0" * 1000), ("b", b"0" * 500)), "")

    with pytest.raises(BundleError, match="1500"):
        unpack(zipped(("c", b"0" * 1000), ("d", b"0" * 501)), "")


def test_too_many_files_or_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the archive's size and the number of its files have a cap."""
    with pytest.raises(BundleError, match="50 files"):
        unpack(zipped(*((f"f{number}", b"") for number in range(51))), "")
    monkeypatch.setattr(bundle, "ZIP_BYTES_AT_MOST", 10)
    with pytest.raises(BundleError, match="larger"):
        unpack(b"x" * 11, "")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_archives_are_refused() -> None:
    """Neither noise, nor a flipped byte, nor the same name twice gets through."""
    data = bytearray(zipped(("a", b"hello hello hello"), compression=zipfile.ZIP_STORED))
    data[35] ^= 0xFF
    for broken in (b"", b"noise", bytes(data)):
        with pytest.raises(BundleError, match="readable"):
            unpack(broken, "")
    with pytest.raises(BundleError, match="twice"):
        unpack(zipped(("b", b"1"), ("b", b"2")), "")
