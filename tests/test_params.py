"""Parameters as users name them, through ties, parametrizations and wrappers; the side table of names."""

import copy
import pickle

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import fsdp
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.nn.utils import parametrizations

from paramgroups.errors import (
    DuplicateNameError,
    EmptyModelError,
    ForeignParameterError,
    InvalidNameError,
    ParameterNameError,
    UnknownModelError,
)
from paramgroups.params import Label, check_group_name, find, known, labels, model_of, named, parameter_names, register


def net() -> nn.Sequential:
    """Two layers and a norm."""
    return nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Sequential(nn.Linear(2, 2)))


def seen(model: nn.Module) -> list[tuple[str, str, str, str]]:
    """What users see of each parameter."""
    return [(p.name, p.module_path, p.attribute, type(p.module).__name__) for p in named(model)]


def test_parameters_are_torchs_own_in_torchs_order():
    """Names, order and identity are those of `model.named_parameters()`; owner, place and size are right."""
    model = net()
    params = named(model)
    assert [(p.name, p.parameter) for p in params] == list(model.named_parameters())
    last = params[-2]
    assert (last.name, last.module_path, last.attribute) == ("2.0.weight", "2.0", "weight")
    assert last.module is model.get_submodule("2.0")
    assert (last.depth, last.ndim, last.numel, last.names) == (2, 2, 4, ("2.0.weight",))


def test_every_place_of_a_parameter_is_one_of_torchs():
    """Modules used twice, at other depths, absent ones, and tied parameters: each name torch knows, in its order."""
    first, own = nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
    shared = nn.Sequential(first, nn.LayerNorm(2))
    model = nn.ModuleDict({"first": shared, "inner": nn.ModuleDict({"second": shared, "own": own})})
    model.register_module("absent", None)
    own.weight = first.weight
    params = named(model)
    assert [(p.name, p.parameter) for p in params] == list(model.named_parameters())
    places = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    assert {name for param in params for name in param.names} == places
    assert [site.module for site in params[0].sites] == [first, first, own]


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # deprecated, and still in use
def test_a_scripted_model_is_seen():
    """Its modules are torch's wrappers around compiled ones, with containers of their own."""
    assert [p.name for p in named(torch.jit.script(net()))] == [p.name for p in named(net())]


def test_the_models_own_parameter_has_no_path():
    """A bare parameter is at depth 0 of the model itself."""
    model = nn.ParameterList([torch.zeros(3)])
    (param,) = named(model)
    assert (param.name, param.module, param.module_path, param.depth) == ("0", model, "", 0)


def test_a_tied_parameter_is_one_with_every_name():
    """Tied weights, and a module used twice, are seen once, under the name torch gives them first."""
    model = nn.ModuleDict({"embed": nn.Embedding(4, 2), "body": nn.Linear(2, 2), "head": nn.Linear(2, 4, bias=False)})
    model["head"].weight = model["embed"].weight
    model["again"] = model["body"]
    assert [p.names for p in named(model)] == [
        ("embed.weight", "head.weight"),
        ("body.weight", "again.weight"),
        ("body.bias", "again.bias"),
    ]
    assert [type(site.module).__name__ for site in named(model)[0].sites] == ["Embedding", "Linear"]


def test_a_meta_model_is_seen_without_memory():
    """Nothing is read but names and shapes."""
    with torch.device("meta"):
        model = net()
    assert seen(model) == seen(net())


@pytest.mark.parametrize(
    ("parametrize", "names"),
    [
        (parametrizations.orthogonal, ["parametrizations.weight.original"]),
        (parametrizations.weight_norm, ["parametrizations.weight.original0", "parametrizations.weight.original1"]),
    ],
    ids=["orthogonal", "weight_norm"],
)
def test_a_parametrized_tensor_belongs_to_the_module_it_was_taken_from(parametrize, names):
    """The name is torch's, but owner and role are those of the tensor it stands for."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    parametrize(model[0])
    assert [name for name, _ in model.named_parameters()] == [f"0.{name}" for name in names]
    assert seen(model) == [(f"0.{name}", "0", "weight", "ParametrizedLinear") for name in names]


@pytest.fixture
def process_group(tmp_path):
    """One process that is a group of its own."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class FullyShardedDataParallel(nn.Module):
    """The names that torch's FSDP gives, without a device that could shard."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._fsdp_wrapped_module = module


class Engine(nn.DataParallel[nn.Module]):
    """A wrapper derived from one of torch's."""


