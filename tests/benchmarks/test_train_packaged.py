from edgeneuro.benchmarks.train_packaged import CARD, SETTINGS, measured
from edgeneuro.training.checkpoint import packaged, read_metrics
from edgeneuro.training.run import finished_config


def test_the_model_card_holds_what_training_measured() -> None:
    assert measured(read_metrics(packaged("myositis"))) in CARD.read_text(encoding="utf-8")


def test_the_packaged_weights_are_those_of_the_script_s_settings() -> None:
    assert finished_config(SETTINGS, packaged("myositis")).model == "myositis"
