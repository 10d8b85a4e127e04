"""When a run counts as quiet, and what a comparison may say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.benchmarks.document import Conditions, Quiet, Ratio, Snapshot
from edgeneuro.benchmarks.measure.quiet import compare, judge_quiet

NOTHING = Snapshot(load_average=None, temperature_c=None, frequency_mhz=None)
CALM = Conditions(
    threads=1,
    affinity=(0, 1),
    governor=None,
    power_mode=None,
    virtual=True,
    background_share=0.02,
    steal_share=0.001,
    before=NOTHING,
    after=NOTHING,
)
SAME = Ratio(p10=0.9, p50=1.0, p90=1.1, low=0.99, high=1.01)
QUIET = Quiet(same=SAME, quiet=True, reasons=())
RNG = np.random.default_rng(0)
REFERENCE = RNG.lognormal(0.0, 0.5, 400)  # a machine whose speed changes from round to round
NOISE = RNG.lognormal(0.0, 0.05, 400)


def verdict(factor: float, quiet: Quiet = QUIET, rounds: int = 400, spread: float = 1.0) -> str:
    times = {"mine": factor * REFERENCE[:rounds] * NOISE[:rounds] ** spread, "theirs": REFERENCE[:rounds]}
    return compare("mine", "theirs", times, quiet).verdict


def test_a_calm_machine_and_a_row_equal_to_itself_are_quiet() -> None:
    assert judge_quiet(SAME, CALM, []) == QUIET


def test_what_the_machine_does_not_say_is_no_reason() -> None:
    assert judge_quiet(SAME, replace(CALM, background_share=None, steal_share=None), []).quiet


@pytest.mark.parametrize("low, high", [(0.99, 1.04), (0.96, 1.01), (1.05, 1.06)])
def test_a_row_that_differs_from_itself_is_a_reason(low: float, high: float) -> None:
    found = judge_quiet(replace(SAME, p50=(low + high) / 2, low=low, high=high), CALM, [])
    assert not found.quiet
    assert f"[{low:.3f}, {high:.3f}] of its own time, expected within 0.97 to 1.03." in found.reasons[0]


def test_every_disturbance_is_one_sentence() -> None:
    busy = replace(CALM, background_share=0.42, steal_share=0.05)
    assert judge_quiet(None, busy, ["u-net: int8 openvino"]) == Quiet(
        same=None,
        quiet=False,
        reasons=(
            "No row ran against itself, so how much two rows differ by chance is not known.",
            "Other processes used 42 % of the processors' time during the run, expected at most 10 %.",
            "The host of this virtual machine took 5.0 % of the processors' time, expected at most 2 %.",
            "u-net: int8 openvino had not settled when the warm-up reached its limit.",
        ),
    )


def test_a_difference_beyond_the_noise_is_a_verdict_though_the_machine_wavers() -> None:
    assert verdict(0.9) == "faster"
    assert verdict(1.1) == "slower"


def test_a_difference_within_the_noise_of_a_row_against_itself_is_none() -> None:
    assert verdict(1.0) == verdict(0.995) == "no difference"
    loud = replace(QUIET, same=replace(SAME, low=0.975, high=1.025))
    assert verdict(0.98) == "faster"
    assert verdict(0.98, loud) == "no difference"


def test_a_noisy_run_gives_no_verdict_however_large_the_difference() -> None:
    assert verdict(0.2, replace(QUIET, quiet=False, reasons=("Others were computing.",))) == "no verdict"


def test_neither_few_rounds_nor_a_wide_interval_give_a_verdict() -> None:
    assert verdict(0.2, rounds=12) == "no verdict"
    assert verdict(0.2, rounds=3) == "no verdict"
    assert verdict(1.0, rounds=50, spread=10.0) == "no verdict"  # "no difference" would be a claim as well


def test_the_ratio_is_of_the_rows_in_the_order_named() -> None:
    found = compare("mine", "theirs", {"mine": 0.5 * REFERENCE, "theirs": REFERENCE}, QUIET)
    assert (found.row, found.reference, found.ratio.p50) == ("mine", "theirs", 0.5)
