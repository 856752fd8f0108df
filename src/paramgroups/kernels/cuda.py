"""An algorithm compiled for a GPU: one launch over all rows of a table, by addresses.

Knows Triton. A program takes one stretch of one row: it finds its row, makes the scalars of that row from the count of
steps and the numbers of its group, in float64, and updates its elements. Nothing has to be known on the processor.
"""

from __future__ import annotations

import functools
import linecache
from typing import Any, Final

import torch
import triton
import triton.language as tl

from paramgroups.kernels.algorithm import Algorithm, Function, bound

BLOCK: Final = 1024
"""Elements that a program updates at once: in four warps, eight a thread."""
STRETCH: Final = 8 * BLOCK
"""Elements that a program updates: what it does once, to find its row and its scalars, is spread over them."""
ALIGNMENT: Final = 16
"""Bytes that a thread reads at once, where every address is a multiple of it."""

OPTIONS: Final = {
    "num_warps": 4,
    "enable_fp_fusion": False,  # the arithmetic is what is written, whatever part of a row an element is in
}
"""How Triton compiles it."""


# The vocabulary, for blocks and for single numbers. Triton's interpreter takes such functions, not aliases of its own.


@triton.jit
def _sqrt(x):
    if x.dtype == tl.float32:
        return tl.sqrt_rn(x)  # tl.sqrt is an approximation there
    else:
        return tl.sqrt(x)


@triton.jit
def _where(condition, then, otherwise):
    return tl.where(condition, then, otherwise)


@triton.jit
def _maximum(a, b):
    return tl.where((a > b) | (a != a), a, b)  # noqa: PLR0124 - true for NaN, which torch.maximum hands on


@triton.jit
def _sign(x):
    return (x > 0.0).to(x.dtype) - (x < 0.0).to(x.dtype)


@triton.jit
def _power(base, exponent):
    return tl.exp2(exponent * tl.log2(base))


_WORDS: Final = {
    "sqrt": _sqrt,
    "where": _where,
    "maximum": _maximum,
    "sign": _sign,
    "power": _power,
    "tl": tl,  # both for Triton's interpreter: it asks whose function it is, and whether that knows Triton
    "__name__": __name__,
}

_MEMORY: Final = {  # what stands in memory, and what is computed with
    torch.float32: ("tl.float32", "tl.float32"),
    torch.float64: ("tl.float64", "tl.float64"),
    torch.bfloat16: ("tl.bfloat16", "tl.float32"),
    torch.float16: ("tl.float16", "tl.float32"),
}
DTYPES: Final = frozenset(_MEMORY)
"""The dtypes that it computes with."""


# The kernel, with a word for each tensor of state and each number, as for the processor.

_ELEMENTS: Final = """
def elements({tensors}, {numbers}, scale, within, mask):
    t = tl.load(t1 + within, mask=mask)
    if scale is not None:
        t = (t.to({computed}) / tl.load(scale).to({computed})).to({stored})
        tl.store(t1 + within, t, mask=mask)
    o1 = t.to({computed})
    {loaded}
    nothing = tl.zeros([{block}], {computed})
    {new}= update({old}, {numbers})
    {kept}
"""
_RUN: Final = """
def {name}(places, firsts, lengths, groups, values, tickets, scale, overflow, rows, begin, ALIGNED: tl.constexpr):
    program = begin + tl.program_id(0)
    row, above = 0, rows
    while row + 1 < above:
        middle = (row + above) // 2
        if tl.load(firsts + middle) <= program:
            row = middle
        else:
            above = middle
    first = tl.load(firsts + row)
    place = places + row * {columns}
    going = tl.load(place + 1) != 0
    if overflow is not None:
        going = going & (tl.load(overflow) == 0.0)
    if going:
        step = 0.0
        {counting}
        value = values + tl.load(groups + row) * {hyperparameters}
        {found}= scalars(step, {values})
        {given}
        start = (program - first).to(tl.int64) * {stretch}
        size = tl.minimum(tl.load(lengths + row) - start, {stretch}).to(tl.int32)
        {addresses}
        if ALIGNED:
            {hints}
        whole = size // {block} * {block}
        for at in range(0, whole, {block}):
            elements({tensors}, {numbers}, scale, at + tl.arange(0, {block}), None)
        if whole < size:
            within = whole + tl.arange(0, {block})
            elements({tensors}, {numbers}, scale, within, within < size)
"""
# Every program of a row reads the count before it takes a ticket, all of its threads before any of them goes on, and
# the one that takes the last ticket writes: so all have the same count, and it is counted up once, in one launch.
_COUNTING: Final = """
        counted = tl.load(place + {count}).to(tl.pointer_type({type}))
        before = tl.load(counted)
        step = (before + 1.0).to(tl.float64)
        tl.debug_barrier()
        if tl.atomic_add(tickets + row, 1) == tl.load(firsts + row + 1) - first - 1:
            tl.store(tickets + row, 0)
            tl.store(counted, before + 1.0)
"""


