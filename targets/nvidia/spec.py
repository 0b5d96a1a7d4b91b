"""Facts of the NVIDIA targets: GPUs on the CUDA provider, Jetson Orin on TensorRT."""

from __future__ import annotations

from ..spec import Fact, Limits, TargetSpec
from .cuda_support import CUDA_PROVIDER
from .rules import tensorrt_rules
from .tensorrt_support import TENSORRT_PROVIDER

__all__ = ["JETSON_ORIN", "NVIDIA_CUDA"]

_CPU = "CPUExecutionProvider"
_WHEEL = "onnxruntime-gpu 1.31.1 (CUDA 13.0), no GPU"
_DOCS = "NVIDIA, TensorRT 10 documentation, Working with Quantized Types and Explicit Quantization"
_TABLE = "onnx-tensorrt, docs/operators.md of TensorRT 10.15"
_DATE = "2026-11-21"

_UNSEEN = Fact(
    statement="nothing was executed: no GPU was at hand; outputs, times and TensorRT's choices are not known",
    source="docs and sources alone",
    date=_DATE,
)

NVIDIA_CUDA = TargetSpec(
    name="nvidia-cuda",
    family="nvidia",
    description="NVIDIA GPUs on ONNX Runtime's CUDA provider (onnxruntime-gpu), in fp16",
    runtime="onnxruntime-gpu",
    isa="cuda",
    providers=(CUDA_PROVIDER, _CPU),
    native="fp16",
    opset=17,
    max_opset=26,
    max_ir_version=13,
    weights_alone=False,
    golden_margin_db=-3.0,
    rules=(),
    proof=("cuda",),
    support=("cuda",),
    facts=(
        Fact(
            statement="the CUDA provider has no QLinearConv: Q/DQ around a float kernel cost time and win nothing; "
            "MatMulInteger, QAttention and QOrderedMatMul are its only products of integers",
            source=f"{_WHEEL}, the 1565 kernels it registers",
            date=_DATE,
        ),
        Fact(
            statement="Conv, Gemm, MatMul, LSTM, GRU and normalizations have float16 kernels",
            source=f"{_WHEEL}, the kernels it registers",
            date=_DATE,
        ),
        Fact(
            statement="a node runs there when a kernel of exactly its operator's version takes its types; its own "
            "partitioner and these rules agree on all 2859 nodes of 18 models in fp16, and on 224 single ones",
            source=f"{_WHEEL}, its partitioner over stubs of CUDA's libraries",
            date=_DATE,
        ),
        Fact(
            statement="without a driver or CUDA's libraries a session opens on the CPU provider with a line in the "
            "log: what opened is compared with what was asked for",
            source=f"{_WHEEL}, opening sessions",
            date=_DATE,
        ),
        _UNSEEN,
    ),
)

JETSON_ORIN = TargetSpec(
    name="jetson-orin",
    family="nvidia",
    description="Jetson Orin (Orin Nano, Orin NX, AGX Orin) on ONNX Runtime's TensorRT provider",
    runtime="onnxruntime-gpu",
    isa="cuda+sm87",
    providers=(TENSORRT_PROVIDER, CUDA_PROVIDER, _CPU),
    provider_options={
        "trt_int8_enable": "True",
        "trt_fp16_enable": "True",
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": "trt_engines",
        "trt_timing_cache_enable": "True",
    },
    opset=17,
    max_opset=20,
    max_ir_version=10,
    weights_alone=False,
    golden_margin_db=-3.0,
    rules=tensorrt_rules(),
    proof=("tensorrt",),
    support=("tensorrt", "cuda"),
    limits=Limits(memory_bytes=4_000_000_000),
    facts=(
        Fact(
            statement="JetPack 6.1 and 6.2 have TensorRT 10.3, JetPack 7.2 has 10.16: operator sets 9 to 20 are read "
            "by both, to 24 by the newer",
            source="JetPack release notes; onnx-tensorrt, docs/operators.md of TensorRT 10.0 and 10.15",
            date=_DATE,
        ),
        Fact(
            statement="IR version 10 is the newest that ONNX Runtime 1.18 to 1.21 reads, those of JetPack 6",
            source="ONNX Runtime, docs/Versioning.md",
            date=_DATE,
        ),
        Fact(
            statement="Q/DQ make quantization explicit; symmetric alone: INT8 with zero point 0, one scale per "
            "activation, per output channel for weights; INT32 has no DequantizeLinear, so biases stay float",
            source=f"{_DOCS}; {_TABLE}",
            date=_DATE,
        ),
        Fact(
            statement="INT4 is for weights alone, FP8 (E4M3) from Ada on, FP4 from Blackwell on: Orin (Ampere, sm87) "
            "has INT8 and fp16",
            source=_DOCS,
            date=_DATE,
        ),
        Fact(
            statement="the residual of a sum is quantized, the convolution's own result before it is not: Q/DQ there "
            "force two kernels",
            source=f"{_DOCS}, recommendations for placing Q/DQ",
            date=_DATE,
        ),
        Fact(
            statement="trt_int8_enable and trt_fp16_enable let the builder take INT8 for Q/DQ and fp16 for the rest; "
            "building engines takes minutes, so they are cached; an input of another shape builds another one",
            source="onnxruntime/core/providers/tensorrt, provider options; ONNX Runtime documentation, TensorRT "
            "Execution Provider",
            date=_DATE,
        ),
        Fact(
            statement="Orin Nano 4 GB is the smallest of them; GPU and CPU share that memory",
            source="NVIDIA, Jetson Orin modules, technical specifications",
            date=_DATE,
        ),
        _UNSEEN,
    ),
)
