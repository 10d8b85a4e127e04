"""The few of many items that carry most of an error, found by measuring groups of them: O(k log n) measurements.

Hwang's generalised binary splitting with a measured size in place of a yes or no: blocks of neighbours are measured,
then the largest is halved, both halves are measured, the larger one is halved again, down to a single item, as often as
items are wanted. What is then larger than every group that is left is the largest of all, as long as no group has less
error than one of its members; else the search goes on with the largest groups, as far as the budget goes.

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
    """found: the largest of the items that were measured singly, largest first; as many as wanted, but negligible ones.
    groups: every item once, singly or with those it was last measured with, largest share first. complete: no group is
    larger than an item in `found`, so these are the largest of all. cancels: groups were seen to hide their members, so
    the items of the groups that were left were measured one by one."""

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
    groups = [Group(items=block, error=measure(block)) for block in blocks]
    left -= len(blocks)
    negligible = NEGLIGIBLE * sum(group.error for group in groups)
    cancels = False
    down: Group | None = None  # where the search for one more item has got to
    while True:
        found = _found(groups, count, negligible)
        largest = max((group for group in groups if len(group.items) > 1), key=_error, default=None)
        enough = found[-1].error if len(found) == count else negligible
        complete = largest is None or largest.error <= enough
        if largest is None or complete or left < 2:
            break
        whole = down if down is not None and len(found) < count else largest
        halves = _halves(whole, measure)
        left -= 2
        groups = [group for group in groups if group is not whole] + halves
        heavier = max(halves, key=_error)
        down = heavier if len(heavier.items) > 1 else None
        if not cancels and heavier.error > CANCELS * whole.error:
            cancels = True
            groups, left = _one_by_one(groups, measure, None if budget is None else left)
            down = None
    return Heaviest(
        found=tuple(group.items[0] for group in found),
        groups=tuple(sorted(groups, key=lambda group: group.share, reverse=True)),
        complete=complete,
        cancels=cancels,
    )


def _error(group: Group) -> float:
    return group.error


def _found(groups: Sequence[Group], count: int, negligible: float) -> list[Group]:
    singles = [group for group in groups if len(group.items) == 1 and group.error > negligible]
    return sorted(singles, key=_error, reverse=True)[:count]


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
