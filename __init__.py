"""edgec: an edge deployment compiler to ONNX.

    import edgec

    bundle = edgec.compile("model.onnx", target="host", calibration="calib.npz", output="out/")
    bundle.prove(evaluation="eval.npz")
    bundle.run({"input": x})

Names are loaded when first used, so that `import edgec` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "Bundle",
    "Contract",
    "Metric",
    "Verdict",
    "__version__",
    "compare",
    "compile",
    "diagnose",
    "distill",
    "errors",
    "plan",
    "prove",
    "qat",
    "qlora",
    "search",
    "targets",
]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import errors, targets
    from .bundle import Bundle
    from .compiler import qat, qlora
    from .compiler.compare import compare
    from .compiler.compile import compile
    from .compiler.contract import Contract, Verdict
    from .compiler.diagnose import diagnose
    from .compiler.distill import distill
    from .compiler.explore import search
    from .compiler.metrics import Metric
    from .compiler.plan import plan
    from .compiler.prove import prove
    from .compiler.run import open_bundle as open_bundle
    from .compiler.run import run_bundle as run_bundle

_MODULES = {"errors": ".errors", "qat": ".compiler.qat", "qlora": ".compiler.qlora", "targets": ".targets"}
_HOMES = {
    "Bundle": ".bundle",
    "Contract": ".compiler.contract",
    "Metric": ".compiler.metrics",
    "Verdict": ".compiler.contract",
    "compare": ".compiler.compare",
    "compile": ".compiler.compile",
    "diagnose": ".compiler.diagnose",
    "distill": ".compiler.distill",
    "plan": ".compiler.plan",
    "prove": ".compiler.prove",
    "open_bundle": ".compiler.run",
    "run_bundle": ".compiler.run",
    "search": ".compiler.explore",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(_MODULES[name], __name__)
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
