"""All targets by their names."""

from __future__ import annotations

from tests.fuzz.bodies import BODIES
from tests.fuzz.facts import FACTS
from tests.fuzz.front import FRONT
from tests.fuzz.generations import GENERATIONS
from tests.fuzz.streams import STREAMS

TARGETS = {target.name: target for target in (FRONT, STREAMS, GENERATIONS, FACTS, BODIES)}
