from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, roc_auc_score

from edgec.compiler.metrics import Metric, metric_named
from edgec.compiler.metrics.builtin import METRICS
from edgec.compiler.metrics.metric import stack
from edgec.errors import ContractError, SamplesError

GENERATOR = np.random.default_rng(5)


def score(name: str, pairs, output: str | None = None) -> float:
    metric = metric_named(name, output)
    return metric.aggregate(np.stack([metric.record({"y": y}, np.asarray(label)) for y, label in pairs]))


def logits(n: int, classes: int) -> list[tuple[np.ndarray, int]]:
    return [(GENERATOR.normal(size=(1, classes)), int(GENERATOR.integers(0, classes))) for _ in range(n)]


# --- against other implementations ------------------------------------------------------------------------------


def test_top1_is_argmax():
    pairs = logits(200, 7)
    assert score("top1", pairs) == np.mean([y.argmax() == label for y, label in pairs])


def test_top5_counts_the_five_best():
    pairs = logits(200, 7)
    assert score("top5", pairs) == np.mean([label in np.argsort(-y[0])[:5] for y, label in pairs])


def test_ties_break_as_argmax_breaks_them():
    assert score("top1", [(np.ones((1, 4)), 0)]) == 1.0
    assert score("top1", [(np.ones((1, 4)), 3)]) == 0.0


def test_nan_is_never_right():
    assert score("top1", [(np.full((1, 4), np.nan), 0)]) == 0.0


@pytest.mark.parametrize(("classes", "average"), [(2, "binary"), (5, "macro")])
def test_f1_is_sklearns(classes, average):
    pairs = logits(300, classes)
    expected = f1_score([label for _, label in pairs], [int(y.argmax()) for y, _ in pairs], average=average)
    assert score("f1", pairs) == pytest.approx(expected)


def test_f1_of_one_probability():
    pairs = [(np.array([[p]]), label) for p, label in ((0.9, 1), (0.2, 1), (0.7, 0), (0.1, 0))]
    assert score("f1", pairs) == pytest.approx(f1_score([1, 1, 0, 0], [1, 0, 1, 0]))


def test_auc_is_sklearns_ties_included():
    pairs = [(GENERATOR.integers(0, 8, size=(1, 1)) + 0.0, int(GENERATOR.integers(0, 2))) for _ in range(300)]
    expected = roc_auc_score([label for _, label in pairs], [y.item() for y, _ in pairs])
    assert score("auc", pairs) == pytest.approx(expected)
    two = [(np.array([[0.0, y.item()]]), label) for y, label in pairs]
    assert score("auc", two) == pytest.approx(expected)


def test_spearman_is_scipys_ties_included():
    pairs = [(GENERATOR.integers(0, 9, size=(1,)) + 0.0, round(GENERATOR.normal(), 1)) for _ in range(200)]
    expected = spearmanr([y.item() for y, _ in pairs], [label for _, label in pairs]).statistic
    assert score("spearman", pairs) == pytest.approx(expected)


def test_spearman_of_two_embeddings_is_of_their_cosine():
    pairs = [(GENERATOR.normal(size=(2, 5)), GENERATOR.normal()) for _ in range(60)]
    cosines = [1 - cosine(*y) for y, _ in pairs]
    expected = spearmanr(cosines, [label for _, label in pairs]).statistic
    assert score("spearman", pairs) == pytest.approx(expected)


def test_mse_and_psnr():
    label = np.zeros((2, 3), np.float32)
    assert score("mse", [(np.full((1, 2, 3), 0.1), label), (np.zeros((1, 2, 3)), label)]) == pytest.approx(0.005)
    assert score("psnr", [(np.full((1, 2, 3), 0.1), label)]) == pytest.approx(20.0)
    assert score("psnr", [(np.full((1, 2, 3), 25.5), label.astype(np.uint8))]) == pytest.approx(20.0)
    assert score("psnr", [(np.zeros((1, 2, 3)), label)]) == 100.0


def test_perplexity_takes_logits_and_probabilities_alike():
    scores = GENERATOR.normal(size=(1, 6, 11))
    labels = GENERATOR.integers(0, 11, size=(6,))
    probabilities = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    expected = np.exp(-np.log(probabilities[0][np.arange(6), labels]).mean())
    assert score("perplexity", [(scores, labels)]) == pytest.approx(expected)
    assert score("perplexity", [(probabilities, labels)]) == pytest.approx(expected)


