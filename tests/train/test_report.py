"""What came out, told."""

import pytest

from paramgroups.train.report import Choice, Outcome, Report


def outcome(seed, plan, baseline, lr=0.01):
    """One seed's accuracies."""
    return Outcome(seed, Choice(lr, plan), Choice(0.003, baseline))


def test_one_seed_has_two_rows_and_a_winner():
    """The accuracies, the lrs that were chosen, and who is ahead."""
    assert str(Report((outcome(0, 0.9911, 0.9844),))) == (
        "                           lr  held-out accuracy\n"
        "the plan                 0.01             99.11%\n"
        "one group, constant lr  0.003             98.44%\n"
        "The plan is ahead by 0.67 points"
    )


def test_several_seeds_have_mean_and_spread():
    """The standard deviation is that of a sample; seeds may have chosen different lrs."""
    report = Report((outcome(0, 0.90, 0.95), outcome(1, 0.92, 0.91), outcome(2, 0.94, 0.99, lr=0.1)))
    assert str(report).splitlines()[1:] == [
        "the plan                0.01, 0.1     92.00% ± 2.00%",
        "one group, constant lr      0.003     95.00% ± 4.00%",
        "The baseline is ahead by 3.00 points, on 2 of 3 seeds",
        "Mean ± standard deviation over 3 seeds, the held-out examples the same",
    ]


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((outcome(0, 0.5, 0.5),), "Both are equal"),
        ((outcome(0, 0.5, 0.6), outcome(1, 0.6, 0.5)), "Both are equal"),
        ((outcome(0, 0.5, 0.6),), "The baseline is ahead by 10.00 points"),
        ((Outcome(0, Choice(None, 0.5)),), "Nothing to compare with: the recipe has no `compare`"),
    ],
)
def test_the_verdict_is_what_came_out(outcomes, verdict):
    """Whichever wins."""
    assert Report(outcomes).verdict() == verdict


def test_a_run_without_baseline_has_one_row():
    """And an optimizer's own lr is called so."""
    assert str(Report((Outcome(0, Choice(None, 0.5)),))).splitlines()[1] == "the plan  default             50.00%"


def test_programs_get_numbers():
    """Everything that was printed, unrounded."""
    assert Report((Outcome(4, Choice(0.1, 1 / 3)),)).to_json() == {
        "verdict": "Nothing to compare with: the recipe has no `compare`",
        "outcomes": [{"seed": 4, "plan": {"lr": 0.1, "accuracy": 1 / 3}, "baseline": None}],
    }
