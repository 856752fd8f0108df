"""What counts as an update."""

import copy
import itertools

import pytest
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

import paramgroups as pg
from paramgroups import clock
from paramgroups.errors import ClockError, ClockStalledError, EditError


def made(**kwargs):
    """A model, its optimizer, and a scheduler of ten steps."""
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    return net, optimizer, pg.Scheduler(optimizer, lr=pg.Linear(10), **kwargs)


def backward(net):
    """Give every parameter a gradient."""
    net(torch.ones(4, 2)).sum().backward()


def test_each_optimizer_step_is_one_update():
    """The clock follows `optimizer.step()` without a call of the scheduler's."""
    _, optimizer, scheduler = made()
    for k in range(4):
        assert scheduler.last_epoch == k
        optimizer.step()


def test_accumulating_gradients_does_not_move_the_clock():
    """Four backward passes and one step are one update."""
    net, optimizer, scheduler = made()
    for _ in range(4):
        backward(net)
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_calling_scheduler_step_does_not_move_the_clock():
    """A wrapper that calls `scheduler.step()` once a process changes nothing."""
    _, optimizer, scheduler = made()
    optimizer.step()
    for _ in range(8):
        scheduler.step()
    assert scheduler.last_epoch == 1
    assert optimizer.param_groups[0]["lr"] == scheduler.preview(2)["lr/group0"][1]


@pytest.mark.parametrize("fused", [False, True], ids=["not called", "told in the kernel"])
def test_a_step_that_the_grad_scaler_skipped_does_not_count(fused):
    """Overflow: the scaler does not call the optimizer, or a fused one is called and changes nothing."""
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, fused=fused)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for overflow in (False, True, False):
        scaler.scale(net(torch.ones(4, 2)).sum()).backward()
        if overflow and net.weight.grad is not None:
            net.weight.grad.fill_(float("inf"))
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert scheduler.last_epoch == 2
    assert optimizer.param_groups[0]["lr"] == scheduler.preview(3)["lr/group0"][2]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_a_checkpoint_library_that_makes_state_does_not_move_the_clock(kind):
    """Torch's `get_optimizer_state_dict` steps with every lr and gradient at zero: no update, and no edit."""
    net = torch.nn.Linear(2, 1)
    optimizer = kind(net.parameters(), lr=0.1)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10, start=1.0, end=0.5))
    get_optimizer_state_dict(net, optimizer)
    assert scheduler.last_epoch == 0
    assert scheduler.journal == ()
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_warmup_from_zero_is_a_real_first_step():
    """An lr of 0 on a fresh optimizer counts where the gradients are not all zero."""
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(5, start=0.0, end=1.0))
    backward(net)
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_loading_state_does_not_move_the_clock():
    """A restore is neither an update nor an edit."""
    net, optimizer, scheduler = made()
    backward(net)
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert scheduler.last_epoch == 1
    assert scheduler.journal == ()


def test_a_closure_evaluated_many_times_is_one_update():
    """LBFGS calls its closure again and again inside one step."""
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=5)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))

    def closure():
        optimizer.zero_grad()
        loss = (net(torch.ones(4, 2)) - 1).pow(2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert scheduler.last_epoch == 1


def test_a_manual_clock_moves_by_scheduler_step_alone():
    """Epochs as tutorials count them: optimizer steps do not count, `scheduler.step()` does."""
    _, optimizer, scheduler = made(clock="manual")
    optimizer.step()
    assert scheduler.last_epoch == 0
    scheduler.step()
    assert scheduler.last_epoch == 1
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.09)


def test_a_dead_clock_raises():
    """`scheduler.step()` without any optimizer step would train at the first value for ever."""
    _, _, scheduler = made(stall_limit=5)
    for _ in range(4):
        scheduler.step()
    with pytest.raises(ClockStalledError, match="5 times, and the optimizer made no step") as caught:
        scheduler.step()
    assert "clock='manual'" in str(caught.value)


def test_a_step_between_revives_the_clock():
    """Only calls with no update between are counted."""
    _, optimizer, scheduler = made(stall_limit=3)
    for _ in range(5):
        scheduler.step()
        scheduler.step()
        optimizer.step()
    assert scheduler.last_epoch == 5