def test_marked_positions_do_not_count():
    scores = GENERATOR.normal(size=(1, 3, 5))
    assert score("perplexity", [(scores, [2, -100, 4])]) == pytest.approx(
        score("perplexity", [(scores[:, ::2], [2, 4])])
    )


# --- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5,), (1, 5), (1, 5, 1, 1), (1, 1, 1, 5)])
@pytest.mark.parametrize("label", [3, [3], [[3]], 3.0, np.uint8(3)])
def test_one_label_takes_the_whole_output_as_classes(shape, label):
    y = np.zeros(shape)
    y.reshape(-1)[3] = 1
    assert score("top1", [(y, label)]) == 1.0


def test_segmentation_has_classes_on_axis_one():
    labels = GENERATOR.integers(0, 3, size=(4, 6))
    y = np.moveaxis(np.eye(3)[labels], -1, 0)[None]
    assert y.shape == (1, 3, 4, 6)
    assert score("top1", [(y, labels)]) == 1.0
    assert score("top1", [(y, labels[None])]) == 1.0
    assert score("f1", [(y, labels)]) == 1.0


def test_samples_of_different_lengths_weigh_by_positions():
    right, wrong = np.eye(3)[[0, 0, 0]][None], np.eye(3)[[1]][None]
    assert score("top1", [(right, [0, 0, 0]), (wrong, [0])]) == 0.75


@pytest.mark.parametrize(
    ("name", "output", "label", "message"),
    [
        (
            "top1",
            np.zeros((1, 5)),
            [1, 2],
            "label: has shape (2,) beside an output of shape (1, 5); top1 needs one class index per position, classes "
            "on the last or first axis. Give labels of that shape, another metric, or name the output it looks at.",
        ),
        (
            "top1",
            np.zeros((1, 5)),
            5,
            "label: is class 5, the output has 5 classes. "
            "Check that labels count from 0 in the order of the model's classes.",
        ),
        (
            "top1",
            np.zeros((1, 5)),
            0.5,
            "label: has dtype float64 and is no class index; top1 needs integers. "
            "Give class indices as labels, or another metric.",
        ),
        (
            "auc",
            np.zeros((1, 5)),
            1,
            "label: has shape () beside an output of shape (1, 5); auc needs one score and one label per sample. "
            "Give labels of that shape, another metric, or name the output it looks at.",
        ),
        (
            "mse",
            np.zeros((1, 5)),
            np.zeros(4),
            "label: has shape (4,) beside an output of shape (1, 5); mse needs a label of the output's size. "
            "Give labels of that shape, another metric, or name the output it looks at.",
        ),
    ],
)
def test_labels_that_do_not_fit(name, output, label, message):
    with pytest.raises(SamplesError) as caught:
        metric_named(name).record({"y": output}, np.asarray(label))
    assert str(caught.value) == message


