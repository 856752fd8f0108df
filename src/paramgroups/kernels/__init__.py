"""How an elementwise update is run: one algorithm, written once, and a table of the tensors it runs over.

Knows tensors, addresses and numbers; knows nothing of groups' names, models, plans or time.
"""

from paramgroups.kernels.algorithm import Algorithm

__all__ = ["Algorithm"]
