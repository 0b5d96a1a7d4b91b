"""What the calibration benchmark makes of its records."""

from __future__ import annotations

from calibration import METHODS, judge

MB = 1_000_000


def one(peak: int, **more: object) -> dict[str, object]:
    return {"peak_bytes": peak * MB, "floor_bytes": 100 * MB, "digest": "a", "seconds": 1.0, **more}


def test_memory_may_grow_by_a_tenth() -> None:
    grown = {"percentile": 220, "entropy": 221, "mse": 150}
    memory = {method: {"50": one(200), "1000": one(peak)} for method, peak in grown.items()}
    lines = list(judge({"memory": {**memory, "rival": one(3000)}}))
    assert [(line.name, line.status) for line in lines] == [
        ("samples, percentile", "green"),
        ("samples, entropy", "red"),
        ("samples, mse", "green"),
    ]
    assert lines[1].text == (
        "221 MB with 1000 samples, 200 MB with 50: 1.105x, limit 1.1x; the rival's percentile 3000 MB with 50"
    )


def test_a_limit_is_kept_and_changes_nothing() -> None:
    def limited(peak: int, digest: str = "a") -> dict[str, object]:
        return {"default": one(500), "limit_bytes": 200 * MB, "limited": one(peak, digest=digest)}

    record = {"percentile": limited(200), "entropy": limited(201), "mse": limited(150, "b"), "rival": one(900)}
    lines = list(judge({"limit": record}))
    assert [line.status for line in lines] == ["green", "red", "red"]
    assert lines[0].text == (
        "200 MB under 200 MB: 100 MB before a model, and a quarter of what the default takes more (500 MB, 8 workers); "
        "the same bundle; the rival's percentile 900 MB"
    )
    assert "ANOTHER bundle" in lines[2].text


def test_speed() -> None:
    record = {method: one(1, seconds=2.0) for method in (*METHODS, "auto")}
    record |= {"rival": one(1, seconds=10.0), "inference": one(1), "minmax": one(1, seconds=2.1)}
    lines = list(judge({"speed": record}))
    assert [line.status for line in lines] == ["green"] * 4 + ["red"]
    assert lines[0].text == "50 samples/s, the rival's percentile 10.0: 5.0x, goal 5x"
    assert lines[-1].text == "2.10 s, plain inference 1.00 s: 2.10x, limit 2x"


def test_what_failed_is_red() -> None:
    record = {"mse": one(1), "rival": {"error": "Traceback\nValueError: no"}}
    (line,) = judge({"speed": record})
    assert (line.name, line.status, line.text) == ("rival", "red", "ValueError: no")
