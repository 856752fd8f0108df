"""Two processes under torchrun train as one does: plan, groups, schedules, freezing and every optimizer of ours."""

import pytest
import torch

import parity

NAMES = [f"{way}, {name}" for way, names in parity.COMPARED.items() for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_as_one(name, together):
    """After 20 steps of the same batches the weights agree to rtol 1e-5; group tables and values are equal.

    In float64 each weight by itself. In float32 by the norm of each tensor, as AdamW magnifies the rounding of weights
    next to 0.
    """
    for found in together.of(name):
        agrees(found, parity.STEPS, by="norm" if "float32" in name else "element")


def agrees(found, updates, by="element"):
    """Hold two trainings to each other."""
    assert found["updates"] == updates
    assert found["equal"] == {"names": True, "tables": True, "values": True}
    assert found[f"by {by}"] <= 1e-5


@pytest.mark.parametrize("name", parity.CASES)
def test_the_trainings_move_every_parameter_that_is_not_frozen(name):
    """Two that do nothing would agree, too."""
    case = parity.CASES[name]
    start, end = case.run(), case.run().train(share=False)
    still = [each for each, weight in start.weights().items() if torch.equal(weight, end.weights()[each])]
    assert still == ([] if case.plan is parity.MATRICES else ["stem.weight", "stem.bias"])


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # DCP in one process says so
@pytest.mark.parametrize("how", parity.SAVED)
@pytest.mark.parametrize("way", parity.SPREAD)
def test_what_two_save_one_goes_on_with_in_other_groups(way, how, together):
    """The weights are those of one process that regroups half way, to rtol 1e-5; tables and values are equal."""
    assert together.of(f"saved by two, {way}, {how}") == [None, None]
    again = parity.go_on(how, together.folder / f"two-{way}-{how}")
    agrees(parity.apart(parity.regrouped(), again), parity.HALF)


@pytest.mark.parametrize("how", parity.SAVED)
@pytest.mark.parametrize("way", parity.SPREAD)
def test_what_one_saves_two_go_on_with_in_other_groups(way, how, together):
    """The reverse."""
    for found in together.of(f"gone on with by two, {way}, {how}"):
        agrees(found, parity.HALF)
