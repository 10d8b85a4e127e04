"""The placement of every target of a bundle: measured where this machine can, by the vendor's rules elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.cached_search import Searched, load_search, store_search
from edgeneuro.export.forms import Form
from edgeneuro.export.parity import exact_error
from edgeneuro.export.placement import Bench, Candidate, best_candidate, measure, refine, search_placement
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Measured, Plan, with_placement
from edgeneuro.export.source import FloatModel
from edgeneuro.export.targets import runs_here
from edgeneuro.spec import Feed

SEARCH_FRAMES = 16
"""Calibration frames that the search runs."""
UNUSABLE = 0.5
"""Output error, relative to the float outputs' standard deviation, beyond which a placement is refused on any target:
half of what tells one output from another is gone. Other people's trained networks that keep
their answers in INT8 are at 0.005 to 0.2 (docs/results/third_party.md)."""
REMEDY = "`edgeneuro sensitivity` finds the layers, --keep-float leaves them out"
SLOWER = "not faster in INT8, measured"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The plan with a placement for every target. notes: for people."""

    plan: Plan
    notes: tuple[str, ...] = ()


def place(
    model: FloatModel,
    plan: Plan,
    forms: Sequence[Form],
    feeds: Sequence[Feed],
    *,
    threads: int,
    search_s: float,
    kept_float: Mapping[str, str],
    progress: Callable[[str], None],
) -> Placed:
    """Decide for each target of `forms` which nodes run in INT8.

    feeds: calibration frames. threads, search_s: of the search; seconds for each target. kept_float: node -> why it
    has to stay in float. progress: told the name of each step.
    """
    placed = Placed(plan=plan)
    for target in dict.fromkeys(form.target for form in forms if form.operators):
        candidates = [form for form in forms if form.target == target]
        here = next((form for form in candidates if runs_here(form)), None)
        if here is None:
            placed = _by_rule(model.graph, placed, candidates[0], feeds[:SEARCH_FRAMES], kept_float)
            continue
        progress(f"measuring which layers gain from INT8 on {here.name}")
        bench = Bench(
            model=model.graph,
            plan=plan,
            form=here,
            feeds=feeds[:SEARCH_FRAMES],
            threads=threads,
            kept_float=frozenset(kept_float),
        )
        found = _found(model.name, bench, search_s, progress)
        known = replace(placed.plan, measured=(*placed.plan.measured, *found.measured))
        reasons = {**_all(bench, SLOWER), **kept_float}
        placed = _with(replace(placed, plan=known), target, found.nodes, reasons, found.notes)
    return placed


def timed_again(
    model: FloatModel,
    before: Plan,
    after: Plan,
    forms: Sequence[Form],
    feeds: Sequence[Feed],
    *,
    threads: int,
    search_s: float,
) -> Placed:
    """`after`, with every target back in float whose placement changed since `before` and is not faster than float now."""
    placed = Placed(plan=after)
    for target in [name for name, nodes in after.placement.items() if nodes and nodes != before.placement[name]]:
        here = next((form for form in forms if form.target == target and runs_here(form)), None)
        if here is None:
            continue
        bench = Bench(model=model.graph, plan=after, form=here, feeds=feeds[:SEARCH_FRAMES], threads=threads)
        (now,) = measure(bench, {"held": after.placement[target]}, budget_s=search_s / 3)
        nodes = after.placement[target]
        note = f"{target}: takes {now.time_ratio:.2f} of the float time with these layers in float"
        if now.time_ratio >= 1.0:
            nodes, note = (), f"{note}; kept in float altogether"
        placed = _with(placed, target, nodes, {**_all(bench, SLOWER), **after.kept_float.get(target, {})}, (note,))
    return placed


def _by_rule(
    model: onnx.ModelProto, placed: Placed, form: Form, feeds: Sequence[Feed], kept_float: Mapping[str, str]
) -> Placed:
    nodes, reasons = placement_by_rule(model, form)
    nodes = tuple(node for node in nodes if node not in kept_float)
    reasons = {**reasons, **kept_float}
    error = exact_error(model, with_placement(placed.plan, form.target, nodes), form, feeds) if nodes else 0.0
    if error > UNUSABLE:
        note = f"{form.target}: refused the vendor's rules: {_unusable(error)}; kept in float; {REMEDY}"
        return _with(placed, form.target, (), {**dict.fromkeys(nodes, "output error"), **reasons}, (note,))
    note = (
        f"{form.target}: {_count(model, nodes)} in INT8 by rule, not timed: it cannot run on this machine; output error "
        f"{error:.3f}, emulated"
    )
    return _with(placed, form.target, nodes, reasons, (note,))


