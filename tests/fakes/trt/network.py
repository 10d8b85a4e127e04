"""Networks and the ONNX parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.trt.objects import Library, Part
from tests.fakes.trt.values import Dims

UINT8_WARNING = (
    "onnxOpImporters.cpp:1980: TensorRT supports QuantizeLinear/DequantizeLinear with UINT8 zero_point only on DLA "
    "(version >= 3.16). Defaulting to INT8 instead. To import as UINT8, set the kIMPORT_UINT8_QUANTIZATION flag."
)


class Tensor(Part):
    public_name = "ITensor"

    def __init__(self, library: Library, name: str, dtype: str, shape: tuple[int, ...], *, is_input: bool) -> None:
        super().__init__(library)
        self.name = name
        self.dtype = library.enums.member("DataType", dtype)
        self.shape = Dims(shape)
        self.is_network_input, self.is_network_output = is_input, not is_input
        self.is_shape_tensor, self.is_execution_tensor = False, True
        self.location = library.enums.member("TensorLocation", "DEVICE")


class Layer(Part):
    """node: the ONNX node it came from."""

    public_name = "ILayer"

    def __init__(self, library: Library, node: Any, kind: str) -> None:
        super().__init__(library)
        self.node = node
        self.name = node.name
        self.metadata = f"[ONNX Layer: {node.name}]"
        self.type = library.enums.member("LayerType", kind)
        self.num_inputs, self.num_outputs = len(node.input), len(node.output)
        self.precision = library.enums.member("DataType", "FLOAT")
        self.precision_is_set = False


class Network(Part):
    """flags: as given to create_network. graph: what a parser put here."""

    public_name = "INetworkDefinition"

    def __init__(self, library: Library, flags: int) -> None:
        super().__init__(library)
        self.flags = flags
        self.name = "Unnamed Network 0"
        self.graph: Any = None
        self.content = b""
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.layers: list[Layer] = []

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        return len(self.outputs)

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    def get_input(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def get_output(self, index: int) -> Tensor | None:
        return self.outputs[index] if index < len(self.outputs) else None

    def get_layer(self, index: int) -> Layer | None:
        return self.layers[index] if index < len(self.layers) else None

    def get_flag(self, flag: Any) -> bool:
        return bool(self.flags & 1 << int(flag))

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, arg0: int) -> Layer:
        return self.layers[arg0]


class ParserError(Part):
    public_name = "ParserError"

    def __init__(self, library: Library, code: str, text: str, function: str, index: int, name: str, kind: str) -> None:
        super().__init__(library)
        self._said = (library.enums["ErrorCode"].__members__[code], text, function, index, name, kind)

    def code(self) -> Any:
        return self._said[0]

    def desc(self) -> str:
        return self._said[1]

    def func(self) -> str:
        return self._said[2]

    def file(self) -> str:
        return "onnxOpImporters.cpp"

    def line(self) -> int:
        return 1

    def node(self) -> int:
        return self._said[3]

    def node_name(self) -> str:
        return self._said[4]

    def node_operator(self) -> str:
        return self._said[5]

    def local_function_stack(self) -> list[str]:
        return []

    def local_function_stack_size(self) -> int:
        return 0


class Parser(Part):
    """Stops at the first node that it refuses; never raises for a bad graph."""

    public_name = "OnnxParser"

    def __init__(self, library: Library, network: Network, logger: Any) -> None:
        super().__init__(library)
        self._network, self._logger = network, logger
        self._errors: list[ParserError] = []
        self._parsed = False
        self.flags = 0

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()

    def set_flag(self, flag: Any) -> None:
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag: Any) -> None:
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag: Any) -> bool:
        return bool(self.flags & 1 << int(flag))

    def supports_operator(self, op_name: str) -> bool:
        import onnx

        from tests.fakes.trt.graph import UNSUPPORTED

        return op_name not in UNSUPPORTED and onnx.defs.has(op_name)

    def parse_from_file(self, model: str) -> bool:
        return self.parse(Path(model).read_bytes())

    def parse(self, model: Any, path: str | None = None) -> bool:
        from tests.fakes.trt import graph

        if self._parsed:
            text = "Assertion failed: model->ByteSizeLong() == 0: A model was previously parsed!"
            return self._fail("MODEL_DESERIALIZE_FAILED", text, "deserializeOnnxModel", -1, "", "")
        self._parsed = True
        content = bytes(model)
        read = graph.read(content)
        if read is None:
            text = "Assertion failed: model->ParseFromCodedStream(&codedInput): Failed to parse the ONNX model."
            return self._fail("MODEL_DESERIALIZE_FAILED", text, "deserializeOnnxModel", -1, "", "")
        for _ in graph.uint8_nodes(read):
            self.library.log(self._logger, "WARNING", UINT8_WARNING)
        for found in graph.refusals(read):
            return self._fail(found.code, found.text, found.function, found.node, found.name, found.operator)
        self._fill(read, content)
        return True

    def _fill(self, read: Any, content: bytes) -> None:
        from tests.fakes.trt.graph import layer_type

        network = self._network
        network.graph, network.content = read, content
        for info in read.tensors():
            tensor = Tensor(self.library, info.name, info.dtype, info.shape, is_input=info.is_input)
            (network.inputs if info.is_input else network.outputs).append(tensor)
        network.layers = [
            Layer(self.library, node, layer_type(node)) for node in read.nodes if node.op_type != "Constant"
        ]

    def _fail(self, code: str, text: str, function: str, index: int, name: str, kind: str) -> bool:
        self._errors.append(ParserError(self.library, code, text, function, index, name, kind))
        self.library.log(self._logger, "ERROR", f"ModelImporter.cpp:151: ERROR: In function {function}:\n{text}")
        return False
