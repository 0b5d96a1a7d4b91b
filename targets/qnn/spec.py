"""Facts of the QNN targets: Snapdragon processors with a Hexagon Tensor Processor."""

from __future__ import annotations

from ..spec import Fact, Limits, TargetSpec
from .rules import htp_rules

__all__ = ["SNAPDRAGON_8_ELITE", "SNAPDRAGON_8_GEN_3", "SNAPDRAGON_888", "SNAPDRAGON_X_ELITE"]

_SIMULATOR = "onnxruntime-qnn 2.7.0 (QAIRT 2.51.0) beside ONNX Runtime 1.31.1, HTP simulator of x86-64"
_DATE = "2026-11-20"

_FACTS = (
    Fact(
        statement="operator sets 17 to 26 load; 21 is asked for: Gelu came with 20, Q/DQ of 16 and 4 bits with 21",
        source=f"{_SIMULATOR}; ONNX operator changelog",
        date=_DATE,
    ),
    Fact(
        statement="static shapes only: a dynamic dimension sends the whole graph to the CPU, without a word",
        source=_SIMULATOR,
        date=_DATE,
    ),
    Fact(
        statement="integer where every floating operand and the result carry Q/DQ; else Dequantize, fp16, Quantize on "
        "the HTP, which only the backend's own graph shows",
        source=f"{_SIMULATOR}, dump_json_qnn_graph, 354 single operators",
        date=_DATE,
    ),
    Fact(
        statement="weights stored in few bits behind float activations are expanded on the CPU at every inference, and "
        "MatMulNBits is for the GPU backend",
        source=f"{_SIMULATOR}; onnxruntime-qnn, matmulnbits_op_builder.cc",
        date=_DATE,
    ),
    Fact(
        statement="low-power block quantization, int4 with block scales that are 1 to 16 times one scale per column: a "
        "MatMul multiplies so in integers, 84 dB from numpy with 16-bit activations, in 150 shapes with blocks of "
        "multiples of 32; of 8, 24 and 48 rows, or 16 where the rows are no multiple of 32, more than 32 columns are "
        "computed wrong (-2 to -12 dB), without a word; a Gemm and a MatMul of one column go to the CPU; Conv has no "
        "such form",
        source=f"{_SIMULATOR}, soc 30, 57, 60 and 69; microsoft/onnxruntime, qnn_node_group/lpbqmatmul_fusion.cc",
        date="2026-11-21",
    ),
    Fact(
        statement="scales along the columns of a MatMul are right on the simulator (+8 dB); the vendor's own quantizer "
        "gives it one scale, so a device of an older QAIRT has not been seen to take them",
        source=_SIMULATOR,
        date=_DATE,
    ),
    Fact(
        statement="it rounds every layer otherwise than ONNX Runtime's CPU kernels: MobileNetV2, 8 bits, 22.8 dB "
        "between them where each is 22.5 dB from float; so are the margins of golden outputs",
        source=f"{_SIMULATOR}, 60 photographs",
        date="2026-11-21",
    ),
    Fact(
        statement="a convolution left in floats, of strides (2, 2), more than 8 high or wide, over at most 4 channels "
        "that enter its graph in channels-last order, is computed wrong (0 dB), or no session opens; not behind an "
        "operator on the HTP, so ClipBeforeStrides puts one there",
        source=f"{_SIMULATOR}, float convolutions of 60 forms",
        date="2026-11-21",
    ),
    Fact(
        statement="simulated runs show accuracy and placement, no latency",
        source=_SIMULATOR,
        date=_DATE,
    ),
)


def _snapdragon(
    name: str, chip: str, *facts: Fact, arch: int, soc: int, proof: tuple[str, ...], memory_bytes: int | None = None
) -> TargetSpec:
    """A Snapdragon; they differ in the version of their HTP.

    Args:
        name: What the user types.
        chip: Qualcomm's name and number.
        *facts: What is true of it alone.
        arch: Version of the HTP.
        soc: Qualcomm's number for `soc_model`.
        proof: The runtimes that can prove a bundle for it.
        memory_bytes: What it holds at least.
    """
    return TargetSpec(
        name=name,
        family="qnn",
        description=f"{chip} on ONNX Runtime's QNN provider, HTP v{arch}",
        runtime="onnxruntime-qnn",
        isa=f"hexagon+v{arch}",
        providers=("QNNExecutionProvider", "CPUExecutionProvider"),
        provider_options={"backend_type": "htp", "soc_model": str(soc), "htp_arch": str(arch)},
        opset=21,
        max_opset=26,
        max_ir_version=13,
        static_shapes=True,
        weights_alone=False,
        wide_share=0.1,
        golden_margin_db=-3.0,
        rules=htp_rules(),
        proof=proof,
        limits=Limits(memory_bytes=memory_bytes),
        facts=(
            Fact(
                statement=f"provider options of the device: backend_type htp, soc_model {soc}, htp_arch {arch}",
                source="QnnTypes.h; pytorch/executorch, backends/qualcomm/serialization/qc_schema.py",
                date=_DATE,
            ),
            *_FACTS,
            *facts,
        ),
    )


SNAPDRAGON_8_GEN_3 = _snapdragon(
    "snapdragon-8-gen-3", "Snapdragon 8 Gen 3 (SM8650)", arch=75, soc=57, proof=("qnn-htp",)
)
SNAPDRAGON_8_ELITE = _snapdragon(
    "snapdragon-8-elite", "Snapdragon 8 Elite (SM8750)", arch=79, soc=69, proof=("qnn-htp-v79",)
)
SNAPDRAGON_X_ELITE = _snapdragon(
    "snapdragon-x-elite", "Snapdragon X Elite (SC8380XP)", arch=73, soc=60, proof=("qnn-htp-v73",)
)
SNAPDRAGON_888 = _snapdragon(
    "snapdragon-888",
    "Snapdragon 888 (SM8350)",
    Fact(
        statement="the HTP of v68 has no floats: what is not in integers runs on the CPU, and the simulator, which "
        "computes it in fp32 without a word, proves nothing",
        source=f"{_SIMULATOR}, soc 30",
        date=_DATE,
    ),
    arch=68,
    soc=30,
    proof=(),
)