def test_a_step_of_a_part_of_the_groups_is_refused():
    """DeepSpeed's ZeRO steps the inner optimizer once a group, with a list of one: no count can be trusted."""
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}], lr=0.1)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    whole = optimizer.param_groups
    optimizer.param_groups = whole[1:]
    with pytest.raises(ClockError, match="stepped with 1 of its 2 groups") as caught:
        optimizer.step()
    assert "clock='manual'" in str(caught.value)
    optimizer.param_groups = whole
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_a_manual_clock_lets_an_engine_step_group_by_group():
    """One update is one call of `scheduler.step()`, however many steps it took."""
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}], lr=0.1)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10), clock="manual")
    whole = optimizer.param_groups
    for part in (whole[:1], whole[1:]):
        optimizer.param_groups = part
        optimizer.step()
    optimizer.param_groups = whole
    scheduler.step()
    assert scheduler.last_epoch == 1
    assert [group["lr"] for group in whole] == [0.1 * 0.9] * 2


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
@pytest.mark.parametrize("what", ["the optimizer's step", "the whole training step"])
def test_a_compiled_step_ticks_and_is_not_compiled_again(what):
    """The hooks are invisible to torch.compile, and the tensor lr it holds on to is filled in place."""
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.1))
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))

    def step():
        optimizer.zero_grad()
        backward(net)
        optimizer.step()

    torch._dynamo.reset()
    compiled = torch.compile(optimizer.step if what == "the optimizer's step" else step, backend="eager")
    frames = []
    for _ in range(6):
        backward(net)
        compiled()
        frames.append(torch._dynamo.utils.counters["frames"]["total"])
    assert scheduler.last_epoch == 6
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.04)
    assert scheduler.journal == ()
    assert frames[2:] == frames[2:3] * 4


def hidden(optimizer):
    """Give an optimizer hooks of which torch.compile is told nothing: the least that hooks cost."""
    for register in (optimizer.register_step_pre_hook, optimizer.register_step_post_hook):
        register(torch.compiler.disable(lambda *_: None))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # the compiler's own use of torch.jit
def test_the_next_compiled_optimizer_is_compiled_as_if_its_hooks_were_hidden():
    """What little of a hook the compiler sees is compiled once, for every scheduler there will be."""

    def frames_for_each(driven):
        torch._dynamo.reset()
        frames, kept = [], []
        for _ in range(3):
            net = torch.nn.Linear(2, 1)
            optimizer = torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.1))
            kept.append((optimizer, driven(optimizer)))
            backward(net)
            torch.compile(optimizer.step, backend="eager")()
            frames.append(torch._dynamo.utils.counters["frames"]["total"])
        return [later - earlier for earlier, later in itertools.pairwise(frames)], kept

    ours, kept = frames_for_each(lambda optimizer: pg.Scheduler(optimizer, lr=pg.Linear(10)))
    assert [scheduler.last_epoch for _, scheduler in kept] == [1] * 3
    assert ours == frames_for_each(hidden)[0]


def test_where_torch_does_not_tell_what_compiles_the_hooks_leave_compiled_code_every_time(monkeypatch):
    """They are hidden as torch documents it, at the price of time."""
    monkeypatch.setattr(clock, "_compiler", clock._unknown)
    _, optimizer, scheduler = made()
    hooks = [*optimizer._optimizer_step_pre_hooks.values(), *optimizer._optimizer_step_post_hooks.values()]
    assert all(hook.__code__ is torch.compiler.disable(print).__code__ for hook in hooks)
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_a_step_that_calls_its_parents_is_one_update():
    """Torch runs the hooks of both where the parent class was instantiated before."""

    class Louder(torch.optim.SGD):
        """Does more after the step that it inherits."""

        def step(self, closure=None):
            """As the parent's."""
            return super().step(closure)

    torch.optim.SGD([torch.zeros(1)])
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = Louder([parameter], lr=1.0)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    for _ in range(3):
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    assert scheduler.last_epoch == 3
    assert parameter.item() == pytest.approx(-(1.0 + 0.9 + 0.8))


def test_a_step_that_fails_is_no_update_and_the_next_is_one():
    """The clock does not wait for what will not come."""
    net, optimizer, scheduler = made()

    def fails():
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        optimizer.step(fails)
    backward(net)
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_a_step_after_a_failed_one_that_only_makes_state_does_not_count():
    """What a checkpoint library does on the way out is not taken for the update that failed."""
    net, optimizer, scheduler = made()

    def fails():
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        optimizer.step(fails)
    get_optimizer_state_dict(net, optimizer)
    assert scheduler.last_epoch == 0


