"""What the scripts of tools/goldens share: arguments drawn at random, the same in every run, and the file they fill.

A script a peer, run in an environment that has that peer and Hypothesis, and nothing of ours:

    python -m tools.goldens.torch

It steps the peer, and writes tests/goldens/<peer>.json; tests/goldens.py says what is in it.
"""

import json
import math
import platform
from importlib import metadata

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.goldens import FOLDER

SEED = 20_26
BEYOND = 0.2  # of a run, after its end


def drawn(strategy, count):
    """`count` different values, the same ones whenever the script is run; not the first, which are the simplest."""
    found = []

    @seed(SEED)
    @settings(
        max_examples=20 * count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=HealthCheck,
    )
    @given(strategy)
    def collect(value):
        if value not in found:
            found.append(value)

    collect()
    assert len(found) >= count, f"only {len(found)} different values of {strategy}"
    return [found[place * len(found) // count] for place in range(count)]


def arguments(required=None, **optional):
    """Sets of arguments: those `required`, and of the optional ones some, so that the peer's defaults are seen too."""
    return st.fixed_dictionaries(required or {}, optional=optional)


def numbers(low, high):
    """Numbers with few digits, spread evenly over orders of magnitude where the bounds are positive."""
    spread = st.floats(math.log(low), math.log(high)).map(math.exp) if low > 0 else st.floats(low, high)
    return spread.map(lambda number: min(max(float(f"{number:.4g}"), low), high))


def beyond(steps):
    """How many values of a run of so many steps are kept: every step, the end, and 20 % more."""
    return steps + 1 + math.ceil(BEYOND * steps)


def stepped(count, value_at):
    """The first `count` values, or those up to where the peer raises; and then why."""
    values, ends = [], None
    try:
        for step in range(count):
            values.append(float(value_at(step)))  # noqa: PERF401 - what was found before it raises counts
    except (ValueError, ArithmeticError, IndexError, NotImplementedError) as error:
        ends = f"{type(error).__name__}: {error}"
    assert values, ends
    assert all(map(math.isfinite, values)), values
    return {"values": values, "ends": ends} if ends else {"values": values}


def write(peer, packages, cases, **versions):
    """Put the cases into the peer's table, with the versions of these packages, and of what has no package."""
    known = {package: metadata.version(package).partition("+")[0] for package in packages}
    known |= {**versions, "python": platform.python_version()}
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    path = FOLDER / f"{peer}.json"
    path.write_text(f'{{"peer": "{peer}", "versions": {json.dumps(known)}, "cases": [\n{lines}\n]}}\n', "utf-8")
    print(f"wrote {path.name}: {len(cases)} cases, {path.stat().st_size / 1000:.0f} kB")