def compiled(model: nn.Module) -> nn.Module:
    """Wrapped by `torch.compile`; the backend that compiles nothing loads fastest."""
    wrapped = torch.compile(model, backend="eager")
    assert isinstance(wrapped, nn.Module)
    return wrapped


def checkpointed_inside(model: nn.Sequential) -> nn.Module:
    """The last layer alone is wrapped, and then compiled with the rest."""
    return compiled(nn.Sequential(model[0], model[1], checkpoint_wrapper(model[2])))


WRAPPERS = {
    "compile": compiled,
    "checkpoint at the root": checkpoint_wrapper,
    "checkpoint inside compile": checkpointed_inside,
    "data parallel": nn.DataParallel,
    "a class derived from data parallel": Engine,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "fully sharded": FullyShardedDataParallel,
    "compiled, sharded, checkpointed": lambda m: compiled(FullyShardedDataParallel(checkpoint_wrapper(m))),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrappers_leave_no_trace(wrap):
    """Names, paths, owners and order are the wrapped model's."""
    assert seen(wrap(net())) == seen(net())


def test_distributed_data_parallel_leaves_no_trace(process_group):
    """The real wrapper, in a group of one."""
    assert seen(nn.parallel.DistributedDataParallel(net())) == seen(net())


@pytest.mark.filterwarnings(
    "ignore:FSDP is switching", "ignore:The NO_SHARD", "ignore::FutureWarning"
)  # one process cannot shard
def test_fully_sharded_data_parallel_leaves_no_trace(process_group):
    """The real wrapper, around the model and around its parts, in a group of one."""
    policy = ModuleWrapPolicy({nn.Sequential, nn.LayerNorm})
    sharded = fsdp.FullyShardedDataParallel(
        net(), use_orig_params=True, device_id=torch.device("cpu"), auto_wrap_policy=policy
    )
    assert "_fsdp_wrapped_module" in next(iter(sharded.named_parameters()))[0]
    assert seen(sharded) == seen(net())


def test_a_users_own_module_called_module_keeps_its_name():
    """`module` is a prefix of wrappers only, not of whoever uses the word."""
    model = nn.ModuleDict({"module": nn.Linear(2, 2)})
    assert [p.name for p in named(model)] == ["module.weight", "module.bias"]


def test_two_parameters_of_one_clean_name_are_an_error():
    """A wrapper with a parameter of its own may collide with the model's: names would no longer tell them apart."""
    wrapper = FullyShardedDataParallel(nn.Linear(2, 2))
    wrapper.weight = nn.Parameter(torch.zeros(2))
    with pytest.raises(DuplicateNameError, match=r"'weight' is borne by weight and by _fsdp_wrapped_module.weight"):
        named(wrapper)


def test_a_model_without_parameters_is_an_error():
    """There is nothing to group."""
    with pytest.raises(EmptyModelError, match=r"^ReLU has no parameters"):
        named(nn.ReLU())


def test_a_parameter_is_found_by_any_of_its_names():
    """Tied names lead to the same parameter; a typo is told the nearest."""
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    params = named(model)
    assert find(params, "b.weight") is find(params, "a.weight") is params[0]
    with pytest.raises(ParameterNameError, match=r"No parameter is called 'b.wieght'.\nDid you mean 'b.weight'"):
        find(params, "b.wieght")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a*", "é", "a\n", None, 3])
def test_a_group_name_can_be_a_metric_name(name):
    """Letters, digits, `_`, `.` and `-` only."""
    check_group_name("Head_0.1-x")
    with pytest.raises(InvalidNameError):
        check_group_name(name)


def optimizer_of(*groups: dict[str, object]) -> torch.optim.Optimizer:
    """A plain optimizer, a fresh parameter for each group."""
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], **group} for group in groups], lr=0.1)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([None, None], ["group0", "group1"]),
        (["a", None], ["a", "group1"]),
        (["a", "a"], ["a", "a-1"]),
        (["head-2", "head", "head"], ["head-2", "head", "head-3"]),
        (["head", "head", "head-1"], ["head", "head-2", "head-1"]),
        (["group1", None], ["group1", "group1-1"]),
    ],
)
def test_labels_are_unique_whatever_the_groups_are_called(names, found):
    """A group's own name stands wherever it can; only a second bearer is renamed, and is still found by the first's."""
    optimizer = optimizer_of(*({} if name is None else {"name": name} for name in names))
    assert [label.name for label in labels(optimizer)] == found
    for label, name in zip(labels(optimizer), names, strict=True):
        assert name is None or name in {label.name, *label.rules}


