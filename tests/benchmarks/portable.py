"""What acceptance asks of one place, and its row in the table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from line import Line, status
from process import Record
from table import markdown

__all__ = ["CONVOLUTIONAL", "judge", "places_table", "provider_share"]

CONVOLUTIONAL = frozenset(("mobilenetv2_100", "resnet56_cifar10", "kws_dscnn"))
XNNPACK, QNN = "XnnpackExecutionProvider", "QNNExecutionProvider"
# Most that a metric may lose, in its own unit: of top1 a point, of Spearman's rank correlation 0.01.
LOSS = 0.01
_SHOWN = 240


def judge(record: Record) -> list[Line]:
    """The lines of one place."""
    where = f"{record['target']} {record['scheme']} on {record['place'] or 'no place'}"
    model = record["model"]
    if "absent" in record:
        return [Line(model=model, name="proved", status="unknown", text=f"{where}: {record['absent']}")]
    if "error" in record:
        return [Line(model=model, name="proved", status="red", text=f"{where}: {record['error'][:_SHOWN]}")]
    word = record["verdict"]["word"]
    lines = [Line(model=model, name="proved", status=status(word == "proved"), text=f"{where}: {word}")]
    lines.append(_metric(model, where, record["proof"]["evaluation"]["metric"]))
    placement = record["proof"]["placement"]
    if "xnnpack" in record["place"] and model in CONVOLUTIONAL:
        share = provider_share(placement, XNNPACK, integer=True)
        text = f"{where}: {share:.1%} of the MACs on XNNPACK's integer kernels"
        lines.append(Line(model=model, name="on-xnnpack", status=status(share >= 0.9), text=text))
    if record["place"].startswith("qnn-"):
        lines += _htp(model, where, record)
    return lines


def _metric(model: str, where: str, metric: Record) -> Line:
    """Green within the limit, red where the interval of what was lost is beyond it, else too few samples to tell."""
    lost = metric["drop"]
    low = metric["drop_interval"][0] if metric["drop_interval"] else lost
    word = "green" if lost <= LOSS + 1e-9 else "red" if low > LOSS else "amber"  # 0.915 - 0.905 is above 0.01
    text = f"{where}: {metric['name']} {metric['float_value']:.4f} → {metric['value']:.4f}, n = {metric['n']}"
    return Line(model=model, name="metric", status=word, text=text)


def _htp(model: str, where: str, record: Record) -> list[Line]:
    proof = record["proof"]
    placement = proof["placement"]
    share = provider_share(placement, QNN)
    lines = [Line(model=model, name="on-qnn", status=status(share >= 0.95), text=f"{where}: {share:.1%} of the MACs")]
    if model in CONVOLUTIONAL:
        integer = placement["integer_mac_share"]
        text = f"{where}: {integer:.1%} of the MACs in integers, by the backend's own graph"
        lines.append(Line(model=model, name="integers", status=status(integer >= 0.9), text=text))
        parts = partitions(placement, QNN)
        text = f"{where}: {parts} on the HTP"
        lines.append(Line(model=model, name="one-partition", status=status(parts == 1), text=text))
    context = proof["context"]
    equal = context is not None and context["exact"]
    text = f"{where}: {'none' if context is None else 'in a new process, ' + ('equal' if equal else 'not equal')}"
    lines.append(Line(model=model, name="context", status=status(equal), text=text))
    return lines


def provider_share(placement: Record, provider: str, *, integer: bool = False) -> float:
    """Share of the MACs that a provider computes; in integers alone, where asked."""
    there = [each for each in placement["kernels"] if each["provider"] == provider and (each["integer"] or not integer)]
    return float(sum(each["macs"] or 0 for each in there) / placement["macs"]) if placement["macs"] else 0.0


def partitions(placement: Record, provider: str) -> int:
    """Runs of kernels on a provider."""
    return sum(name == provider for name, _ in groupby(each["provider"] for each in placement["kernels"]))


def places_table(records: Sequence[Record]) -> str:
    """Metric, distance from this machine in steps, MACs on the provider and in integers, evidence: a row per place."""
    head = "model|target|scheme|place|ONNX Runtime|metric|float|place's|n|max steps|equal|on provider|partitions"
    rows = [_row(record) for record in records if "proof" in record]
    return markdown([*head.split("|"), "integer MACs", "evidence"], rows)


def _row(record: Record) -> list[str]:
    proof = record["proof"]
    metric, placement = proof["evaluation"]["metric"], proof["placement"]
    apart = proof["apart"] or {}
    steps = [each["max_steps"] for each in apart.values() if each["max_steps"] is not None]
    share, wanted = placement["integer_mac_share"], placement["wanted"]
    return [
        record["model"],
        record["target"],
        record["scheme"],
        record["place"],
        proof["versions"]["onnxruntime"],
        metric["name"],
        f"{metric['float_value']:.4f}",
        f"{metric['value']:.4f}",
        str(metric["n"]),
        f"{max(steps):.2f}" if steps else "",
        f"{min((each['equal_share'] for each in apart.values()), default=1.0):.2%}",
        f"{provider_share(placement, wanted):.1%} {wanted.removesuffix('ExecutionProvider')}",
        str(partitions(placement, wanted)),
        "unknown" if share is None else f"{share:.1%}",
        placement["evidence"],
    ]
