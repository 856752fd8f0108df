"""An algorithm: two functions, what they take, and whose words they use."""

import math

from paramgroups.kernels.algorithm import Algorithm, bound, maximum, power, sign, where
from paramgroups.optim.adam import ADAM, AMSGRAD


def halved(p, g, size):
    """An update with a constant in it."""
    return (p - size * g / 2,)


def test_what_it_takes_is_read_off_its_functions():
    """What an update takes beyond parameter, gradient and state, and what scalars take beyond the step."""
    assert (AMSGRAD.numbers, AMSGRAD.hyperparameters) == (9, 7)
    assert AMSGRAD.kept == ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def test_state_that_is_absent_is_not_kept():
    """It is the same algorithm, of which less is remembered."""
    assert AMSGRAD.without("max_exp_avg_sq") == ADAM
    assert ADAM.kept == ("exp_avg", "exp_avg_sq")
    assert ADAM.numbers == AMSGRAD.numbers


def test_another_code_has_another_fingerprint():
    """What was compiled of one is never taken for the other; the same code has the same in every process."""
    source = "def halved(p, g, size):\n    return (p - size * g / {},)"
    made = []
    for divisor in (2, 2, 3):
        names: dict[str, object] = {}
        exec(source.format(divisor), names)
        made.append(Algorithm(names["halved"], halved).fingerprint)  # type: ignore[arg-type]  # it is a function
    assert made[0] == made[1] != made[2]
    assert ADAM.fingerprint != AMSGRAD.fingerprint
    assert made[0].startswith("halved_")


def test_a_bound_function_speaks_another_vocabulary():
    """The code is the same, its words are not."""

    def root(x):
        return sqrt(x)  # type: ignore[name-defined]  # noqa: F821 - bound below

    assert bound(root, {"sqrt": math.sqrt})(4.0) == 2.0
    assert bound(root, {"sqrt": lambda x: -x})(4.0) == -4.0


def test_the_vocabulary_for_single_numbers():
    """Each word means what torch's means, NaN included."""
    nan = math.nan
    assert (maximum(1.0, 2.0), maximum(2.0, 1.0)) == (2.0, 2.0)
    assert math.isnan(maximum(nan, 1.0))
    assert math.isnan(maximum(1.0, nan))
    assert (power(0.5, 3.0), power(0.0, 2.0)) == (0.125, 0.0)
    assert (sign(-2.5), sign(0.0), sign(3)) == (-1, 0, 1)
    assert [where(x > 0, "then", "otherwise") for x in (1, -1)] == ["then", "otherwise"]
