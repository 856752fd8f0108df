"""What a plan is to thaw later: remembered until something takes care of it, and asked for at the first step."""

import pytest
import torch
from torch import nn

from paramgroups.announcements import announce, announced, taken
from paramgroups.errors import FreezeError
from paramgroups.params import named
from paramgroups.plan.grouping import Thawing


def test_a_step_is_refused_until_something_takes_care():
    """The newest announcement counts, and no hook is left behind."""
    net = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    first, second = (Thawing(rule, "2 epochs", None, named(net)) for rule in ("stem", "body"))
    announce(optimizer, [first])
    announce(optimizer, [second])
    assert list(announced(optimizer)) == [second]
    with pytest.raises(FreezeError) as caught:
        optimizer.step()
    assert str(caught.value) == (
        "The plan freezes parameters until later (\"rule 'body' until '2 epochs'\"), "
        "and nothing is there to thaw them.\n"
        "Make what does, before the first step: pg.Timetable(model, optimizer, scheduler)."
    )
    taken(optimizer)
    taken(optimizer)
    optimizer.step()
    assert (list(announced(optimizer)), len(optimizer._optimizer_step_pre_hooks)) == ([], 0)


def test_an_announcement_of_nothing_takes_the_former_back():
    """As a plan that is applied in mid-run does."""
    net = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    announce(optimizer, [Thawing("stem", 3, None, named(net))])
    announce(optimizer, [])
    optimizer.step()
    assert announced(optimizer) == ()
