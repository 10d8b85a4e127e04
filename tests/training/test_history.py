"""What a checkpoint went through, in words."""

from edgeneuro.training.checkpoint import Ancestor, Initial, MadeFrom
from edgeneuro.training.history import history
from tests.checkpoints import checkpoint_config

OLD = "0" * 64


def test_one_checkpoint_is_one_step() -> None:
    assert history(checkpoint_config()) == ("trained on made up",)


def test_weights_that_were_taken_over_are_named() -> None:
    imagenet = Initial(name="imagenet", sha256=OLD, fresh=("head.weight",))
    assert history(checkpoint_config(initial=imagenet)) == ("trained on made up from ImageNet weights",)
    phantom = Initial(name="phantom", sha256=OLD, fresh=())
    assert history(checkpoint_config(initial=phantom)) == ("trained on made up from weights trained on phantom",)


def test_the_steps_are_the_checkpoints_from_the_oldest_to_itself() -> None:
    cut = MadeFrom(checkpoint=OLD, pruned={"target_macs": 0.25, "importance": "group", "removed": []})
    config = checkpoint_config(
        ancestors=(
            Ancestor(checkpoint=OLD),
            Ancestor(checkpoint=OLD, made_from=cut),
            Ancestor(checkpoint=OLD, made_from=MadeFrom(checkpoint=OLD), taught={"teacher": "3f2a1b9c" + "0" * 56}),
        ),
        made_from=MadeFrom(checkpoint=OLD, quantised_for="onnxruntime"),
    )
    assert history(config) == (
        "trained on made up",
        "pruned to 0.25 of its operations by group importance",
        "taught by 3f2a1b9c...",
        "trained with rounding for onnxruntime",
    )


def test_everything_that_was_done_in_one_run_is_in_its_step() -> None:
    pruned = {
        "low_rank": 0.9,
        "removed": ["blocks.3"],
        "target_macs": 0.12345,
        "importance": "taylor",
        "image_size": 112,
    }
    config = checkpoint_config(
        made_from=MadeFrom(checkpoint=OLD, pruned=pruned), taught={"teacher": "ab" * 32, "temperature": 4.0}
    )
    (step,) = history(config)
    assert step.split(", ") == [
        "linear layers factorised to 0.9 of their energy",
        "blocks.3 left out",
        "pruned to 0.123 of its operations by taylor importance",
        "input of 112 px",
        "taught by abababab...",
    ]


def test_masks_and_training_on_in_float_are_told_apart() -> None:
    steps = [
        history(checkpoint_config(made_from=MadeFrom(checkpoint=OLD, pruned=pruned)))[-1]
        for pruned in ({}, {"sparsity": 0.5, "scope": "layer"}, {"pattern": "2:4"})
    ]
    assert steps == ["trained on in float", "0.5 of its weights masked", "weights masked in the pattern 2:4"]
