"""A folder with TypeScript and ONNX Runtime for JavaScript in it, of npm's registry."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["compiled", "npm_folder", "ran"]

PACKAGES = ("typescript@5", "@types/node@20", "onnxruntime-web@1.30.0")
_STRICT = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "noUnusedLocals": True,
    "exactOptionalPropertyTypes": True,
    "target": "es2022",
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "skipLibCheck": True,
    "outDir": "js",
}


def npm_folder(folder: Path) -> Path:
    """Install what the tests compile and run with; skips where it cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no npm here")
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    made = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", *PACKAGES],
        cwd=folder, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"npm installs nothing here: {made.stderr.splitlines()[-1:]}")
    return folder


def compiled(npm: Path, folder: Path) -> None:
    """Compile the .ts files of a folder below; every warning is an error."""
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": _STRICT, "include": ["*.ts"]}))
    made = subprocess.run(
        [str(npm / "node_modules" / ".bin" / "tsc"), "-p", str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout


def ran(folder: Path, *words: str) -> list[str]:
    """What `main.ts` of a compiled folder says, by line."""
    run = subprocess.run(
        ["node", str(folder / "js" / "main.js"), *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()
