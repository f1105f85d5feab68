#!/usr/bin/env python3
"""Check ONNX files with the format's own checker (Debian: python3-onnx).

usage: check_onnx.py FILE|FOLDER...

Every file must pass onnx.checker with strict shape inference, and its logits must
have the shape that it declares. The exit code is 1 if a file fails. The checker
counts and skips files in a newer version of the format than it knows; ONNX Runtime
loads them in its own test.
"""

import pathlib
import sys

import onnx
import onnx.checker
import onnx.defs
import onnx.shape_inference


def dims(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def check(path):
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {v.name: dims(v) for v in inferred.graph.value_info}
    unknown = [
        o for n in model.graph.node[:-1] for o in n.output if not known.get(o) or "" in known[o] or 0 in known[o]
    ]
    if unknown:
        raise ValueError("cannot infer the shapes of " + ", ".join(unknown[:3]))
    output = model.graph.output[0]
    if dims(output)[0] != dims(model.graph.input[0])[0] or not isinstance(dims(output)[0], str):
        raise ValueError(
            f"want a batch of the same name in input and output, got {dims(model.graph.input[0])} and {dims(output)}"
        )
    if known[model.graph.node[-1].input[0]][0] != dims(output)[0]:
        raise ValueError("shape inference loses the batch before the last node")
    opset = model.opset_import[0].version
    print(
        f"{path.name}: opset {opset}, IR {model.ir_version}, {len(model.graph.node)} nodes, "
        f"{dims(model.graph.input[0])} -> {dims(output)}"
    )


def main(args):
    files = []
    for a in map(pathlib.Path, args):
        files += sorted(a.glob("*.onnx")) if a.is_dir() else [a]
    if not files:
        sys.exit(__doc__)
    failed = newer = 0
    for path in files:
        try:
            model = onnx.load(str(path))
            if model.ir_version > onnx.IR_VERSION or model.opset_import[0].version > onnx.defs.onnx_opset_version():
                newer += 1
                continue
            check(path)
        except Exception as e:  # whatever it is: name the file, go on with the next
            failed += 1
            print(f"{path}: {e}", file=sys.stderr)
    if newer:
        checker = f"onnx {onnx.__version__}, opset {onnx.defs.onnx_opset_version()}"
        print(f"{newer} files are not checked: they are newer than this checker ({checker})", file=sys.stderr)
    if newer == len(files):
        failed = 1
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
