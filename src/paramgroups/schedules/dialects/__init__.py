"""Other libraries' schedules, value for value: `dialects.torch.OneCycleLR(max_lr=1.0, total_steps=100)`.

Knows which libraries there are, a module each, loaded at its first use; knows none of their curves, and needs none of
them installed. A function has the peer's own name, arguments and defaults, less the optimizer, and returns a `Schedule`
that has the peer's values at every step, for the base it is given.
"""

from pkgutil import iter_modules
from typing import TYPE_CHECKING

__all__ = [found.name for found in iter_modules(__path__)]

if TYPE_CHECKING:
    from paramgroups.schedules.dialects import conventions as conventions
    from paramgroups.schedules.dialects import d2l as d2l
    from paramgroups.schedules.dialects import deepspeed as deepspeed
    from paramgroups.schedules.dialects import fastai as fastai
    from paramgroups.schedules.dialects import megatron as megatron
    from paramgroups.schedules.dialects import optax as optax
    from paramgroups.schedules.dialects import timm as timm
    from paramgroups.schedules.dialects import torch as torch
    from paramgroups.schedules.dialects import torchtitan as torchtitan
    from paramgroups.schedules.dialects import transformers as transformers
else:  # hidden from type checkers, to which a module's __getattr__ says that every name exists

    def __getattr__(name: str) -> object:
        """Load a peer's module when it is first asked for."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__name__}.{name}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
