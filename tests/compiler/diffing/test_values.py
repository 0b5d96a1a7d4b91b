"""Changes of JSON values and of recipes, by hand and as a law."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgec.compiler.diffing.values import Change, changes, pass_changes

leaves = st.none() | st.integers(-2, 2) | st.text("ab", max_size=2)
trees = st.dictionaries(st.sampled_from("xyz"), leaves | st.dictionaries(st.sampled_from("uv"), leaves), max_size=3)


def test_leaves_that_differ_are_named() -> None:
    old = {"scheme": "a8w8", "target": {"name": "host", "isa": "x"}, "notes": ["a"], "gone": 1}
    new = {"scheme": "a8w8", "target": {"name": "host", "isa": "y"}, "notes": ["a", "b"], "more": {"k": 2}}
    assert changes(old, new) == (
        Change(name="target.isa", old="x", new="y"),
        Change(name="notes", old=["a"], new=["a", "b"]),
        Change(name="gone", old=1, new=None),
        Change(name="more", old=None, new={"k": 2}),
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(old=trees, new=trees)
def test_changes_turn_round(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert changes(old, old) == ()
    there, back = changes(old, new), changes(new, old)
    assert {(each.name, repr(each.old), repr(each.new)) for each in there} == {
        (each.name, repr(each.new), repr(each.old)) for each in back
    }


def test_passes_are_lined_up() -> None:
    old = [{"kind": "A"}, {"kind": "B", "size": 4}, {"kind": "C"}]
    new = [{"kind": "A"}, {"kind": "N"}, {"kind": "B", "size": 8, "wide": True}]
    assert pass_changes(old, new) == (
        Change(name="N", old=None, new="runs"),
        Change(name="B.size", old=4, new=8),
        Change(name="B.wide", old=None, new=True),
        Change(name="C", old="runs", new=None),
    )
    assert pass_changes(old, old) == ()
