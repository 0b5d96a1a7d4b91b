"""Something in the place of CUDA's and TensorRT's libraries: every function answers 0, which is success.

Enough for ONNX Runtime's providers to be created, to say which kernels they register, and to partition graphs: the
provider's own verdict, without a GPU. Nothing computes. Needs `cc`, `objdump` and `strings`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["TOOLS", "ask", "make_stubs"]

TOOLS = ("cc", "objdump", "strings")
_SYMBOL = re.compile(r"^\S+\s+.*\*UND\*\s+\S+\s+\(?(lib[^\s)]+)\)?\s+(\S+)$", re.MULTILINE)
# Those that answer through their arguments.
_SPECIAL = {
    "cudaGetDeviceCount": "int cudaGetDeviceCount(int *n) { *n = 1; return 0; }",
    "cudaGetDevice": "int cudaGetDevice(int *n) { *n = 0; return 0; }",
    "cudaMalloc": "int cudaMalloc(void **p, size_t n) { return posix_memalign(p, 256, n ? n : 1); }",
    "cudaFree": "int cudaFree(void *p) { free(p); return 0; }",
    "cudaHostAlloc": "int cudaHostAlloc(void **p, size_t n) { return posix_memalign(p, 256, n ? n : 1); }",
    "cudaMallocHost": "int cudaMallocHost(void **p, size_t n) { return posix_memalign(p, 256, n ? n : 1); }",
    "cudaFreeHost": "int cudaFreeHost(void *p) { free(p); return 0; }",
    "cudaMemGetInfo": "int cudaMemGetInfo(size_t *a, size_t *b) { *a = *b = 8ull << 30; return 0; }",
    "cudaMemcpy": "int cudaMemcpy(void *d, const void *s, size_t n) { memcpy(d, s, n); return 0; }",
    "cudaMemcpyAsync": "int cudaMemcpyAsync(void *d, const void *s, size_t n) { memcpy(d, s, n); return 0; }",
    "cudaGetErrorString": 'const char *cudaGetErrorString(int e) { return "stub"; }',
    "cudaGetErrorName": 'const char *cudaGetErrorName(int e) { return "stub"; }',
    "cudaStreamCreateWithFlags": "int cudaStreamCreateWithFlags(void **s) { *s = (void *)8; return 0; }",
    "cudaGetDeviceProperties": "int cudaGetDeviceProperties(void *p) { memset(p, 0, 712); return 0; }",
    "cudaDriverGetVersion": "int cudaDriverGetVersion(int *v) { *v = 13000; return 0; }",
    "cudaRuntimeGetVersion": "int cudaRuntimeGetVersion(int *v) { *v = 13000; return 0; }",
    "__cudaRegisterFatBinary": "void **__cudaRegisterFatBinary(void *p) { static void *x; return &x; }",
    # Attributes 75 and 76 are the compute capability, 8.7 as on Orin; 16 the number of multiprocessors.
    "cudaDeviceGetAttribute": "int cudaDeviceGetAttribute(int *v, int a) "
    "{ *v = a == 75 ? 8 : a == 76 ? 7 : a == 16 ? 16 : a == 10 ? 32 : a == 1 ? 1024 : 65536; return 0; }",
    "cudnnGetVersion": "long cudnnGetVersion(void) { return 92800; }",
    "cudnnCreate": "int cudnnCreate(void **p) { *p = (void *)8; return 0; }",
    "cudnnGetErrorString": 'const char *cudnnGetErrorString(int e) { return "stub"; }',
    "cudnnDropoutGetStatesSize": "int cudnnDropoutGetStatesSize(void *h, size_t *n) { *n = 256; return 0; }",
    "cudnnGetRNNWeightSpaceSize": "int cudnnGetRNNWeightSpaceSize(void *h, void *d, size_t *n) "
    "{ *n = 1 << 24; return 0; }",
    "cudnnGetRNNWeightParams": "int cudnnGetRNNWeightParams(void *h, void *d, int l, size_t z, void *w, int i, "
    "void *m, void **a, void *b, void **c) { *a = *c = w; return 0; }",
    "cudnnGetTensorNdDescriptor": "int cudnnGetTensorNdDescriptor(void *t, int n, int *ty, int *k, int *d, int *s) "
    "{ *ty = 0; *k = n < 3 ? n : 3; for (int i = 0; i < *k; i++) d[i] = s[i] = 1; return 0; }",
    "getInferLibVersion": "int getInferLibVersion(void) { return 101500; }",
}
# An object all of whose virtual functions answer 0, and whose members point to such objects.
_OBJECT = """
static long nothing(void) { return 0; }
static void *table[256], *object[64];
static void *make(void) {
    for (int i = 0; i < 256; i++) table[i] = (void *)nothing;
    object[0] = table;
    for (int i = 1; i < 64; i++) object[i] = object;
    return object;
}
"""
_MAKES = {
    "libnvinfer.so.10": (
        *("createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL", "createInferBuilder_INTERNAL"),
        "getPluginRegistry",
    ),
    "libnvonnxparser.so.10": ("createNvOnnxParser_INTERNAL", "createNvOnnxParserRefitter_INTERNAL"),
}
_GUEST = """
import json, sys
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state
def kernels(provider):
    return [[k.domain, k.op_name, list(k.version_range), {n: list(t) for n, t in k.type_constraints.items()}]
            for k in state.get_all_opkernel_def() if k.provider == provider]
