"""Whether every process resolved the same groups: digests compared, and where they differ, the first difference.

Knows processes and what each says of its groups; knows nothing of how the groups came about.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, final

import torch.distributed as dist

from paramgroups.errors import DisagreementError
from paramgroups.holds import processes

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

    Ranks: TypeAlias = bool | ProcessGroup

Statement: TypeAlias = tuple[str, str]
"""What is spoken of, and what is said of it: `parameter 'head.bias'` and `in group 'head'`."""


@final
@dataclass
class Account:
    """What one process says of its groups, statement by statement, each subject once; and whether anybody asks."""

    wanted: bool = False
    statements: list[Statement] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Equal for equal accounts alone."""
        text = "".join(f"{len(subject)} {len(said)} {subject} {said}\n" for subject, said in self.statements)
        return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def agreed(ranks: Ranks) -> Iterator[Account]:
    """What is done inside is done by every process of `ranks`, and what each says of it must be the same.

    An error inside is taken to the other processes, so that none of them waits for one that has given up.

    Args:
        ranks: those who compare, every process where True; False compares nothing. A process that is not of the
            group compares nothing either, nor does a process alone.

    Raises:
        DisagreementError: they differ. It is raised by every process.
    """
    group = _compared(ranks)
    account = Account(wanted=group is not None)
    if group is None:
        yield account
        return
    try:
        yield account
    except Exception as error:
        _exchange(group, Account(), f"{type(error).__name__}: {error}")
        raise
    _settle(group, account)


def first_difference(account: Sequence[Statement], other: Sequence[Statement], ranks: tuple[int, int]) -> str:
    """The first point at which two processes' accounts part, in words.

    Example:
        >>> first_difference([("parameter 'w'", "in group 'a'")], [("parameter 'w'", "in group 'b'")], (0, 1))
        "parameter 'w' is in group 'a' on rank 0, in group 'b' on rank 1"
        >>> first_difference([("parameter 'w'", "in group 'a'")], [], (0, 1))
        "parameter 'w' is in group 'a' on rank 0, and not there on rank 1"
    """
    both = [dict(account), dict(other)]
    for own, theirs in itertools.zip_longest(account, other):
        if own == theirs:
            continue
        for side, statement in enumerate((own, theirs)):
            if statement is not None and statement[0] not in both[1 - side]:
                subject, said = statement
                return f"{subject} is {said} on rank {ranks[side]}, and not there on rank {ranks[1 - side]}"
        if own[0] == theirs[0]:
            return f"{own[0]} is {own[1]} on rank {ranks[0]}, {theirs[1]} on rank {ranks[1]}"
        return f"{own[0]} comes on rank {ranks[0]} where {theirs[0]} comes on rank {ranks[1]}"
    return "nothing"


def _compared(ranks: Ranks) -> Any:
    """The process group that compares; None where there is nobody to compare with."""
    if ranks is False or processes() == 1:
        return None
    group = dist.group.WORLD if ranks is True else ranks
    if dist.get_rank(group) < 0 or dist.get_world_size(group) == 1 or dist.get_backend(group) == "fake":
        return None
    return group


def _exchange(group: Any, account: Account, failure: str) -> list[tuple[str, str]]:
    """The digest of every process's account, and why it has none."""
    found: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, (account.digest, failure), group)
    return found


def _settle(group: Any, account: Account) -> None:
    """Accept accounts that are equal."""
    found = _exchange(group, account, "")
    failed = [place for place, (_, failure) in enumerate(found) if failure]
    if failed:
        rank = dist.get_global_rank(group, failed[0])
        failure = found[failed[0]][1].partition("\n")[0].rstrip(".")
        raise DisagreementError(rank, None, f"rank {rank} failed: {failure}", len(failed), len(found))
    digests = [digest for digest, _ in found]
    common = Counter(digests).most_common(1)[0][0]
    odd = [place for place, digest in enumerate(digests) if digest != common]
    if not odd:
        return
    ranks = [dist.get_global_rank(group, place) for place in (odd[0], digests.index(common))]
    accounts = []
    for rank in ranks:
        box: list[Any] = [account.statements]
        dist.broadcast_object_list(box, rank, group)
        accounts.append(box[0])
    difference = first_difference(accounts[0], accounts[1], (ranks[0], ranks[1]))
    raise DisagreementError(ranks[0], ranks[1], difference, len(odd), len(found))
