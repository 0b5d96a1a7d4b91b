from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.compiler.project import CompileOptions, DataChoice, MetricChoice, Project
from edgec.errors import ContractError

FULL = """
[inputs.image]
resize = 256
crop = 224
mean = [0.485, 0.456, 0.406]

[state]
h = "h_out"
cache = { output = "cache_out", shape = [1, 0, 4] }

[metric]
name = "top5"
output = "logits"

[contract]
accuracy_drop = "1pt"
proof = "executed"

[calibration]
path = "calib.npz"
samples = 100

[evaluation]
path = "data:evaluation"

[compile]
target = "boards/mine.toml"
scheme = "a8w8"
shapes = { image = [1, 3, 224, 224] }
exclude_nodes = ["head.*"]
per_channel = false
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "edgec.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_everything_it_can_say(write, tmp_path):
    project = Project.load(write(FULL))
    assert project.file == tmp_path / "edgec.toml"
    assert project.inputs["image"].crop == 224
    assert project.state.carried == {"h": "h_out", "cache": "cache_out"}
    assert {name: array.shape for name, array in project.state.start.items()} == {"cache": (1, 0, 4)}
    assert project.state.start["cache"].dtype == np.float32
    assert project.metric == MetricChoice(name="top5", output="logits")
    assert project.metric.metric().name == "top5"
    assert project.contract.to_json() == {"accuracy_drop": "1pt", "proof": "executed"}
    assert project.calibration == DataChoice(path=str(tmp_path / "calib.npz"), samples=100)
    assert project.evaluation == DataChoice(path="data:evaluation")
    assert project.compile == CompileOptions(
        target=str(tmp_path / "boards" / "mine.toml"),
        shapes={"image": (1, 3, 224, 224)},
        policy={"scheme": "a8w8", "exclude_nodes": ("head.*",), "per_channel": False},
    )


def test_an_empty_file_says_nothing(write):
    file = write("")
    assert Project.load(file) == Project(file=file)


def test_targets_by_name_stay_names(write):
    assert Project.load(write('[compile]\ntarget = "arm64"')).compile.target == "arm64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[contract]\nsqrn = "20dB"',
            "edgec.toml: contract.sqrn: unknown key, did you mean 'sqnr'? Keys here: accuracy_drop, accuracy, sqnr, "
            "cosine, max_error, size, size_ratio, load_time, p95, latency_ratio, integer_macs, "
            "off_provider, p95_ratio, peak_memory, partitions, oldest_onnxruntime, opset, ir_version, proof.",
        ),
        (
            "[contract]\nsqnr = 20",
            "edgec.toml: contract.sqnr: 20 has no unit. Write it like '20dB'; units here: dB.",
        ),
        (
            "[contrakt]",
            "edgec.toml: contrakt: unknown key, did you mean 'contract'? "
            "Keys here: model, inputs, state, metric, contract, calibration, evaluation, compile, targets, search.",
        ),
        ("metric = 'top1'", "edgec.toml: metric: is not a table. Write it under [metric]."),
        (
            '[metric]\nnam = "top1"',
            "edgec.toml: metric.nam: unknown key, did you mean 'name'? Keys here: name, output.",
        ),
        ("[metric]", "edgec.toml: metric: key 'name' is missing. Keys here: name, output."),
        (
            '[calibration]\npath = "a.npz"\nsamples = 0',
            "edgec.toml: calibration.samples: 0 is not a positive number. Change the value.",
        ),
        (
            "[state]\nh = 1",
            "edgec.toml: state.h: 1 is not the name of an output. "
            'Write it like h_in = "h_out", or { output = "h_out", shape = [1, 64] }.',
        ),
        (
            '[state]\nh = { output = "h_out", shape = [1, -2] }',
            "edgec.toml: state.h.shape: [1, -2] has a negative dimension. Change the value.",
        ),
        (
            "[inputs.image]\nresise = 3",
            "edgec.toml: inputs.image.resise: unknown key, did you mean 'resize'? The keys are resize, crop, layout, "
            "channels, scale, mean, std, dtype, interpolation.",
        ),
        ("[inputs]\nimage = 3", "edgec.toml: inputs.image: is not a table. Write it under [inputs.image]."),
        ("[compile]\nscheme = 8", "edgec.toml: compile.scheme: is an integer, a string is needed. Write a string."),
    ],
)
def test_mistakes_name_their_key(write, text, message):
    with pytest.raises(ContractError) as caught:
        Project.load(write(text))
    assert str(caught.value) == message


def test_a_file_that_is_missing_or_no_toml(write, tmp_path):
    with pytest.raises(ContractError) as caught:
        Project.load(tmp_path / "nowhere.toml")
    assert (
        str(caught.value)
        == f"{tmp_path / 'nowhere.toml'}: does not exist. Check the path, or begin a project: edgec init MODEL."
    )
    with pytest.raises(ContractError, match="is not TOML: "):
        Project.load(write("[contract"))


def test_the_shipped_example_can_be_read(digits):
    project = Project.load(digits / "edgec.toml")
    assert project.contract.clauses


def test_a_model_is_no_project(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    with pytest.raises(ContractError) as caught:
        Project.load(tmp_path / "net.onnx")
    assert str(caught.value) == (
        f"{tmp_path}/net.onnx: is a model, not a project file. Begin a project: edgec init {tmp_path}/net.onnx."
    )
