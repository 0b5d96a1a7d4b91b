"""Follow channels through a graph: what is left out with each of them, and which cannot be.

A Conv, ConvTranspose, Gemm or MatMul with a constant weight of its own writes new labels and reads old ones; a
depthwise Conv hands on those it reads, and groups of a Conv lose the same channels each. What is in between hands
labels on (see `carry`). Whatever is not understood holds the labels it reads.

Scope: the main graph. What a graph output or the body of an If, Loop or Scan reads is held.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..edit import subgraph_nodes
from ..rewrite.linear import Linear, linear_of
from .carry import carry
from .edits import Grouped, Sliced
from .followed import Followed, Layer
from .tracks import Track

__all__ = ["follow"]


def follow(model: ir.Model) -> Followed:
    """Label the channels of the main graph."""
    found = Followed()
    captured = {value for node in subgraph_nodes(model) for value in node.inputs if value is not None}
    for node in model.graph:
        layer = linear_of(node)
        if isinstance(layer, Linear):
            _product(found, node, layer)
            continue
        if all(found.track_of(value) is None for value in node.inputs):
            continue
        tracks = layer if isinstance(layer, str) else carry(node, found)
        if isinstance(tracks, str):
            found.hold(node, tracks)
            continue
        for value, track in zip(node.outputs, tracks, strict=False):
            if track is not None:
                found.tracks[value] = track
    for value, track in found.tracks.items():
        if value.is_graph_output():
            found.labels.hold(track.labels, f"{value.name!r} is an output of the graph")
        elif value in captured:
            found.labels.hold(track.labels, f"a body of If, Loop or Scan reads {value.name!r}")
    return found


def _product(found: Followed, node: ir.Node, layer: Linear) -> None:
    x = node.inputs[0]
    assert x is not None
    track, rank = found.track_of(x), None if x.shape is None else len(x.shape)
    channels, count = layer.groups * layer.inputs, layer.groups * layer.outputs
    if track is not None and (rank is None or track.axis != layer.channel_axis % rank or track.labels.size != channels):
        if node.op_type == "MatMul" and rank is not None and track.axis < rank - 1:
            # Columns of the constant are the same for every head: it hands them on, and writes none.
            found.tracks[node.outputs[0]] = track
            zeros = np.zeros(max(count, layer.inputs), np.int64)
            found.layers.append(Layer(linear=layer, rows=zeros[:count], columns=zeros[: layer.inputs]))
            return
        found.hold(node, "reads them along another axis")
        track = None
    labels = np.zeros(channels, np.int64) if track is None else track.labels
    outward, inward = _axes(node)
    depthwise = node.op_type == "Conv" and layer.groups > 1 and layer.inputs == 1
    if depthwise:
        rows, columns = np.repeat(labels, layer.outputs), np.zeros(1, np.int64)
        found.edits.append(Grouped(node=node, labels=labels))
    elif layer.groups > 1 and node.op_type == "ConvTranspose":
        found.hold(node, "reads them in groups")
        rows, columns = np.zeros(count, np.int64), np.zeros(layer.inputs, np.int64)
    else:
        by_group = labels.reshape(layer.groups, layer.inputs)
        for others in by_group[1:]:
            found.labels.join(by_group[0], others, f"{node.op_type} {node.name!r} reads them beside others that stay")
        columns, rows = by_group[0], np.tile(found.labels.fresh(layer.outputs), layer.groups)
        found.edits.append(Sliced(node=node, index=1, axis=inward, labels=columns))
    found.edits.append(Sliced(node=node, index=1, axis=outward, labels=rows))
    bias = layer.bias
    if bias is not None and bias.ndim and bias.shape[-1] > 1:
        found.edits.append(Sliced(node=node, index=2, axis=bias.ndim - 1, labels=rows))
    found.layers.append(Layer(linear=layer, rows=rows, columns=columns, depthwise=depthwise))
    if rank is None and layer.channel_axis == -1:
        found.labels.hold(rows, f"{node.op_type} {node.name!r} writes a value of unknown rank")
        return
    axis = 1 if rank is None else layer.channel_axis % rank
    found.tracks[node.outputs[0]] = Track(axis=axis, labels=rows)


def _axes(node: ir.Node) -> tuple[int, int]:
    """Axes of a weight along which lie what it writes, and what it reads."""
    turned = node.op_type == "Gemm" and node.attributes.get_int("transB", 0) == 1
    return (0, 1) if node.op_type == "Conv" or turned else (1, 0)
