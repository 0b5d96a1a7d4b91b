"""Job: what `edgec plan` predicts for one model."""

from __future__ import annotations

from process import Record, job_main


def predict(model: str, calibration: str) -> Record:
    """Predicted peaks in bytes: of the compile, and of the bundle on the device."""
    import edgec

    planned = edgec.plan(model, target="host", calibration=calibration, prove=False)  # as `ours.py` compiles
    scheme = next(estimate for estimate in planned.schemes if estimate.scheme == planned.scheme)
    return {
        "scheme": planned.scheme,
        "compile_peak_bytes": planned.compile_peak_bytes,
        "load_bytes": scheme.load_bytes,
        "peak_bytes": scheme.peak_bytes,
        "file_bytes": scheme.file_bytes,
    }


if __name__ == "__main__":
    job_main(predict)
