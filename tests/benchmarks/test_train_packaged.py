from edgeneuro.benchmarks.train_packaged import CARD, SETTINGS, measured
from edgeneuro.training.checkpoint import packaged, read_config, read_metrics
from edgeneuro.training.run import finished_config


def test_the_model_card_holds_what_training_measured() -> None:
    folder = packaged("myositis")
    assert measured(read_metrics(folder), read_config(folder).classes) in CARD.read_text(encoding="utf-8")


def test_the_packaged_weights_are_those_of_the_script_s_settings() -> None:
    assert finished_config(SETTINGS, packaged("myositis")).model == "myositis"


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