def test_the_output_is_chosen_by_name():
    outputs = {"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 1.0]])}
    assert metric_named("top1", "b").record(outputs, np.array(1)).tolist() == [1, 1]
    assert metric_named("top1").record(outputs, np.array(1)).tolist() == [0, 1]
    with pytest.raises(ContractError) as caught:
        metric_named("top1", "c").record(outputs, np.array(1))
    assert str(caught.value) == "metric output 'c': is not an output of the model. Outputs here: a, b."


# --- what the bootstrap relies on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_weights_are_repetitions(name):
    metric = metric_named(name)
    records = []
    for _ in range(40):
        if name in ("auc", "spearman"):
            y, label = GENERATOR.integers(0, 6, size=(1,)) + 0.0, np.array(GENERATOR.integers(0, 2))
        elif name in ("mse", "psnr", "si-snr"):
            y, label = GENERATOR.normal(size=(1, 4)), GENERATOR.normal(size=(4,))
        elif name == "recall":
            y, label = GENERATOR.normal(size=(2, 4)), np.array(GENERATOR.integers(0, 2))
        elif name == "miou":
            y, label = GENERATOR.normal(size=(1, 3, 4, 5)), GENERATOR.integers(0, 3, size=(4, 5))
        elif name == "ctc":
            y, label = GENERATOR.normal(size=(1, 2, 3)), np.array(GENERATOR.integers(0, 2, size=(1,)))
        elif name in ("map", "map50"):
            corner = GENERATOR.uniform(0, 20, size=(2, 12, 2))
            boxes = np.concatenate([corner, corner + 20], axis=2)
            label = np.column_stack([GENERATOR.integers(0, 3, size=5), boxes[0, :5]])
            outputs = {"boxes": boxes[1][None], "y": GENERATOR.uniform(0, 1, size=(1, 12, 3))}
            records.append(metric.record(outputs, label))
            continue
        else:
            y, label = GENERATOR.normal(size=(1, 6)), np.array(GENERATOR.integers(0, 6))
        records.append(metric.record({"y": y}, label))
    stacked = stack(records)
    weights = GENERATOR.multinomial(40, np.full(40, 1 / 40), size=6)
    assert metric.weighted is not None
    expected = [metric.aggregate(np.repeat(stacked, row, axis=0)) for row in weights]
    np.testing.assert_allclose(metric.weighted(stacked, weights), expected, rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_direction_and_unit(name):
    metric = metric_named(name)
    lower = name in ("mse", "perplexity")
    assert metric.direction == ("lower" if lower else "higher")
    assert metric.unit == {"mse": "", "perplexity": "", "psnr": "dB", "si-snr": "dB"}.get(name, "pt")
    assert metric.drop(3.0, 2.0) == (-1.0 if lower else 1.0)


# --- one's own --------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from edgec.compiler.metrics import metric_named\n"
        "def peak(outputs, label):\n    return outputs['y'].max() - label\n"
        "peak.direction, peak.unit = 'lower', 'dB'\n"
        "def plain(outputs, label):\n    return 1\n"
        "def broken(outputs, label):\n    return outputs['z']\n"
        "def wide(outputs, label):\n    return [1, 2]\n"
        "def odd(outputs, label):\n    return 1\n"
        "odd.direction = 'sideways'\n"
        "ready = metric_named('auc')\n"
        "number = 3\n",
        encoding="utf-8",
    )
    return str(file)


def test_a_function_is_a_metric(own):
    peak = metric_named(f"{own}:peak")
    assert (peak.direction, peak.unit) == ("lower", "dB")
    assert peak.record({"y": np.array([1.0, 5.0])}, np.array(2)).tolist() == [3.0]
    assert peak.aggregate(np.array([[1.0], [3.0]])) == 2.0
    plain = metric_named(f"{own}:plain")
    assert (plain.direction, plain.unit) == ("higher", "")
    assert metric_named(f"{own}:ready").name == "auc"


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("missing", "cannot be imported: '{file}' has no 'missing'. Give module:function or file.py:function."),
        ("number", "is neither a function nor a Metric. Name a function (outputs, label) -> float."),
        ("odd", "direction is 'sideways'. Set it to 'higher' or 'lower'."),
    ],
)
def test_what_is_no_metric(own, attribute, message):
    with pytest.raises(ContractError) as caught:
        metric_named(f"{own}:{attribute}")
    assert str(caught.value) == f"metric {f'{own}:{attribute}'!r}: " + message.format(file=own)


@pytest.mark.parametrize(
    ("attribute", "problem"),
    [
        ("broken", "failed on a sample: KeyError: 'z'"),
        ("wide", "returned shape (2,), one number is needed"),
    ],
)
def test_a_function_that_misbehaves_is_named(own, attribute, problem):
    with pytest.raises(ContractError) as caught:
        metric_named(f"{own}:{attribute}").record({"y": np.zeros(1)}, np.array(0))
    assert caught.value.where == f"metric {f'{own}:{attribute}'!r}"
    assert caught.value.problem == problem


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ContractError) as caught:
        metric_named("top2")
    assert str(caught.value) == (
        "metric 'top2': is not a built-in metric. "
        "Choose one of top1, top5, f1, spearman, recall, mse, psnr, auc, perplexity, miou, map, map50, si-snr, ctc, "
        "or give module:function."
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ctc,blnk=0", "metric 'ctc,blnk=0': has no option 'blnk'. Its options are blank, axis."),
        ("top1,k=3", "metric 'top1,k=3': has no option 'k'. It has no options."),
        ("miou,ignore=void", "metric 'miou,ignore=void': ignore is 'void', no integer. Write it like miou,ignore=0."),
        ("miou,ignore", "metric 'miou,ignore': ignore is '', no integer. Write it like miou,ignore=0."),
    ],
)
def test_options_that_cannot_be_read(name, message):
    with pytest.raises(ContractError) as caught:
        metric_named(name)
    assert str(caught.value) == message


def test_a_metric_says_which_way_is_better():
    with pytest.raises(ValueError, match="direction"):
        Metric(name="m", direction="up", unit="", record=lambda outputs, label: np.zeros(1))  # type: ignore[arg-type]
