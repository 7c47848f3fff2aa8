"""What the graph of an exported model may do: compute. Whoever writes a SavedModel writes a program.

TensorFlow has operations that read and write any file, load libraries or call Python, and it may run some of them while
it loads a model. So a graph is read as data first, and must hold no other operations than those that our own exports
are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.framework import attr_value_pb2, function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2, saved_object_graph_pb2


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Of exports by Keras 2.15 and Keras 3, and what other versions of TensorFlow write for the same layers: arithmetic on
#: tensors, control flow, and the variables of the model. None of them reads or writes anything else.
OPERATIONS = _names(
    """
    Abs AddN AddV2 All Any ArgMax Assert AssignVariableOp BatchMatMulV2 BiasAdd Bitcast BroadcastTo Cast Ceil
    ClipByValue ConcatV2 Const Conv2D Cos CudnnRNN CudnnRNNV2 CudnnRNNV3 Cumsum DecodePaddedRaw DisableCopyOnRead
    Einsum EnsureShape Equal Erf Erfc Exp ExpandDims Fill Floor FloorDiv FloorMod GatherNd GatherV2 Greater
    GreaterEqual Identity IdentityN If IsFinite Less LessEqual Log LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul
    Max Maximum Mean Min Minimum Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 ParseExampleV2 PartitionedCall
    Placeholder Pow Prod Range Rank ReadVariableOp RealDiv Relu Reshape ReverseSequence ReverseV2 Round Rsqrt
    ScatterNd Select SelectV2 Shape Sigmoid Sign Sin Size Slice Softmax Softplus Split SplitV Sqrt Square
    SquaredDifference Squeeze StatefulPartitionedCall StatelessIf StatelessWhile StaticRegexReplace StopGradient
    StridedSlice StringLength StringToNumber Sub Sum Tanh TensorListFromTensor TensorListGather TensorListGetItem
    TensorListReserve TensorListSetItem TensorListStack Tile TopKV2 Transpose Unique UniqueWithCounts Unpack
    VarHandleOp Where While ZerosLike
    """
)

#: How TensorFlow restores a model's own variables, and would save them again. They take any file name, so they stand
#: only in functions that no signature calls; who loads the model restores its variables without them.
SAVING = _names("MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin")

#: What our exports are made of: variables, signatures, and what signatures read.
_OBJECTS = ("bare_concrete_function", "captured_tensor", "variable")
_USER_OBJECTS = ("_generic_user_object", "signature_map", "trackable_list_wrapper")

#: What signatures, and arguments of functions, are described by.
_VALUES = frozenset(
    {f"{kind}_value" for kind in ("tensor_spec", "tuple", "list", "dict", "named_tuple", "string", "none")}
)

#: Initialisation, of which our exports have none: the operation of that name does nothing.
_COLLECTIONS = frozenset({"saved_model_main_op"})


def check_graph(path: Path) -> None:
    """Reads a SavedModel as data, and finds nothing in it but what exports are made of.

    Args:
        path: the `saved_model.pb`. Nothing of it is run.

    Raises:
        ValueError: the file is no SavedModel of TensorFlow 2, or holds other operations, objects or files to load.
    """
    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(
            f"The exported model cannot be read. Expected a SavedModel. Received: {error} ({path}). "
            "Export the run again."
        ) from error
    found = sorted(set(_foreign_parts(message)))
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise ValueError(
            f"The exported model holds what no export of mmtrans does, and is not run. Expected variables and "
            f"arithmetic. Received: {', '.join(found[:5])}{more} ({path}). A SavedModel is a program that may read and "
            "write your files: ask whoever made it, or export the run yourself."
        )


def _foreign_parts(message: saved_model_pb2.SavedModel) -> Iterator[str]:
    """Names of what our exports lack."""
    if len(message.meta_graphs) != 1 or not message.meta_graphs[0].HasField("object_graph_def"):
        yield f"graphs={len(message.meta_graphs)} without objects"
        return
    (graph,) = message.meta_graphs
    library = {function.signature.name: function for function in graph.graph_def.library.function}
    yield from (f"operation {name}" for name in _foreign_operations(graph, library))
    yield from _foreign_objects(graph.object_graph_def)
    yield from (f"file {asset.filename}" for asset in graph.asset_file_def)
    yield from (f"collection {name}" for name in set(graph.collection_def) - _COLLECTIONS)


def _foreign_operations(
    graph: meta_graph_pb2.MetaGraphDef, library: dict[str, function_pb2.FunctionDef]
) -> Iterator[str]:
    called = _reached(graph.object_graph_def.concrete_functions, library)
    nodes = [("", node) for node in graph.graph_def.node]
    nodes += [(name, node) for name, function in library.items() for node in function.node_def]
    for name, node in nodes:
        if not (node.op in OPERATIONS or (node.op in SAVING and name not in called)):
            yield node.op
        yield from (f"call of {other}" for other in _calls(node) if other not in library)


def _reached(names: Iterable[str], library: dict[str, function_pb2.FunctionDef]) -> set[str]:
    """Functions that are called by some, or by those that they call."""
    waiting, reached = [name for name in names if name in library], set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [other for node in library[name].node_def for other in _calls(node) if other in library]
    return reached


def _calls(node: node_def_pb2.NodeDef) -> Iterator[str]:
    """Names of the functions that a node is given."""
    for value in node.attr.values():
        yield from _functions_of(value)


def _functions_of(value: attr_value_pb2.AttrValue) -> Iterator[str]:
    for given in ([value.func] if value.HasField("func") else [], value.list.func):
        for function in given:
            yield function.name
            for inner in function.attr.values():
                yield from _functions_of(inner)


def _foreign_objects(objects: saved_object_graph_pb2.SavedObjectGraph) -> Iterator[str]:
    """What TensorFlow would make or run when it loads the objects, apart from what exports have."""
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        known = kind in _OBJECTS or (kind == "user_object" and node.user_object.identifier in _USER_OBJECTS)
        if not known:
            yield f"object {node.user_object.identifier if kind == 'user_object' else kind}"
        if node.registered_name:
            yield f"object {node.registered_name}"
        if node.saveable_objects or node.slot_variables:
            yield "objects with restoring functions of their own"
    for kind in set(_kinds_of_values(objects)) - _VALUES:
        yield f"signatures of {kind or 'nothing'}"


def _kinds_of_values(objects: saved_object_graph_pb2.SavedObjectGraph) -> Iterator[str | None]:
    """Kinds of the values that describe functions; `None` for what is none, which TensorFlow cannot read."""
    waiting = []
    for function in objects.concrete_functions.values():
        waiting += [function.canonicalized_input_signature, function.output_signature]
    for node in objects.nodes:
        if node.bare_concrete_function.HasField("function_spec"):
            spec = node.bare_concrete_function.function_spec
            waiting += [spec.fullargspec, spec.input_signature]
    while waiting:
        value = waiting.pop()
        kind = value.WhichOneof("kind")
        yield kind
        if kind in ("list_value", "tuple_value"):
            waiting += getattr(value, kind).values
        elif kind == "dict_value":
            waiting += value.dict_value.fields.values()
        elif kind == "named_tuple_value":
            waiting += [pair.value for pair in value.named_tuple_value.values]
