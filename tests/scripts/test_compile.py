"""What is compiled is what is written, and where nothing can be, that is said."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from scripts import compile as compiling
from scripts.wheel import tags


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """Return a root that holds every module to compile, empty, and no library."""
    for source in compiling.sources():
        path = tmp_path / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(compiling, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("source", compiling.sources())
def test_what_is_compiled_is_what_runs(source):
    """Each module is there, and comes from its library where there is one."""
    module = importlib.import_module(source.removesuffix(".py").replace("/", "."))

    assert (compiling.ROOT / source).exists()
    assert str(module.__file__).endswith(compiling.SUFFIX if any(compiling.libraries()) else ".py")


ALONE = """
import importlib, os, sys
for name in sys.argv[1:]:
    if not (child := os.fork()):
        importlib.import_module(name)
        os._exit(0)
    if status := os.waitpid(child, 0)[1]:
        print(name, status)
"""


def test_each_module_may_be_the_first():
    """What a compiled class refers to is there when it is made, whoever is imported before; else the process dies."""
    names = [source.removesuffix(".py").replace("/", ".") for source in compiling.sources()]
    ran = subprocess.run([sys.executable, "-c", ALONE, *names], check=True, capture_output=True, text=True)

    assert ran.stdout == ""


def test_an_edited_module_is_told(tree):
    """Only what is older than its source; what was not compiled is never stale."""
    source = compiling.sources()[0]
    library = (tree / source).with_suffix(compiling.SUFFIX)
    assert compiling.stale() == []

    library.touch()
    os.utime(tree / source, ns=(0, library.stat().st_mtime_ns - 1))
    assert compiling.stale() == []
    os.utime(tree / source, ns=(0, library.stat().st_mtime_ns + 1))
    assert compiling.stale() == [source]


def test_nothing_stays_but_what_is_written(tree):
    """Removing leaves the sources; a wheel of them runs on any machine."""
    library = (tree / compiling.sources()[0]).with_suffix(compiling.SUFFIX)
    library.touch()
    assert "--python-tag=cp3" in tags()

    compiling.remove()

    assert not library.exists()
    assert all((tree / source).exists() for source in compiling.sources())
    assert tags() == ""


def run_in(folder, **options):
    """Run the script in a checkout that holds nothing else."""
    script = folder / "scripts" / "compile.py"
    script.parent.mkdir()
    script.write_bytes((compiling.ROOT / "scripts" / "compile.py").read_bytes())
    return subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, **options)


def test_without_a_compiler_nothing_is_compiled(tmp_path):
    """It is told what is missing, and is no failure."""
    ran = run_in(tmp_path, env={"PATH": str(tmp_path)})

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("not compiled: this machine has no C compiler")


def test_what_cannot_be_compiled_is_told(tmp_path):
    """The tools' own words, and a code that stops who asked."""
    if compiling.missing():
        pytest.skip("this machine cannot compile")
    ran = run_in(tmp_path)

    assert ran.returncode == 1
    assert "smg/" in ran.stderr
    assert "error: " in ran.stderr
