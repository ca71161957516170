"""Try one target for some seconds; ``scripts/fuzz.py`` runs it, once per target.

usage: python scripts/fuzz_target.py TARGET SECS SEED
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

try:
    import atheris
except ImportError:
    atheris = None

with nullcontext() if atheris is None else atheris.instrument_imports(include=["smg"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz import blind  # noqa: E402
from tests.fuzz.failures import Failures  # noqa: E402

if TYPE_CHECKING:
    from typing import NoReturn

    from tests.fuzz.target import Target

KEPT = ROOT / ".fuzz"
SAY_SECS = 5.0


class Trial:
    """Tries inputs until the time is over, and says how it goes."""

    def __init__(self, target: Target, secs: float, corpus: Path) -> None:
        self._target, self._corpus = target, corpus
        self._failures = Failures(KEPT)
        self._runs = 0
        self._begun = self._said = time.monotonic()
        self._end = self._begun + secs

    def one(self, data: bytes) -> None:
        """Try one input; does not return from the last."""
        self._runs += 1
        if (error := self._failures.tried(self._target, data)) is not None:
            traceback.print_exception(error, limit=-6, file=sys.stdout)
            print(f"replay: make fuzz CASE={list(self._failures.found.values())[-1].relative_to(ROOT)}", flush=True)
        now = time.monotonic()
        if now - self._said > SAY_SECS or now > self._end:
            self._say(now)
        if now > self._end:
            os._exit(1 if self._failures.found else 0)  # libFuzzer knows no other way out

    def _say(self, now: float) -> None:
        self._said = now
        rate = self._runs / (now - self._begun)
        kept = f"{len(list(self._corpus.iterdir()))} inputs kept" if atheris else "unguided"
        failed = len(self._failures.found)
        print(f"{self._target.name:12} {self._runs:9,} runs {rate:8,.0f}/s  {kept}, {failed} failures", flush=True)


def main() -> NoReturn:
    """Run with coverage for a guide, or without."""
    name, secs, seed = sys.argv[1:]
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        trial = Trial(target, float(secs), corpus)
        if atheris is None:
            for data in blind.inputs(target, int(seed)):
                trial.one(data)
        for number, data in enumerate(target.seeds):
            (corpus / f"seed-{number}").write_bytes(data)
        words.write_text("".join(f'"{quoted(word)}"\n' for word in target.words if len(word) <= LONGEST_WORD))
        settings = [f"-dict={words}", f"-seed={seed}", f"-max_len={blind.LONGEST}", "-len_control=0", "-rss_limit_mb=0"]
        atheris.Setup([sys.argv[0], str(corpus), *settings], trial.one)
        atheris.Fuzz()
    raise AssertionError("the last input does not return")


LONGEST_WORD = 64
"""libFuzzer takes no longer ones."""


def quoted(word: bytes) -> str:
    """Return a word as libFuzzer's dictionaries spell it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
