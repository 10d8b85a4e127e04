import pytest

from edgeneuro.benchmarks.train_packaged import CARDS, SETTINGS, measured
from edgeneuro.training.checkpoint import packaged, read_config, read_metrics
from edgeneuro.training.run import finished_config
from edgeneuro.training.settings import with_recipe


@pytest.mark.parametrize("model", SETTINGS)
def test_the_model_card_holds_what_training_measured(model: str) -> None:
    folder = packaged(model)
    card = (CARDS / f"{model}.md").read_text(encoding="utf-8")
    assert measured(read_metrics(folder), read_config(folder).classes) in card


@pytest.mark.parametrize("model", SETTINGS)
def test_the_packaged_weights_are_those_of_the_script_s_settings(model: str) -> None:
    assert finished_config(with_recipe(SETTINGS[model], alone=True), packaged(model)).model == model


def test_the_table_of_confusions_names_its_rows_in_the_order_of_the_classes() -> None:
    """JSON sorts names; the matrix does not."""
    scores = {
        "frames": 6,
        "groups": 3,
        "interval": {"value": 0.5, "low": 0.25, "high": 0.75},
        "macro_f1": 0.5,
        "per_class_recall": {"a": 0.25, "z": 1.0},
        "confusion_matrix": [[2, 0], [3, 1]],
    }
    hardware = {"architecture": "x86_64", "cores": 2, "device": "cpu", "threads": 1}
    metrics = {"validation": scores, "test": scores, "history": [{}], "best_epoch": 0, "wall_s": 60.0}
    lines = measured({**metrics, "hardware": hardware}, ("z", "a")).splitlines()
    assert "| z | 2 | 0 |" in lines and "| a | 3 | 1 |" in lines
    assert "z 100 %, a 25 %" in lines[2]
