"""timm's noise: the numbers that torch's generator gives timm, from the seed and the step, without torch.

Knows that generator; knows nothing of the curve that is multiplied.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import final

import numpy as np

from paramgroups.errors import ScheduleArgumentError
from paramgroups.schedules.dialects.conventions import Unending
from paramgroups.schedules.levels import Array, Line
from paramgroups.schedules.shapes import put_number
from paramgroups.schedules.units import as_whole


@final
@dataclass(frozen=True, repr=False)
class Noise(Unending):
    """timm's noise: a factor 1 + n from one step to another, the very numbers that torch's generator gives timm.

        v(t) = 1 + n(t),   start <= t < stop,   n = noise_std * z, the first of the z from seed + t with |n| < noise_pct

    Each step seeds a generator and asks it once or more, so that it takes microseconds where the native `Noise` takes
    nanoseconds; the narrower the band, the longer.

    Args:
        start: From when on, a number.
        stop: Until when, a number; None is for ever.
        noise_pct: How far from 1 at most, > 0.
        noise_std: Standard deviation before that, >= 0, at most 1,000 times `noise_pct`.
        noise_seed: Of the generator at t = 0, a whole number >= 0.

    Raises:
        ScheduleArgumentError: If an argument is none of these.

    Example:
        >>> Noise(2, noise_pct=0.1).values(4, base=1.0).round(4)
        array([1.    , 1.    , 1.0589, 1.0312])
    """

    start: float
    stop: float | None = None
    _: KW_ONLY
    noise_pct: float = 0.67
    noise_std: float = 1.0
    noise_seed: int = 42

    def __post_init__(self) -> None:
        super().__post_init__()
        put_number(self, "start", math.isfinite, "a finite number")
        if self.stop is not None:
            put_number(self, "stop", math.isfinite, "a finite number, or None for ever")
        put_number(self, "noise_pct", lambda most: most > 0, "a finite number > 0, or no noise is small enough")
        widest = 1000.0 * self.noise_pct
        near = f"a number >= 0 and at most 1,000 times noise_pct = {self.noise_pct!r}"
        put_number(self, "noise_std", lambda std: 0 <= std <= widest, near)
        seed = as_whole(self.noise_seed)
        if seed is None:
            raise ScheduleArgumentError("noise_seed", self.noise_seed, "Noise", "a whole number >= 0")
        object.__setattr__(self, "noise_seed", seed)

    @property
    def _kinds(self) -> frozenset[type]:
        return frozenset({float})

    def _line(self, times: Array, base: float) -> Line:
        noisy = (times >= self.start) & (times < (math.inf if self.stop is None else self.stop))
        if not noisy.any():
            return Line(1.0, 0.0)
        factors = np.ones_like(times)
        twister = np.random.RandomState(0)  # torch's generator, and seeded as torch does it
        factors[noisy] = [1.0 + self._noise(int(time), twister) for time in times[noisy].tolist()]
        return Line(factors, 0.0)

    def _noise(self, step: int, twister: np.random.RandomState) -> float:
        twister.seed((self.noise_seed + step) % 2**32)
        while True:
            for deviate in _normals(twister):
                noise = deviate * self.noise_std
                if abs(noise) < self.noise_pct:
                    return noise


def _normals(twister: np.random.RandomState) -> tuple[float, float]:
    """The next two normal deviates as torch draws them: Box & Muller (1958), in float64, rounded to float32."""
    words = twister.randint(0, 2**32, size=4, dtype=np.uint32).tolist()
    angle, radius = (((high << 32 | low) & (2**53 - 1)) * 2.0**-53 for high, low in (words[:2], words[2:]))
    radius = math.sqrt(-2.0 * math.log1p(-radius))
    angle *= 2.0 * math.pi
    return float(np.float32(radius * math.cos(angle))), float(np.float32(radius * math.sin(angle)))
