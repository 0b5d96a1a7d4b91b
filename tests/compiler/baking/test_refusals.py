"""What cannot be baked is said before anything is compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from support.classifier import classifier, images, save_npz

import edgec
from edgec.compiler.baking.bake import bake
from edgec.compiler.baking.spec import BakedInput, BakedOutput
from edgec.compiler.baking.words import baked_inputs, read_input, read_output
from edgec.compiler.project import Project
from edgec.errors import ContractError, EdgecError, OptionError, SamplesError

WRITE = "Write it like --input image:uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225."
WRITE_OUTPUT = "Write it like --postprocess logits:softmax, logits:argmax, logits:topk=5 or embedding:int8."


def message(what: Callable[[], object], error: type[EdgecError]) -> str:
    with pytest.raises(error) as raised:
        what()
    return str(raised.value)


def test_words_are_read() -> None:
    assert read_input("image:uint8,nhwc,mean=0.485,0.456,0.406,std=0.5") == (
        "image",
        BakedInput(mean=(0.485, 0.456, 0.406), std=(0.5,)),
    )
    assert read_input("in:0:float32,nchw,bgr,scale=1/128,frame=480x640") == (
        "in:0",
        BakedInput(dtype="float32", layout="nchw", channels="bgr", scale=1 / 128, frame=(480, 640)),
    )
    assert read_output("logits:softmax,topk=5,axis=-1") == ("logits", BakedOutput(softmax=True, topk=5, axis=-1))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("image", f"--input image: is not NAME:WORD,WORD,... {WRITE}"),
        ("image:uint8,nwhc", f"--input image:uint8,nwhc: 'nwhc' is no word of it. {WRITE}"),
        ("image:uint8,float32", f"--input image:uint8,float32: says dtype twice. {WRITE}"),
        ("image:mean=a", f"--input image:mean=a: 'a' is no number. {WRITE}"),
        ("image:frame=480", f"--input image:frame=480: frame '480' is no HxW. {WRITE}"),
        ("image:std=0", "--input image: std: 0 is not above 0. Change the value."),
        ("image:mean=1,2,std=1,2,3", "--input image: std: has 3 values, mean has 2. Change the value."),
        ("image:gray,model_channels=bgr",
         "--input image: channels: gray has no order, and cannot become or come from bgr. Change the value."),
        ("image:layuot=nhwc",
         "--input image: layuot: unknown key, did you mean 'layout'? "
         "Keys here: dtype, layout, channels, model_channels, scale, mean, std, frame."),
    ],
)  # fmt: skip
def test_words_that_are_none(text: str, wanted: str) -> None:
    assert message(lambda: read_input(text), OptionError) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("logits:topk", f"--postprocess logits:topk: 'topk' is no word of it. {WRITE_OUTPUT}"),
        (
            "logits:axis=1",
            "--postprocess logits: says neither softmax, argmax, topk, int8, binary nor product. Change the values.",
        ),
        ("logits:argmax,topk=2", "--postprocess logits: topk: is given beside argmax. Change the value."),
        ("logits:topk=0", "--postprocess logits: topk: 0 is not a positive number. Change the value."),
    ],
)
def test_words_of_outputs_that_are_none(text: str, wanted: str) -> None:
    assert message(lambda: read_output(text), OptionError) == wanted


def test_an_input_is_named_once() -> None:
    assert message(lambda: baked_inputs(["a:uint8", "a:nhwc"]), OptionError) == f"--input a: is given twice. {WRITE}"


def model(shape: str, kind: str = "float") -> ir.Model:
    text = f"""<ir_version: 9, opset_import: ["": 17]>
    g ({kind}[{shape}] image, float[1, 2] h) => ({kind}[{shape}] y, float[1, 2] g_out) {{
        y = Identity(image)
        g_out = Neg(h)
    }}"""
    return ir.from_proto(onnx.parser.parse_model(text))


@pytest.mark.parametrize(
    ("shape", "kind", "name", "spec", "wanted"),
    [
        ("N,3,8,8", "float", "imgae", BakedInput(),
         "--input imgae: is not an input of the model, did you mean 'image'? There is 'image', 'h'."),
        ("N,3,8", "float", "image", BakedInput(),
         "--input image: has shape [N, 3, 8]: an image has 4 axes. Leave it out: only images are preprocessed."),
        ("N,3,8,8", "uint8", "image", BakedInput(),
         "--input image: takes uint8 already: preprocessing gives floats. Leave it out: it takes no floats."),
        ("N,1,8,8", "float", "image", BakedInput(mean=(1.0, 2.0, 3.0)),
         "--input image: has 1 channels, mean and std have 3 values. Give one, or one for each."),
        ("N,1,8,8", "float", "image", BakedInput(channels="bgr"),
         "--input image: has 1 channels, which have no order. Leave bgr out."),
        ("N,C,8,8", "float", "image", BakedInput(),
         "--input image: has shape [N, C, 8, 8]: its channels are not known. Fix them: --shape image=..."),
        ("N,3,H,8", "float", "image", BakedInput(frame=(4, 4)),
         "--input image: has shape [N, 3, H, 8]: a frame is resized to a size that is known. "
         "Fix it: --shape image=..."),
        ("N,3,8,8", "float", "h", BakedInput(),
         "--input h: is fed back from an output: it is no image. Leave it out."),
    ],
)  # fmt: skip
def test_inputs_that_are_no_images(shape: str, kind: str, name: str, spec: BakedInput, wanted: str) -> None:
    assert message(lambda: bake(model(shape, kind), {name: spec}, {}, {"h": "g_out"}), OptionError) == wanted


@pytest.mark.parametrize(
    ("shape", "kind", "name", "spec", "wanted"),
    [
        ("2,5", "float", "x", BakedOutput(softmax=True),
         "--postprocess x: is not an output of the model. There is 'y', 'g_out'."),
        ("2,5", "int64", "y", BakedOutput(argmax=True),
         "--postprocess y: gives int64: there is nothing to choose from. Leave it out."),
        ("2,5,7", "float", "y", BakedOutput(argmax=True),
         "--postprocess y: has shape [2, 5, 7], and nothing says which axis are the classes. "
         "Say it: --postprocess y:...,axis=-1."),
        ("2,5", "float", "y", BakedOutput(argmax=True, axis=2),
         "--postprocess y: has 2 axes, and none is 2. Name one of them."),
        ("2,5", "float", "y", BakedOutput(topk=6),
         "--postprocess y: has 5 classes, fewer than topk=6. Ask for fewer."),
        ("2,5", "float", "g_out", BakedOutput(softmax=True),
         "--postprocess g_out: is fed back as an input: it stays as it is. Leave it out."),
    ],
)  # fmt: skip
def test_outputs_without_classes(shape: str, kind: str, name: str, spec: BakedOutput, wanted: str) -> None:
    assert message(lambda: bake(model(shape, kind), {}, {name: spec}, {"h": "g_out"}), OptionError) == wanted


def test_a_project_says_it_too(tmp_path: Path) -> None:
    file = tmp_path / "edgec.toml"
    file.write_text(
        '[model]\npath = "m.onnx"\n[model.inputs.image]\nlayout = "nhwc"\nscale = "1/128"\nmean = 0.5\n'
        "[model.outputs.logits]\nsoftmax = true\ntopk = 5\n"
    )
    said = Project.load(file).model
    assert said is not None
    assert said.inputs == {"image": BakedInput(scale=1 / 128, mean=(0.5,))}
    assert said.outputs == {"logits": BakedOutput(softmax=True, topk=5)}


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("[model.inputs.image]\nstd = -1",
         "edgec.toml: model.inputs.image.std: -1 is not above 0. Change the value."),
        ("[model.inputs.image]\nlayuot = 'nhwc'",
         "edgec.toml: model.inputs.image.layuot: unknown key, did you mean 'layout'? "
         "Keys here: dtype, layout, channels, model_channels, scale, mean, std, frame."),
        ("[model.inputs.image]\nscale = '1/x'",
         "edgec.toml: model.inputs.image.scale: '1/x' is no number. Write it like scale = \"1/255\""),
        ("[model.outputs]\nlogits = 3",
         "edgec.toml: model.outputs.logits: is not a table. Write it under [model.outputs.logits]."),
    ],
)  # fmt: skip
def test_mistakes_in_a_project(lines: str, wanted: str, tmp_path: Path) -> None:
    file = tmp_path / "edgec.toml"
    file.write_text(f'[model]\npath = "m.onnx"\n{lines}\n')
    assert message(lambda: Project.load(file), ContractError) == wanted


def test_samples_that_hold_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(tmp_path / "calib.npz", image=images())

    def compiled() -> None:
        edgec.compile(
            tmp_path / "model.onnx",
            calibration=tmp_path / "calib.npz",
            inputs={"image": "uint8,nhwc,mean=0.5,std=0.5"},
            output=tmp_path / "out",
        )

    assert message(compiled, SamplesError) == (
        "calib.npz[0], input 'image': is in the form the model took before its preprocessing was baked in, and no "
        "bytes make these values. Give it as uint8 nhwc, or check mean and std: only bytes that were normalized by "
        "them, and not resized after, can be told."
    )


def test_a_set_of_neither_form_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(classifier().SerializeToString())
    save_npz(tmp_path / "calib.npz", image=np.zeros((2, 9, 9, 3), np.uint8))

    def compiled() -> None:
        edgec.compile(
            tmp_path / "model.onnx",
            calibration=tmp_path / "calib.npz",
            inputs={"image": "uint8,nhwc"},
            output=tmp_path / "out",
        )

    assert message(compiled, SamplesError) == (
        "calib.npz[0], input 'image': has shape [1, 9, 9, 3] where [N, 8, 8, 3] is needed. "
        "Save the samples in the model's shape, or change that with --shape."
    )
