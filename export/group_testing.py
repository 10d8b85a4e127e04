"""The few of many items that carry most of an error, found by measuring groups of them: O(k log n) measurements.

Hwang's generalised binary splitting with a measured size in place of a yes or no, largest first: blocks of neighbours
are measured, then the block with the largest error is halved and both halves are measured, until a single item is
larger than everything else that is still together. That item is the largest of all, as long as no group has less error
than one of its members.

Source: Hwang 1972, A method for detecting all defective members in a population by group testing, JASA 67, 605-608.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeneuro.errors import UsageError

CANCELS = 2.0
"""A half with so many times the error of the whole: its other half undoes it, so groups hide what is in them. Errors
are squares measured on few frames, which vary by tens of percent."""

NEGLIGIBLE = 0.01
"""Of the error of all blocks: what is smaller is not looked into."""

Measure = Callable[[tuple[str, ...]], float]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Items measured together. error: of all of them, in whatever unit is nearly additive (a mean square)."""

    items: tuple[str, ...]
    error: float

    @property
    def share(self) -> float:
        """Of the error, what falls to each item."""
        return self.error / len(self.items)


@dataclass(frozen=True, kw_only=True)
class Heaviest:
    """found: single items, each at least as large as any group measured after it, largest first. groups: every item
    once, singly or with those it was last measured with, largest share first. complete: as many were found as were
    asked for, or the rest is negligible. cancels: groups were seen to hide their members, so the items of the groups
    that were left were measured one by one."""

    found: tuple[str, ...]
    groups: tuple[Group, ...]
    complete: bool
    cancels: bool


def block_size(items: int, count: int) -> int:
    """How many neighbours are measured together at first: the power of two with the smallest worst case. 1, so one by
    one, where `count` is a quarter of `items` or more."""
    sizes = [1 << level for level in range(items.bit_length())]
    return min(sizes, key=lambda size: _cost(items, count, size))


def worst_case(items: int, count: int) -> int:
    """Measurements that find `count` large ones of `items` where the rest together are small: never more than `items`,
    nor than 1 + 2 count log2(items), the logarithm rounded up."""
    return _cost(items, count, block_size(items, count))


def least_budget(items: int, count: int) -> int:
    """Measurements without which nothing is known of some items: one a block."""
    return _blocks(items, block_size(items, count))


def _blocks(items: int, size: int) -> int:
    return -(-items // size)


def _cost(items: int, count: int, size: int) -> int:
    """All blocks once, then two halves on each level above every one that is found."""
    return _blocks(items, size) + 2 * count * (size.bit_length() - 1)


def find_heaviest(items: Sequence[str], measure: Measure, *, count: int, budget: int | None = None) -> Heaviest:
    """The `count` items with the largest error.

    items: in an order that puts together what belongs together. measure: the error of some items together, at least 0.
    budget: at most so many measurements; None allows the worst case of `count` large ones among small ones, and where
    errors cancel, one more for each item that is left. Raises UsageError when `budget` is less than one a block.
    """
    size = block_size(len(items), count)
    blocks = [tuple(items[start : start + size]) for start in range(0, len(items), size)]
    left = worst_case(len(items), count) if budget is None else budget
    if left < len(blocks):
        raise UsageError(
            f"group testing: got a budget of {left} measurements, expected at least {len(blocks)} for the {count} "
            f"largest of {len(items)}; allow more"
        )
    waiting = [Group(items=block, error=measure(block)) for block in blocks]
    left -= len(blocks)
    negligible = NEGLIGIBLE * sum(group.error for group in waiting)
    found: list[Group] = []
    cancels = False
    while waiting and len(found) < count:
        waiting.sort(key=lambda group: group.error, reverse=True)
        group = waiting[0]
        if group.error <= negligible:
            break
        if len(group.items) == 1:
            found.append(waiting.pop(0))
            continue
        if left < 2:
            return _result(found, waiting, complete=False, cancels=cancels)
        halves = _halves(group, measure)
        left -= 2
        waiting[:1] = halves
        if not cancels and max(half.error for half in halves) > CANCELS * group.error:
            cancels = True
            waiting, left = _one_by_one(waiting, measure, None if budget is None else left)
    return _result(found, waiting, complete=True, cancels=cancels)


def _halves(group: Group, measure: Measure) -> list[Group]:
    middle = (len(group.items) + 1) // 2
    return [Group(items=part, error=measure(part)) for part in (group.items[:middle], group.items[middle:])]


def _one_by_one(groups: Sequence[Group], measure: Measure, budget: int | None) -> tuple[list[Group], int]:
    """`groups` taken apart, largest share first, as far as `budget` goes, and what is left of it."""
    left = sum(len(group.items) for group in groups) if budget is None else budget
    apart: list[Group] = []
    for group in sorted(groups, key=lambda group: group.share, reverse=True):
        if len(group.items) == 1 or len(group.items) > left:
            apart.append(group)
            continue
        apart += [Group(items=(item,), error=measure((item,))) for item in group.items]
        left -= len(group.items)
    return apart, left


def _result(found: Sequence[Group], waiting: Sequence[Group], *, complete: bool, cancels: bool) -> Heaviest:
    return Heaviest(
        found=tuple(group.items[0] for group in found),
        groups=tuple(sorted([*found, *waiting], key=lambda group: group.share, reverse=True)),
        complete=complete,
        cancels=cancels,
    )
