"""Which Strive groups a member should be in (G1, G6). Membership is part of a user's decision."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from instep.domain.rules import Rules


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """Groups to join and to leave, and those that the sync itself put the member into."""

    join: frozenset[int]
    leave: frozenset[int]
    added: frozenset[int]


NO_GROUPS: Final = GroupDecision(frozenset(), frozenset(), frozenset())


def entitled(rules: Rules) -> frozenset[int]:
    """The groups that a linked user's member should be in: the primary group for everybody."""
    return frozenset() if rules.primary_group is None else frozenset({rules.primary_group})


def decide_groups(
    wanted: Collection[int], inside: Collection[int], added: Collection[int], rules: Rules
) -> GroupDecision:
    """`inside`: the groups the member is in. `added`: those that the sync put the member into;
    only from these is anybody ever taken out (P2). Nobody is put into a closed group (P8)."""
    wanted, inside, added = frozenset(wanted), frozenset(inside), frozenset(added)
    join = wanted - inside - rules.closed_groups
    leave = (added - wanted) & inside
    return GroupDecision(join, leave, (added & inside & wanted) | join)
