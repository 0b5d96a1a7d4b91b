from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.runtimes.install.component import components
from edgec.runtimes.install.record import Item, Record, folder_bytes, read_record, sha256, write_record

EMULATORS = components()["emulators"]
items = st.lists(st.builds(Item, name=st.text(), version=st.text(), file=st.text(), sha256=st.text()), max_size=4)


@given(items=items)
def test_what_is_written_is_read(items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("component")
    (folder / "file").write_bytes(b"12345")
    written = write_record(folder, EMULATORS, items)
    assert written == Record(component="emulators", bytes=5, items=tuple(items))
    assert read_record(folder) == written


@pytest.mark.parametrize(
    ("full", "version"),
    [
        ("1:10.0.13+ds-0+deb13u1", "10.0.13"),
        ("1.21.0+dfsg-1", "1.21.0"),
        ("1.31.1", "1.31.1"),
        ("3.13.5-2", "3.13.5-2"),
    ],
)
def test_a_version_is_the_upstream_one(full: str, version: str) -> None:
    record = Record(component="c", bytes=0, items=(Item(name="p", version=full, file="", sha256=""),))
    assert record.version("p") == version
    assert record.version("other") == ""


def test_sizes_and_digests_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("in")
    assert folder_bytes(tmp_path) == 100 + (tmp_path / "link").lstat().st_size
    assert sha256(tmp_path / "in" / "file") == hashlib.sha256(b"x" * 100).hexdigest()