def schemas():
    return [[s.domain, s.name, s.since_version, [[p.name, p.typeStr] for p in s.inputs],
             [[p.name, p.typeStr] for p in s.outputs]] for s in state.get_all_operator_schema()]
def placed(file, provider="CUDAExecutionProvider", options={}):
    made = ort.SessionOptions()
    made.log_severity_level = 4
    made.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    made.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    made.add_session_config_entry("session.disable_prepacking", "1")
    try:
        made.add_provider(provider, options)
        session = ort.InferenceSession(file, made, enable_fallback=0)
    except Exception as error:
        return str(error)
    found = [(group, node) for group in session.get_provider_graph_assignment_info() for node in group.get_nodes()]
    return {node.name or f"{node.op_type} {k}": group.ep_name for k, (group, node) in enumerate(found)}
def takes(provider, options):
    try:
        ort.SessionOptions().add_provider(provider, options)
    except Exception as error:
        return str(error)
    return ""
for line in sys.stdin:
    name, *words = json.loads(line)
    print(json.dumps(globals()[name](*words)), flush=True)
"""


def make_stubs(build: Path, into: Path) -> Path:
    """Compile the libraries that the providers of an ONNX Runtime are linked with.

    Args:
        build: Folder onnxruntime-gpu is installed in.
        into: An empty folder.
    """
    folder = build / "onnxruntime" / "capi"
    cuda, tensorrt = (folder / f"libonnxruntime_providers_{name}.so" for name in ("cuda", "tensorrt"))
    names: dict[str, set[str]] = defaultdict(set)
    for library in (cuda, tensorrt):
        for wanted, symbol in _SYMBOL.findall(_output("objdump", "-T", library)):
            names[wanted].add(symbol)
    # cuDNN's are looked up when they are needed.
    names["libcudnn.so.9"] |= set(re.findall(r"^cudnn[A-Z]\w+$", _output("strings", "-n", "8", cuda), re.MULTILINE))
    names |= {"libcuda.so.1": {"cuTensorMapEncodeTiled", "cuInit"}, "libcurand.so.10": set()}
    for wanted in (each for each in names if each.startswith("libcu")):
        lines = (_SPECIAL.get(name, f"long {name}(void) {{ return 0; }}") for name in sorted(names[wanted]))
        _compile(into, wanted, "\n".join(lines), versioned=True)
    for wanted, makes in _MAKES.items():
        lines = (f"void *{name}(void) {{ return make(); }}" for name in makes)
        more = _SPECIAL["getInferLibVersion"] if "nvinfer" in wanted else ""
        _compile(into, wanted, "\n".join((_OBJECT, *lines, more)), versioned=False)
    return into


def ask(build: Path, stubs: Path, questions: Sequence[Sequence[Any]]) -> list[Any]:
    """Ask that ONNX Runtime, in a process of its own; None from where it died on.

    Args:
        build: Folder onnxruntime-gpu is installed in.
        stubs: Of `make_stubs`.
        questions: `kernels`, `schemas`, `placed` or `takes`, and their arguments.
    """
    lines = "\n".join(json.dumps(each) for each in questions)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(stubs), "PYTHONPATH": str(build)}
    command = [sys.executable, "-c", _GUEST]
    done = subprocess.run(command, input=lines, env=environment, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [*found, *[None] * (len(questions) - len(found))]


def _compile(into: Path, name: str, text: str, *, versioned: bool) -> None:
    source, versions = into / f"{name}.c", into / f"{name}.map"
    source.write_text(f"#include <stdlib.h>\n#include <string.h>\n{text}\n")
    versions.write_text(f"{name} {{ global: *; }};\n")
    script = [f"-Wl,--version-script={versions}"] if versioned else []
    command = ["cc", "-w", "-shared", "-fPIC", "-o", str(into / name), str(source), f"-Wl,-soname,{name}", *script]
    subprocess.run(command, check=True)


def _output(*words: object) -> str:
    found = shutil.which(str(words[0]))
    assert found is not None
    return subprocess.run([found, *map(str, words[1:])], capture_output=True, text=True, check=True).stdout
