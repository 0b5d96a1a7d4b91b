"""Node for the tests of the JavaScript runner: with a library of ours in the place of onnxruntime-web."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from edgec.runtimes.host.launch import Launch
from edgec.runtimes.host.runtime import HostRuntime
from edgec.runtimes.web import RUNNER

__all__ = ["NEEDS_NODE", "library", "node_place"]

_NODE = shutil.which("node")


def _why_not() -> str:
    if _NODE is None:
        return "there is no node on PATH"
    version = subprocess.run([_NODE, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return "" if int(version.lstrip("v").partition(".")[0] or 0) >= 20 else f"node is {version}, older than 20"


_REASON = _why_not()
NEEDS_NODE = pytest.mark.skipif(bool(_REASON), reason=_REASON or "node is here")

# What sessions.mjs asks of onnxruntime-web: one input x, one output y = x; `create` and `run` can be replaced.
_LIBRARY = """
import fs from "node:fs";
{load}
export const env = {{ versions: {{ web: "1.30.0" }}, wasm: {{}} }};
export class Tensor {{
  constructor(type, data, dims) {{ Object.assign(this, {{ type, data, dims }}); }}
}}
const described = (name) => [{{ name, isTensor: true, type: "float32", shape: ["N"] }}];
class Session {{
  inputMetadata = described("x");
  outputMetadata = described("y");
  outputNames = ["y"];
  constructor(options) {{ this.options = options; }}
  async run(feeds) {{
    {run}
    return {{ y: feeds.x }};
  }}
  endProfiling() {{
    {profile}
  }}
  async release() {{}}
}}
export const InferenceSession = {{
  async create(model, options) {{
    if (model.length === 0) {{
      {start}
      throw new Error("Can't create a session. ERROR_CODE: 2, ERROR_MESSAGE: No graph was found in the protobuf.");
    }}
    {create}
    return new Session(options);
  }},
}};
"""


def library(folder: Path, **code: str) -> Path:
    """A folder with a package onnxruntime-web that answers every run with its feed.

    Args:
        folder: Where.
        **code: JavaScript to execute before: `load` when it is imported, `start` when the library is compiled,
            `create` for each session, `run`, `profile` at the end of one.
    """
    module = folder / "node_modules" / "onnxruntime-web" / "dist" / "ort.node.min.mjs"
    module.parent.mkdir(parents=True)
    pieces = {name: code.get(name, "") for name in ("load", "start", "create", "run", "profile")}
    module.write_text(_LIBRARY.format(**pieces), encoding="utf-8")
    return folder


def node_place(folder: Path) -> HostRuntime:
    """The runner under Node, with the library of a folder."""
    assert _NODE is not None
    launch = Launch(command=(_NODE,), site=(folder,), runner=RUNNER, shares_files=False)
    return HostRuntime(name="place", launch=lambda: launch, missing=lambda: None)
