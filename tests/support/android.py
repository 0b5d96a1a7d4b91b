"""A stand-in for the Android sample's build file: no Android plugin for Gradle is to be had here."""

from __future__ import annotations

from pathlib import Path

__all__ = ["stand_in"]

_BUILD = """
apply plugin: 'edgec'
edgec.model('digits') {{
    projectFile = file('../edgec.toml')
    target = 'android-cpu'
{edgec}}}
"""


def stand_in(sample: Path, edgec: Path | None = None) -> None:
    """Make of a copy of the sample one whose app is its model alone, in the language of every Gradle.

    Args:
        sample: The folder; its own build files go.
        edgec: The edgec that compiles; None takes the one on the path.
    """
    for script in [*sample.glob("*.gradle.kts"), *sample.glob("app/*.gradle.kts")]:
        script.unlink()
    (sample / "settings.gradle").write_text("include ':app'\n", encoding="utf-8")
    line = "" if edgec is None else f"    edgec = '{edgec.as_posix()}'\n"
    (sample / "app" / "build.gradle").write_text(_BUILD.format(edgec=line), encoding="utf-8")
