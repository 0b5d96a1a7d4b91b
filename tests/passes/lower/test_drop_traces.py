from __future__ import annotations

from support.graphs import model
from support.rewrites import leaves_alone, rewrites

from edgec.passes.lower.drop_traces import DropTraces


def test_exporters_traces_go_the_user_s_metadata_stays() -> None:
    source = model(
        """g (float[N,4] x, bool c) => (float[N,4] y) {
            a = Relu(x)
            y = If(c) <
                then_branch = t () => (float[N,4] u) { u = Neg(a) },
                else_branch = e () => (float[N,4] v) { v = Abs(a) }
            >
        }"""
    )
    relu, branch = source.graph[0], next(iter(source.graph[1].attributes["then_branch"].as_graph()))
    relu.metadata_props.update({"pkg.torch.onnx.stack_trace": "line 1", "namespace": "m", "mine": "kept"})
    relu.doc_string = "made by an exporter"
    relu.outputs[0].metadata_props["pkg.onnxscript.rewriter"] = "rule"
    branch.metadata_props["pkg.torch.onnx.fx_node"] = "%neg"
    source.metadata_props["namespace"] = "the model's own"
    rewrites(DropTraces(), source, "a = Relu(x)\ny = If<else_branch={v = Abs}, then_branch={u = Neg}>(c)", tolerance=0)
    assert dict(relu.metadata_props) == {"mine": "kept"}
    assert relu.doc_string is None
    assert not relu.outputs[0].metadata_props
    assert not branch.metadata_props
    assert dict(source.metadata_props) == {"namespace": "the model's own"}


def test_a_clean_model_is_left_alone() -> None:
    leaves_alone(DropTraces(), model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }"))