def _unusable(error: float) -> str:
    return f"outputs differ from float by {error:.2f} of their standard deviation, allowed {UNUSABLE}"


def _found(name: str, bench: Bench, search_s: float, progress: Callable[[str], None]) -> Searched:
    """A search kept in the cache is used again while everything it depends on is the same."""
    found, stale = load_search(name, bench, search_s)
    if found is not None:
        progress(f"{bench.form.target}: measured earlier, from the cache")
        return found
    if stale:
        progress(f"{bench.form.target}: {stale}; measuring again")
    found = _searched(bench, search_s)
    unkept = store_search(name, bench, search_s, found)
    if unkept:
        progress(f"{bench.form.target}: {unkept}")
    return found


def _searched(bench: Bench, search_s: float) -> Searched:
    target = bench.form.target
    candidates = search_placement(bench, budget_s=search_s / 3)
    if not candidates:
        return Searched(nodes=(), measured=(), notes=(f"{target}: no layer that could run in INT8; kept in float",))
    sound, faults = _sound(bench, candidates)
    best = best_candidate(sound)
    final = _confirmed(bench, best, search_s) if best else None
    measured = tuple(
        Measured(target=target, name=item.name, time_ratio=round(item.time_ratio, 3), error=round(item.error, 5))
        for item in (*candidates, *([final] if final else []))
    )
    how = f"of the float time (one frame, {bench.threads} thread{'' if bench.threads == 1 else 's'})"
    if final is None or final.time_ratio >= 1.0:
        tried = final or candidates[0]
        note = f"{target}: no placement is faster than float here (the best takes {tried.time_ratio:.2f} {how}); kept in float"
        return Searched(nodes=(), measured=measured, notes=(*faults, note))
    note = f"{target}: {_count(bench.model, final.nodes)} in INT8, {final.time_ratio:.2f} {how}; output error {final.error:.3f}"
    return Searched(nodes=final.nodes, measured=measured, notes=(*faults, note))


def _sound(bench: Bench, candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Those of `candidates` whose outputs are usable, from the first that its backend computes as it should, and what was
    wrong with the others."""
    faults: list[str] = []
    usable = [candidate for candidate in candidates if candidate.error <= UNUSABLE]
    if len(usable) < len(candidates):
        worst = max(candidate.error for candidate in candidates)
        count = len(candidates) - len(usable)
        faults.append(f"{bench.form.target}: refused {count} placements: {_unusable(worst)}; {REMEDY}")
    for place, candidate in enumerate(usable):
        fault = bench.fault(candidate.nodes)
        if fault is None:
            return tuple(usable[place:]), tuple(faults)
        faults.append(f"{bench.form.target}: refused {candidate.name}: {fault}")
    return (), tuple(faults)


def _confirmed(bench: Bench, best: Candidate, search_s: float) -> Candidate:
    """`best` refined layer by layer, then timed again beside float and beside itself unrefined: the faster of the two.

    One that its backend does not compute as it should is out.
    """
    refined = refine(bench, best, budget_s=search_s / 3)
    placements = {best.name: best.nodes}
    if refined != best.nodes and bench.fault(refined) is None:
        placements[f"{best.name}; single layers moved"] = refined
    measured = measure(bench, placements, budget_s=search_s / 3)
    return next(candidate for candidate in measured if candidate.error <= UNUSABLE or candidate.name == best.name)


def _with(
    placed: Placed, target: str, nodes: tuple[str, ...], reasons: Mapping[str, str], notes: tuple[str, ...]
) -> Placed:
    kept = {name: why for name, why in reasons.items() if name not in nodes}
    plan = with_placement(placed.plan, target, nodes)
    return Placed(plan=replace(plan, kept_float={**plan.kept_float, target: kept}), notes=(*placed.notes, *notes))


def _all(bench: Bench, why: str) -> dict[str, str]:
    return {node.name: why for node in graphs.convolutions(bench.model.graph)}


def _count(model: onnx.ModelProto, nodes: Sequence[str]) -> str:
    layers, kind = graphs.convolutions(model.graph), "convolutions"
    if not layers:
        layers, kind = graphs.fully_connected(model.graph), "fully connected layers"
    inside = sum(node.name in nodes for node in layers)
    return f"{inside} of {len(layers)} {kind}"