def _written(algorithm: Algorithm, name: str, dtype: torch.dtype, counted: torch.dtype) -> tuple[str, str]:
    """The source of the two functions for one algorithm."""
    stored, computed = _MEMORY[dtype]
    kept = {key: 2 + place for place, key in enumerate(algorithm.kept)}
    state = [kept.get(key) for key in algorithm.state]  # the column of its addresses; None where there is none
    count = 2 + len(kept)
    counting = _COUNTING.format(count=count, type=_MEMORY[counted][0]).strip() if algorithm.counts else ""
    common = {
        "block": BLOCK,
        "numbers": ", ".join(f"c{j}" for j in range(algorithm.numbers)),
        "tensors": ", ".join(f"t{j}" for j in range(count)),
    }
    elements = _ELEMENTS.format(
        **common,
        stored=stored,
        computed=computed,
        loaded="; ".join(f"o{j} = tl.load(t{j} + within, mask=mask).to({computed})" for j in (0, *kept.values())),
        new="".join("_, " if j is None else f"n{j}, " for j in (0, *state)),
        old=", ".join("nothing" if j is None else f"o{j}" for j in (0, 1, *state)),
        kept="; ".join(f"tl.store(t{j} + within, n{j}.to({stored}), mask=mask)" for j in (0, *kept.values())),
    )
    run = _RUN.format(
        **common,
        name=name,
        columns=count + algorithm.counts,
        counting=counting,
        hyperparameters=algorithm.hyperparameters,
        found="".join(f"s{j}, " for j in range(algorithm.numbers)),
        values=", ".join(f"tl.load(value + {j})" for j in range(algorithm.hyperparameters)),
        given="; ".join(f"c{j} = s{j}.to({computed})" for j in range(algorithm.numbers)),
        stretch=STRETCH,
        addresses="; ".join(f"t{j} = tl.load(place + {j}).to(tl.pointer_type({stored})) + start" for j in range(count)),
        hints="; ".join(f"t{j} = tl.multiple_of(t{j}, {ALIGNMENT})" for j in range(count)),
    )
    return elements, run


def _jitted(source: str, name: str, place: str, meanings: dict[str, Any], **options: Any) -> Any:
    """A function of such a source, which Triton reads again where Python keeps sources."""
    source = source.lstrip()
    linecache.cache[place] = len(source), None, source.splitlines(keepends=True), place
    exec(compile(source, place, "exec"), meanings)
    return triton.jit(**options)(meanings[name])


@functools.cache
def compiled(algorithm: Algorithm, dtype: torch.dtype, counted: torch.dtype) -> Any:
    """The algorithm's kernel for parameters of one dtype; Triton compiles it at its first launch, and keeps it on disk.

    Args:
        algorithm: what to do; both of its functions are written with `def`.
        dtype: of parameters, gradients and state, one of `DTYPES`.
        counted: of the counts of steps, torch.float32 or torch.float64.

    Returns:
        `kernel[(programs,)](places, firsts, lengths, groups, values, tickets, scale, overflow, rows, begin,
        ALIGNED=…, **OPTIONS)`, all tensors on the device:

        - `places`: int64 `[rows, columns]`, the addresses of parameter, gradient, state and count of steps; a row whose
          gradient's is 0 is left alone.
        - `firsts`: int32 `[rows + 1]`, each row's first program, which is one for each `STRETCH` elements.
        - `lengths`: int64 `[rows]`; `groups`: int32 `[rows]`, which row of `values` it reads.
        - `values`: float64 `[groups, hyperparameters]`, in the order in which `algorithm.scalars` takes them.
        - `tickets`: int32 `[rows]`, zeros, and zeros again when it is done.
        - `scale`: what the gradients are divided by first, in place; `overflow`: not 0 where nothing is to be done.
          Both of one element, or None.
        - `rows`: how many there are; `begin`: the first program that is launched, which is the first of its row.
        - `ALIGNED`: whether every address is a multiple of `ALIGNMENT`.
    """
    name = f"{algorithm.update.__name__.strip('_')}_{dtype}".replace("torch.", "")
    place = f"<paramgroups {algorithm.fingerprint} {dtype} {counted} {{}}>".format
    meanings: dict[str, Any] = {"tl": tl, "__name__": __name__}
    meanings["update"], meanings["scalars"] = map(_spoken, (algorithm.update, algorithm.scalars))
    elements, run = _written(algorithm, name, dtype, counted)
    meanings["elements"] = _jitted(elements, "elements", place("elements"), meanings)
    return _jitted(run, name, place("run"), meanings, do_not_specialize=["rows", "begin"])


def _spoken(function: Function) -> Any:
    return triton.jit(bound(function, _WORDS))
