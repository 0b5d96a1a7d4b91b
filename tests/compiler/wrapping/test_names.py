"""Identifiers: readable, unlike, none that a language keeps for itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.compiler.wrapping.names import camel, identifiers, pascal, snake


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("input_ids", ("input_ids", "inputIds", "InputIds")),
        ("inputIDs_2", ("input_ids_2", "inputIds2", "InputIds2")),
        ("HTTPServer", ("http_server", "httpServer", "HttpServer")),
        ("x", ("x", "x", "X")),
        ("mobilenetv2", ("mobilenetv2", "mobilenetv2", "Mobilenetv2")),
        ("Conv2d_BN1", ("conv2d_bn1", "conv2dBn1", "Conv2dBn1")),
        ("silero_vad_16k", ("silero_vad_16k", "sileroVad16k", "SileroVad16k")),
        ("OCRv4", ("ocr_v4", "ocrV4", "OcrV4")),
        ("PPOCRv4_det", ("ppocr_v4_det", "ppocrV4Det", "PpocrV4Det")),
        ("YOLOv8n-seg", ("yolo_v8n_seg", "yoloV8nSeg", "YoloV8nSeg")),
        ("RGBtoYUV", ("rgb_to_yuv", "rgbToYuv", "RgbToYuv")),
        ("HTTPStore", ("http_store", "httpStore", "HttpStore")),
        ("Conv2DTranspose", ("conv2d_transpose", "conv2dTranspose", "Conv2dTranspose")),
        ("BN1D_3D", ("bn1d_3d", "bn1d3d", "Bn1d3d")),
        ("x2Data", ("x2_data", "x2Data", "X2Data")),
        ("MobileNetV2", ("mobile_net_v2", "mobileNetV2", "MobileNetV2")),
        ("past.0/key:0", ("past_0_key_0", "past0Key0", "Past0Key0")),
        ("übergröße", ("bergr_e", "bergrE", "BergrE")),
        ("入力", ("value", "value", "Value")),
    ],
)
def test_styles(name: str, wanted: tuple[str, str, str]) -> None:
    assert (snake(name), camel(name), pascal(name)) == wanted


def test_what_collides_is_numbered_and_what_is_kept_is_marked() -> None:
    assert identifiers(["a.b", "a_b", "a/b", "class", "0", "class_"], snake, {"class"}) == {
        "a.b": "a_b", "a_b": "a_b_2", "a/b": "a_b_3", "class": "class_", "0": "_0", "class_": "class__2",
    }  # fmt: skip


@given(st.lists(st.text(max_size=8), unique=True), st.sampled_from([snake, camel, pascal]))
def test_every_name_has_its_own(names: list[str], style: object) -> None:
    found = identifiers(names, style, {"class", "value", "a"})  # type: ignore[arg-type]
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert all(
        each.isidentifier() and each.isascii() and each not in {"class", "value", "a"} for each in found.values()
    )