def test_the_side_table_is_the_truth():
    """Neither a write to the group nor a load takes a registered name away; it is mirrored for loggers."""
    optimizer = optimizer_of({}, {})
    tensors = [group["params"][0] for group in optimizer.param_groups]
    register(
        optimizer,
        dict(zip(tensors, "pq", strict=True)),
        [([tensors[0]], Label("a", ("r",))), ([tensors[1]], Label("b"))],
    )
    optimizer.param_groups[0]["name"] = "mine"
    assert labels(optimizer) == [Label("a", ("r",)), Label("b")]
    optimizer.load_state_dict(optimizer_of({"name": "x"}, {}).state_dict())
    assert [group["name"] for group in optimizer.param_groups] == ["a", "b"]
    assert [parameter_names(optimizer, group) for group in optimizer.param_groups] == [["p"], ["q"]]


def test_names_follow_parameters_not_positions():
    """Groups that change places keep their names."""
    optimizer = optimizer_of({}, {})
    tensors = [group["params"][0] for group in optimizer.param_groups]
    register(optimizer, {}, [([t], Label(name)) for t, name in zip(tensors, "ab", strict=True)])
    optimizer.param_groups.reverse()
    assert [label.name for label in labels(optimizer)] == ["b", "a"]


def test_a_group_with_an_unnamed_parameter_has_no_parameter_names():
    """All or none: a list with holes could not be told from a right one."""
    optimizer = optimizer_of({}, {})
    (known,), (unknown,) = (group["params"] for group in optimizer.param_groups)
    register(optimizer, {known: "p"}, [])
    assert parameter_names(optimizer, {"params": [known]}) == ["p"]
    assert parameter_names(optimizer, {"params": [known, unknown]}) is None


def test_the_parameters_of_an_optimizer_are_known_by_the_model_that_named_them():
    """In the order of its groups, while the model lives; or by one that is said."""
    model = net()
    optimizer = torch.optim.SGD([*model[2].parameters(), *model[1].parameters()], lr=0.1)
    with pytest.raises(UnknownModelError, match=r"pg.name_groups\(optimizer, model\)"):
        known(optimizer)
    names = [param.name for param in known(optimizer, model)]
    assert names == ["2.0.weight", "2.0.bias", "1.weight", "1.bias"]
    register(optimizer, {}, [], model)
    assert model_of(optimizer) is model
    assert [param.name for param in known(optimizer)] == names
    with pytest.raises(ForeignParameterError, match=r"group 'group0' \(number 0, shape \(2, 2\)\)"):
        known(optimizer, net())
    del model
    with pytest.raises(UnknownModelError):
        known(optimizer)
    assert model_of(copy.deepcopy(optimizer)) is None


def test_a_plain_group_can_still_be_added():
    """The table adds nothing that would make torch refuse a later group, and a copy without a table has its mirror."""
    optimizer = optimizer_of({})
    register(optimizer, {}, [(optimizer.param_groups[0]["params"], Label("a"))])
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    assert [label.name for label in labels(optimizer)] == ["a", "group1"]
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert [label.name for label in labels(twin)] == ["a", "group1"]
