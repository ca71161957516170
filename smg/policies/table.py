"""Which policy serves which model: the fleet's default, or the name a model's workers are labelled with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smg.core.errors import ConfigError
from smg.policies.least_load import LeastLoad
from smg.policies.passthrough import Passthrough
from smg.policies.power_of_two import PowerOfTwo
from smg.policies.random_choice import RandomChoice
from smg.policies.round_robin import RoundRobin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from smg.policies.policy import Policy

MAX_MODELS = 4096

BUILDERS: Final[Mapping[str, Callable[[Random], Policy]]] = {
    "round_robin": lambda _: RoundRobin(),
    "random": RandomChoice,
    "power_of_two": PowerOfTwo,
    "least_load": lambda _: LeastLoad(),
    "passthrough": lambda _: Passthrough(),
}

POLICY_NAMES: Final = tuple(BUILDERS)


def build_policy(name: str, rng: Random) -> Policy:
    """Make a policy by the name it has in settings and labels.

    Raises:
        ConfigError: If there is no policy of that name.
    """
    if name not in BUILDERS:
        raise ConfigError(f"unknown policy {name!r}; choose one of {', '.join(POLICY_NAMES)}")
    return BUILDERS[name](rng)


class PolicyTable:
    """One policy object per model and name, so that turns and memory are a model's own.

    At most ``MAX_MODELS`` are kept; beyond that the one unused longest is dropped with its memory.
    """

    def __init__(self, default: str, rng: Random) -> None:
        build_policy(default, rng)
        self._default = default
        self._rng = rng
        self._policies: dict[tuple[str, str], Policy] = {}

    def policy(self, model: str, label: str | None) -> Policy:
        """Return the policy of ``model``; a label that names no policy falls back on the default."""
        name = label if label is not None and label in BUILDERS else self._default
        key = (model, name)
        policy = self._policies.pop(key, None)
        if policy is None:
            policy = build_policy(name, self._rng)
            if len(self._policies) >= MAX_MODELS:
                del self._policies[next(iter(self._policies))]
        self._policies[key] = policy  # as the last: the first is the one unused longest
        return policy
