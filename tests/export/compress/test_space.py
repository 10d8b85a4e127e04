"""Which networks a search can make of the base."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from edgeneuro.errors import UsageError
from edgeneuro.export.compress.records import BaseFacts, Candidate, Goal
from edgeneuro.export.compress.space import base_facts, input_sizes, layer_groups, suggest
from edgeneuro.models.build import build_model
from edgeneuro.training.checkpoint import MODEL, load_model, read_config, read_metrics, read_split, write_checkpoint
from tests.export.compress.searched import SIDE, Searched, searched
from tests.export.prune.toy import macs_by_hand

__all__ = ["searched"]
FACTS = BaseFacts(
    weights="0" * 64,
    macs=1000,
    params=10,
    image_size=128,
    sizes=(64, 80, 96, 112, 128),
    sizes_macs=(250, 390, 562, 766, 1000),
    classes=("a", "b"),
    metric="balanced_accuracy",
    layer_groups=(("one", "two"), ("three",)),
    removable=("one", "two"),
)


def drawn(goal: Goal, count: int = 200, seed: int = 0) -> list[Candidate]:
    """Candidates of a sampler that knows nothing."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [suggest(study.ask(), FACTS, goal) for _ in range(count)]


def test_a_goal_of_operations_bounds_the_share_on_both_sides() -> None:
    shares = [candidate.share for candidate in drawn(Goal(macs=0.15))]
    assert min(shares) >= 0.05 and max(shares) <= 0.15
    assert sum(share < (0.05 * 0.15) ** 0.5 for share in shares) == pytest.approx(100, abs=25)  # even on a log scale


def test_a_goal_of_time_leaves_the_share_open() -> None:
    shares = [candidate.share for candidate in drawn(Goal(latency_ms=0.3))]
    assert 0.02 <= min(shares) < 0.05 and 0.7 < max(shares) <= 1.0


def test_every_candidate_is_one_that_can_be_asked_for() -> None:
    candidates = drawn(Goal(macs=0.15))
    assert {candidate.image_size for candidate in candidates} == set(FACTS.sizes)
    assert {candidate.removed for candidate in candidates} == {(), ("one",), ("two",), ("one", "two")}
    assert {(one.precision, one.kept_float) for one in candidates} == {("fp32", 0), *(("int8", k) for k in range(4))}
    for candidate in candidates:
        assert set(candidate.strength) == {"one", "two", "three"}
        assert candidate.strength["one"] == candidate.strength["two"] != candidate.strength["three"]
        assert all(0.5 <= factor <= 2.0 for factor in candidate.strength.values())


def test_blocks_mostly_stay_while_nothing_is_known() -> None:
    left_out = sum(len(candidate.removed) for candidate in drawn(Goal(macs=0.15), 400))
    assert left_out == pytest.approx(0.25 * 2 * 400, abs=50)


def test_the_same_seed_gives_the_same_candidates() -> None:
    goal = Goal(macs=0.15)
    assert drawn(goal, 5, seed=1) == drawn(goal, 5, seed=1) != drawn(goal, 5, seed=2)


@pytest.mark.parametrize(
    ("side", "sizes"),
    [(224, (128, 160, 192, 224)), (128, (64, 80, 96, 112, 128)), (48, (32, 48)), (32, (32,)), (16, (16,))],
)
def test_sizes_go_down_to_half_in_equal_steps(side: int, sizes: tuple[int, ...]) -> None:
    assert input_sizes(side) == sizes


def test_layer_groups_are_the_stages_of_a_network() -> None:
    stanet = build_model("myositis", classes=4, channels=1)
    assert layer_groups(stanet) == tuple((f"blocks.{i}",) for i in range(5))
    resnet = build_model("resnet18", classes=4, channels=1)
    assert layer_groups(resnet) == tuple((f"stages.{i}",) for i in range(4))


def test_many_blocks_are_put_together_in_order_and_none_is_lost() -> None:
    groups = layer_groups(build_model("mobilenet-v2", classes=4, channels=1))
    blocks = [prefix for group in groups for prefix in group]
    assert len(groups) == 5 and blocks == [f"features.{i}" for i in range(2, 20)]


def test_base_facts_are_those_of_the_checkpoint(searched: Searched) -> None:
    facts = searched.facts
    assert facts.weights == read_config(searched.base).files[MODEL]
    assert (facts.image_size, facts.sizes) == (SIDE, (32, SIDE))
    assert facts.sizes_macs == (macs_by_hand(32), macs_by_hand(SIDE)) and facts.macs == facts.macs_at(SIDE)
    assert facts.params == sum(tensor.numel() for tensor in load_model(searched.base).parameters())
    assert (facts.classes, facts.metric) == (("bright", "dark"), "balanced_accuracy")
    assert facts.removable == ("blocks.0", "blocks.1")


def test_a_teacher_that_has_learnt_from_the_test_part_is_refused(searched: Searched, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(searched.base, teacher)
    split = read_split(teacher)
    write_checkpoint(
        teacher,
        network=load_model(teacher),
        config=read_config(teacher),
        metrics=read_metrics(teacher),
        split=replace(split, training=(*split.training, *split.test), test=()),
    )
    with pytest.raises(UsageError, match="was trained on 9 of the 9 frames of the base's test part"):
        base_facts(replace(searched.settings, teacher=str(teacher)))
