"""Matrices apart from the rest: the plan for Muon beside AdamW.

Knows what Muon is for, and how its lr goes with that of the optimizer beside it.
"""

from __future__ import annotations

from typing import Any, Final

from torch import nn

from paramgroups.errors import HyperparameterValueError, NoHiddenMatrixError
from paramgroups.params import named
from paramgroups.plan import Plan, Rule
from paramgroups.plan.audit import selected
from paramgroups.plans.ends import outermost
from paramgroups.selectors import BIASES, EMBEDDINGS, NORMS, Named, Ndim, Selector, selector

_ONE_LR: Final = "match_rms_adamw"  # makes an lr mean the same to Muon as to AdamW


def muon(
    model: nn.Module,
    *,
    lr: float = 3e-4,
    muon_lr: float | None = None,
    weight_decay: float = 0.1,
    adjust_lr_fn: str | None = _ONE_LR,
    outer: Selector | str | None = None,
) -> Plan:
    """The plan that gives a model's hidden matrices to Muon, and leaves the rest to the optimizer beside it, AdamW say.

    The rest is embeddings (a head tied to one is one), the head, the layer that reads the data where no embedding or
    convolution does, norms, biases and scalars; and convolutions, since Muon takes matrices only, here and in torch.

    Query, key and value in one matrix are made orthogonal as one; apart they train better, says Jordan: split them if
    the model is yours. GPT-2's `Conv1D` keeps its matrices transposed, so that `adjust_lr_fn="original"` takes their
    rows for columns; `"match_rms_adamw"` is the same either way.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), kellerjordan.github.io/posts/muon;
    Liu et al., "Muon is Scalable for LLM Training", arXiv:2502.16982, sec. 2.2, for weight decay and for one lr.

    Args:
        model: any module, on the meta device too; nothing of it is changed.
        lr: of everything, at least 0; where `muon_lr` is given, of the rest alone.
        muon_lr: of the hidden matrices, at least 0. Needed with every `adjust_lr_fn` but `"match_rms_adamw"`, which
            alone makes updates as large as AdamW's; with `"original"`, Jordan uses 0.02.
        weight_decay: of all but norms, biases and scalars, at least 0.
        adjust_lr_fn: how a matrix's lr follows from its shape, as `Muon` has it.
        outer: which parameters are the head and what reads the data, where that is not found from names, places and
            shapes; a printed plan tells.

    Returns:
        A plan whose rule `matrices` says `algorithm="muon"`; the rest takes the `default` of `plan.build`.

    Raises:
        HyperparameterValueError: a value that no optimizer could use, or `muon_lr` is needed.
        NothingSelectedError: `outer` selects nothing.
        NoHiddenMatrixError: the model has nothing for Muon.

    Example:
        >>> model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 50))
        >>> for rule in muon(model, lr=1e-3).rules:
        ...     print(rule)
        Rule(Ndim(2) & ~(EMBEDDINGS | NORMS | BIASES | Named('3.weight')), name='matrices',
             adjust_lr_fn='match_rms_adamw', algorithm='muon')
        Rule(NORMS | BIASES | Ndim(at_most=1), name='vectors', optional=True, weight_decay=0.0)
    """
    if muon_lr is None and adjust_lr_fn != _ONE_LR:
        allowed = f"given: one lr serves both only with adjust_lr_fn={_ONE_LR!r}; with 'original', 0.02 is usual"
        raise HyperparameterValueError("muon_lr", muon_lr, f"plans.muon(adjust_lr_fn={adjust_lr_fn!r})", allowed)
    params = named(model)
    rest = EMBEDDINGS | NORMS | BIASES
    if outer is not None:
        selected(selector(outer), params)
        rest |= outer
    elif found := outermost(model):
        rest |= Named(*found)
    hidden = Ndim(2) & ~rest
    if not hidden.mask(params).any():
        matrices = [param.name for param in params if Ndim(2)(param)]
        raise NoHiddenMatrixError(type(model).__name__, matrices, repr(rest))
    own: dict[str, Any] = {} if muon_lr is None else {"lr": muon_lr}
    return Plan(
        Rule(hidden, name="matrices", algorithm="muon", adjust_lr_fn=adjust_lr_fn, **own),
        Rule(NORMS | BIASES | Ndim(at_most=1), name="vectors", optional=True, weight_decay=0.0),
        lr=lr,
        weight_decay=weight_decay,
    )
