"""Adapters of ONNX Runtime: written as `.onnx_adapter` files, made active for a run without opening the model again.

Of two active adapters that bring the same input the first counts (ONNX Runtime 1.31.1); edgec makes one active.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import BundleError, HostError
from .base import Session
from .ort import OrtSession
from .ort_session import ort_message

__all__ = ["adapted", "takes_adapter", "write_adapter"]


def write_adapter(file: Path, parameters: Mapping[str, np.ndarray]) -> None:
    """Write parameters by input name; the same ones give the same bytes."""
    import onnxruntime

    made = onnxruntime.AdapterFormat()
    made.set_adapter_version(1)
    made.set_model_version(1)
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(parameters[name]))
              for name in sorted(parameters)}  # fmt: skip
    made.set_parameters(values)
    made.export_adapter(str(file))


def adapted(session: Session, file: Path) -> Session:
    """The same session with an adapter active in every run: it shares weights and kernels with the one given.

    Args:
        session: Of this process.
        file: The adapter.

    Raises:
        HostError: The session is another process's.
        BundleError: The file cannot be read as an adapter.
    """
    import onnxruntime

    if not isinstance(session, OrtSession):
        raise HostError(str(file), "is made active in this process only", remedy="Run it with --on onnxruntime-cpu")
    adapter, options = onnxruntime.LoraAdapter(), onnxruntime.RunOptions()
    try:
        adapter.Load(str(file))
        options.add_active_adapter(adapter)
    except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
        raise BundleError(
            str(file), f"is no adapter: {ort_message(error)}", remedy="Compile the bundle again"
        ) from error
    return session.with_options(options, adapter)


def takes_adapter(session: Session, file: Path) -> bool:
    """Whether the model of a session has the inputs that an adapter brings."""
    import onnxruntime

    names = onnxruntime.AdapterFormat.read_adapter(str(file)).get_parameters()
    return isinstance(session, OrtSession) and session.overridable >= set(names)