@pytest.mark.skipif(
    not hasattr(torch.optim, "swap_in_optimizer_params_and_state"), reason="this torch cannot swap parameters in"
)
def test_a_step_on_swapped_parameters_is_no_update():
    """Torch puts others in their place for a while, to trace a step; the optimizer's own stay as they are."""
    net, optimizer, scheduler = made()
    backward(net)
    optimizer.step()
    others = {name: parameter.detach().clone().requires_grad_() for name, parameter in net.named_parameters()}
    with torch.optim.swap_in_optimizer_params_and_state(optimizer, others, copy.deepcopy(optimizer.state_dict())):
        optimizer.step()
    assert (scheduler.last_epoch, scheduler.journal) == (1, ())
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert (scheduler.last_epoch, scheduler.journal) == (2, ())


def test_new_state_in_new_groups_is_the_optimizers_own():
    """After a regroup, whoever puts other state in place has not swapped the parameters."""
    _, optimizer, scheduler = made()
    optimizer.param_groups[:] = [{**group, "params": list(group["params"])} for group in optimizer.param_groups]
    scheduler.step()
    optimizer.state = type(optimizer.state)(dict)
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_the_overflow_flag_is_read_once_a_step_and_only_where_there_is_one():
    """Reading it waits for the device: that is paid under a GradScaler alone."""
    asked = []

    class Flag:
        """A tensor that counts how often the device is waited for."""

        def __bool__(self):
            asked.append(1)
            return False

    optimizer = torch.optim.Rprop([torch.zeros(1)], lr=0.1)
    pg.Scheduler(optimizer, lr=pg.Linear(10))
    optimizer.step()
    assert asked == []
    vars(optimizer)["found_inf"] = Flag()
    optimizer.step()
    assert asked == [1]


def test_between_two_ticks_of_a_manual_clock_steps_see_the_schedule():
    """A group that came in mid-epoch has its scheduled value at once, and a wrong edit is refused before a step."""
    _, optimizer, scheduler = made(clock="manual")
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)], "lr": 1.0})
    optimizer.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]
    optimizer.param_groups[1]["lr"] = -1.0
    with pytest.raises(EditError, match=r"lr/group1 was changed by hand from 0\.5 to -1\.0"):
        optimizer.step()


def test_an_epoch_cannot_be_told():
    """`step(epoch)` is refused: the position is counted or loaded."""
    _, _, scheduler = made()
    with pytest.raises(ClockError, match=r"scheduler.step\(3\) tells the time"):
        scheduler.step(3)


def test_an_unknown_clock_is_refused():
    """The two kinds are named."""
    with pytest.raises(ClockError, match="Choose clock='optimizer' or clock='manual'"):
        made(clock="epoch")


def test_the_default_patience_for_a_dead_clock_is_a_thousand_calls():
    """999 are let pass."""
    _, _, scheduler = made()
    for _ in range(999):
        scheduler.step()
    with pytest.raises(ClockStalledError, match=r"1,000 times"):
        scheduler.step()


@pytest.mark.parametrize("others", ["none", "before", "after"])
def test_sequential_lr_is_answered_before_it_changes_anything(others):
    """Torch's chains set the time of their schedulers, which ours do not take."""
    _, optimizer, scheduler = made(adopt=True)
    torchs = torch.optim.lr_scheduler.ConstantLR(optimizer)
    chain = {"none": [scheduler], "before": [torchs, scheduler], "after": [scheduler, torchs]}[others]
    before = optimizer.param_groups[0] | {"params": None}
    with pytest.raises(ClockError, match=r"SequentialLR tells its schedulers the time(.|\n)*Chain schedules instead"):
        torch.optim.lr_scheduler.SequentialLR(optimizer, chain, [5] * (len(chain) - 1))
    assert optimizer.param_groups[0] | {"params": None} == before
    assert (torchs.last_epoch, scheduler.last_epoch) == (0, 0)


def test_a_sequence_of_ours_alone_is_answered_by_us():
    """No scheduler of torch was ever attached, so that its own `KeyError: 'initial_lr'` would come first."""
    _, optimizer, scheduler = made()
    with pytest.raises(ClockError, match="SequentialLR"):
        torch.optim.lr_scheduler.SequentialLR(optimizer, [scheduler], [])
    torch.optim.lr_scheduler.ChainedScheduler([scheduler], optimizer).step()
    optimizer.step()
    assert scheduler.last_epoch == 1
    assert "initial_lr" not in optimizer.param_groups[0]
