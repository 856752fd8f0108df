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


@pytest.mark.parametrize("name", parity.FREEZING)
@pytest.mark.parametrize("way", parity.SPREAD)
def test_what_is_frozen_and_thawed_in_mid_run_is_so_in_every_process(way, name, together):
    """By hand, by the plan and by a timetable: as one process does it, and the timetable prints the same."""
    for found in together.of(f"{way}, {name}"):
        one, many = found["told"]
        assert one == many
        assert (one == "") == ("mid-run" in name)
        agrees(found, parity.STEPS)


def test_under_ddp_what_was_frozen_when_it_was_wrapped_is_not_thawed(together):
    """Its gradients would differ from process to process: refused by wrapper, model and timetable alike.

    And thawed by hand, by the step.
    """
    said = (
        "FreezeError: 'body.0.bias', 'body.0.weight', 'body.2.bias', 'body.2.weight' required no gradients when "
        "DistributedDataParallel wrapped the model, so each process would train its own.\n"
        "Wrap the model first, while they require gradients, and freeze them then: freeze(model, select, optimizer), "
        "or a Timetable. Their gradients are thrown away until they are thawed."
    )
    for found in together.of("DDP, frozen when it was wrapped"):
        by_hand = said.replace("'body.0.bias', 'body.0.weight', 'body.2.bias', 'body.2.weight'", "'body.0.weight'")
        assert found == {"refused": [said] * 3 + [by_hand], "still": False, "apart": True}


def test_several_processes_want_to_know_who_throws_gradients_away(together):
    """DDP waits for them, so that they are computed all the while."""
    for said in together.of("DDP, nobody throws gradients away"):
        assert said.startswith("FreezeError: In a run of several processes gradients go on being computed")
        assert said.endswith("freeze(model, select, optimizer).")


def test_under_fsdp2_what_was_frozen_when_it_was_sharded_is_thawed(together):
    """FSDP2 asks in every pass what requires gradients."""
    for found in together.of("FSDP2, frozen when it was sharded"):
        agrees(found, parity.STEPS)
