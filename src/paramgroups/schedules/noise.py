"""A factor that is random, and all the same a pure function of the step.

Knows how a seed and a step make a number; keeps no state, and touches no generator but its own.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.levels import Array, Line
from paramgroups.schedules.shapes import Shape, put_number
from paramgroups.schedules.units import Duration, as_whole

Bits: TypeAlias = npt.NDArray[np.uint64]

# SplitMix64: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators".
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIXERS: Final = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST_SHIFT: Final = np.uint64(31)
_SEEDS: Final = 2**64
_WHOLE_FLOATS: Final = 2.0**53  # no float above it is a step of its own
_KNOTS = 4097  # of the normal distribution function: its values between them are off by less than 1e-6
_FARTHEST = 5.0  # standard deviations, beyond which there is nothing


@final
@dataclass(frozen=True, repr=False)
class Noise(Shape):
    """A random factor around 1 at every step, the same whenever and in whatever order it is asked for.

        v(t) = 1 + amplitude * u,   u uniform in [-1, 1)
        v(t) = 1 + std * z,   z normal, cut off at |std * z| <= amplitude and |z| <= 5   (with std)

    u and z are a hash of `seed` and the whole step. A product adds noise to any curve: `Cosine(1000) * Noise(0.1)`.
    Never negative, for the amplitude is at most 1. timm's `lr_noise`, with `amplitude` its `noise_pct`.

    Args:
        amplitude: How far from 1 at most, in [0, 1].
        std: Standard deviation of a normal distribution before the cut, > 0; None is a uniform one.
        seed: Which noise, a whole number in [0, 2**64).
        steps: How long, for what follows in a chain, after which the value holds; None is open-ended.

    Raises:
        ScheduleArgumentError: If an argument is none of these.
        DurationError: If `steps` is not a duration.

    Example:
        >>> Noise(0.1).values(4, base=1.0).round(4)
        array([0.9564, 1.0305, 1.0402, 0.9774])
        >>> Noise(0.1, seed=1)(3, base=1.0) == Noise(0.1, seed=1)(3, base=1.0)
        True
    """

    amplitude: float
    _: KW_ONLY
    std: float | None = None
    seed: int = 0
    steps: Duration | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "amplitude", lambda amplitude: 0 <= amplitude <= 1, "a number in [0, 1]")
        if self.std is not None:
            put_number(self, "std", lambda std: std > 0, "a finite number > 0, or None for uniform noise")
        seed = as_whole(self.seed)
        if seed is None or seed >= _SEEDS:
            raise ScheduleArgumentError("seed", self.seed, "Noise", "a whole number in [0, 2**64)")
        object.__setattr__(self, "seed", seed)

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float})

    def _line(self, times: Array, base: float) -> Line:
        share = _uniform(self.seed, np.minimum(self._until_end(times), _WHOLE_FLOATS).astype(np.uint64))
        if self.std is None:
            return Line(1.0 + self.amplitude * (2.0 * share - 1.0), 0.0)
        knots, below = _normal(min(self.amplitude / self.std, _FARTHEST))
        deviations = np.interp(below[0] + share * (below[-1] - below[0]), below, knots)
        return Line(1.0 + np.clip(self.std * deviations, -self.amplitude, self.amplitude), 0.0)


def _uniform(seed: int, counts: Bits) -> Array:
    """A number in [0, 1) for each count."""
    key = _mixed(np.array([seed], dtype=np.uint64) + _GOLDEN)
    return np.asarray((_mixed(key + counts * _GOLDEN) >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def _mixed(bits: Bits) -> Bits:
    """The bits, each of which now depends on all of them."""
    for shift, factor in _MIXERS:
        bits = (bits ^ (bits >> shift)) * factor
    mixed: Bits = bits ^ (bits >> _LAST_SHIFT)
    return mixed


@lru_cache(maxsize=8)
def _normal(farthest: float) -> tuple[Array, Array]:
    """Points from -farthest to farthest, and the share of a normal distribution below each."""
    knots = np.linspace(-farthest, farthest, _KNOTS)
    return knots, np.array([math.erf(knot / math.sqrt(2.0)) / 2.0 for knot in knots.tolist()])
