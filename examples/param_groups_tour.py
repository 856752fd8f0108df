"""A tour of parameter groups: what `optimizer.param_groups` is, and what names, checks and schedules add to it.

Every step prints what it shows, and asserts it. torch's own optimizers throughout.

    python examples/param_groups_tour.py
"""

import torch
from torch import nn

import paramgroups as pg


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def train(net, optimizer, steps=1):
    inputs, labels = torch.randn(32, 4), torch.randint(0, 3, (32,))
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs), labels).backward()
        optimizer.step()


def refused(call, kind):
    """The message of the error that a mistake is answered with."""
    try:
        call()
    except kind as error:
        print(error)
        return str(error)
    raise AssertionError("the mistake was accepted")


def one_group():
    """An optimizer over all parameters has exactly one group, the default one."""
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    groups = pg.view(optimizer)
    print(groups)
    assert len(optimizer.param_groups) == len(groups) == 1
    assert len(groups[0].params) == len(list(net.parameters()))
    assert {"lr", "momentum", "dampening", "weight_decay", "nesterov"} <= set(groups[0].keys())


def two_groups():
    """Two layers with an lr of their own, and a momentum they share: by index, and by name."""
    net = network()
    plan = pg.Plan(pg.Rule("0.*", name="first", lr=0.1), pg.Rule("2.*", name="second", lr=0.01), momentum=0.9)
    optimizer = plan.build(net, torch.optim.SGD)
    groups = pg.view(optimizer)
    print(groups)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"]) == (0.1, 0.01)
    assert (groups[0].lr, groups[1].lr) == (groups["first"].lr, groups["second"].lr) == (0.1, 0.01)
    assert groups["*"].momentum == 0.9


def a_group_that_is_not_there():
    """Asking for a second group that nobody made says how to make one."""
    groups = pg.view(torch.optim.SGD(network().parameters(), lr=0.1))
    message = refused(lambda: groups[1], IndexError)
    assert "There is no parameter group 1: the optimizer has 1" in message
    assert "add_param_group" in message


def someone_elses_optimizer():
    """Groups that were made by hand can be given names, and a mistyped one is answered with the nearest."""
    net = network()
    optimizer = torch.optim.SGD([{"params": net[0].parameters()}, {"params": net[2].parameters(), "lr": 0.01}], lr=0.1)
    groups = pg.name_groups(optimizer, net, ["features", "classifier"])
    assert groups["classifier"].parameter_names == ["2.weight", "2.bias"]
    assert "Did you mean 'classifier'?" in refused(lambda: groups["clasifier"], KeyError)


def setting_a_value_while_training():
    """A group's lr, set to .001 between two steps, is used by the next one: seen on the parameters."""
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    train(net, optimizer)
    pg.view(optimizer)[0].lr = 0.001
    assert _moved_by(net, optimizer) == 0.001


def setting_a_value_under_a_scheduler():
    """The same under a schedule: the next step uses the value, and the rest of the curve follows it."""
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = pg.Scheduler(optimizer, lr=pg.Linear(10))
    train(net, optimizer, 5)
    pg.view(optimizer)[0].lr = 0.001  # half-way down: the line now comes from .002
    assert _moved_by(net, optimizer) == 0.001
    print(scheduler.journal)
    assert scheduler.base_lrs == [0.002]
    assert scheduler.get_last_lr() == [0.002 * 0.4]


def freezing_a_part():
    """What a rule freezes is in no group, and bit-identical after training."""
    net = network()
    plan = pg.Plan(pg.Rule("0.*", frozen=True), lr=0.1, weight_decay=0.1)
    print(plan.on(net))
    optimizer = plan.build(net, torch.optim.AdamW)
    before = [parameter.clone() for parameter in net.parameters()]
    train(net, optimizer, 20)
    same = [torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
    assert same == [True, True, False, False]


def lr_by_layer():
    """Layer-wise decay: each layer below the top learns at half the lr of the one above."""
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
    optimizer = pg.Plan(pg.LayerDecay(0.5), lr=0.8).build(net, torch.optim.SGD)
    rates = {group.name: group.lr for group in pg.view(optimizer)}
    print(rates)
    assert rates == {"layer00": 0.1, "layer01": 0.2, "layer02": 0.4, "layer03": 0.8}


def weight_decay_by_name():
    """No decay on biases, twice the decay on the last layer; the inspector says why each value is what it is."""
    net = network()
    plan = pg.Plan(
        pg.Rule("2.*", name="last", weight_decay=pg.Times(2.0)),
        pg.Rule(pg.BIASES, name="no_decay", weight_decay=0.0),
        lr=0.1,
        weight_decay=0.01,
    )
    grouping = plan.on(net)
    print(grouping.explain("2.bias"))
    decay = {group.name: group.hyperparameters["weight_decay"] for group in grouping.groups}
    assert decay == {"default": 0.01, "no_decay": 0.0, "last": 0.02, "last.no_decay": 0.0}


def a_schedule_in_your_own_loop():
    """A schedule of absolute levels is a plain function of time."""
    schedule = pg.Linear(4, start=pg.Absolute(0.1), end=pg.Absolute(0.02))
    optimizer = torch.optim.SGD(network().parameters(), lr=0.1)
    rates = []
    for epoch in range(6):
        for group in optimizer.param_groups:
            group["lr"] = schedule(epoch)
        rates.append(round(optimizer.param_groups[0]["lr"], 3))
    print(rates)
    assert rates == [0.1, 0.08, 0.06, 0.04, 0.02, 0.02]


def _moved_by(net, optimizer):
    """The lr of one plain SGD step, read off the parameters themselves."""
    before = net[2].bias.detach().clone()
    train(net, optimizer)
    return round(float(((before - net[2].bias.detach()) / net[2].bias.grad).median()), 5)


TOUR = (
    one_group,
    two_groups,
    a_group_that_is_not_there,
    someone_elses_optimizer,
    setting_a_value_while_training,
    setting_a_value_under_a_scheduler,
    freezing_a_part,
    lr_by_layer,
    weight_decay_by_name,
    a_schedule_in_your_own_loop,
)

if __name__ == "__main__":
    for stop in TOUR:
        print(f"\n--- {stop.__doc__}\n")
        stop()
