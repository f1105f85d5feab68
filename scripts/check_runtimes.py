#!/usr/bin/env python3
"""Run exported models in the runtimes that this Python has, and compare their logits with ours.

usage: check_runtimes.py FOLDER

The tests of test/onnxruntime write FOLDER if ONNX_KEEP names it. It has ONNX files, and a .run.json
for each run: the names of the input and the logits, the allowed difference as a fraction of the
largest logit, and the number of 8-bit weights. The runtimes are OpenVINO and ONNX Runtime
(pip install openvino onnxruntime).

It prints a line for each runtime. The exit code is 1 if a file does not load, its logits differ by
more, or the runtime multiplies 8-bit weights in float32; and 3 if a runtime is missing and the
others passed.
"""

import collections
import importlib
import json
import pathlib
import platform
import sys
import tempfile


def openvino():
    ov = importlib.import_module("openvino")
    core = ov.Core()
    # Without f32 some processors compute in bf16. LATENCY uses one stream, which saves seconds when compiling.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}

    def load(path):
        model = core.compile_model(str(path), "CPU", settings)

        def integers():
            nodes = [n.get_rt_info() for n in model.get_runtime_model().get_ops()]
            return sum(n["layerType"].astype(str) in ("FullyConnected", "MatMul", "Convolution") and
                       n["runtimePrecision"].astype(str) in ("u8", "i8") for n in nodes)

        return lambda x: model([x])[0], model.inputs[0].element_type.to_dtype(), integers

    return "OpenVINO " + ov.__version__.split("-")[0], load


def onnxruntime():
    ort = importlib.import_module("onnxruntime")
    types = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
    in_integers = {"MatMulIntegerToFloat", "QLinearMatMul", "QLinearConv", "QGemm"}
    profiles = tempfile.TemporaryDirectory()

    def load(path):
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # On x86 without VNNI the sums of products in 8 bits overflow otherwise.
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.enable_profiling, options.profile_file_prefix = True, profiles.name + "/" + path.stem
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def integers():
            events = json.loads(pathlib.Path(session.end_profiling()).read_text())
            return len({e["name"] for e in events if e.get("args", {}).get("op_name") in in_integers})

        return lambda x: session.run(None, {name: x})[0], types[session.get_inputs()[0].type], integers

    return "ONNX Runtime " + ort.__version__, load


def overflows():
    """Whether sums of products in 8 bits can overflow: on x86 without VNNI two products are added in 16 bits."""
    cpu = pathlib.Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not cpu.exists():
        return False
    flags = next((line for line in cpu.read_text().splitlines() if line.startswith("flags")), "").split()
    return "avx512_vnni" not in flags and "avx_vnni" not in flags


def check(folder, runs, load):
    """Returns the largest difference for each allowed one, and what is wrong."""
    import numpy as np
    worst, wrong = collections.defaultdict(float), []
    for file, each in sorted(runs.items()):
        try:
            infer, dtype, integers = load(folder / file)
            for run in each:
                x, want = np.load(folder / run["input"]).astype(dtype), np.load(folder / run["logits"])
                got = infer(x)
                if got.shape != want.shape:
                    raise ValueError(f"logits of shape {got.shape}, want {want.shape}")
                off = float(np.abs(got - want).max() / np.abs(want).max())
                if not off <= run["allowed"]:
                    raise ValueError(
                        f"for images {list(x.shape)} the logits differ by {off:.2g} of the largest; "
                        f"at most {run['allowed']:.2g} is allowed"
                    )
                worst[run["allowed"]] = max(worst[run["allowed"]], off)
            want = each[0]["integers"]
            if want and (got := integers()) < want:
                raise ValueError(f"{got} products in 8 bits, want {want}")
        except Exception as e:  # whatever it is: name the file, go on with the next
            wrong.append(f"{file}: {e}")
    return worst, wrong


def main(args):
    if len(args) != 1:
        sys.exit(__doc__)
    folder = pathlib.Path(args[0])
    runs = collections.defaultdict(list)
    for path in sorted(folder.glob("*.run.json")):
        run = json.loads(path.read_text())
        runs[run["file"]].append(run)
    if not runs:
        sys.exit(
            f"check_runtimes: {folder} has no runs; to write them, "
            f"run the tests of test/onnxruntime with ONNX_KEEP={folder}"
        )
    failed = missing = 0
    for start, package in (openvino, "openvino"), (onnxruntime, "onnxruntime"):
        try:
            name, load = start()
        except ImportError as e:
            print(
                f"check_runtimes: skipped: {sys.executable} has no {package} ({e}); "
                "install it with pip, or name another Python with PYTHON"
            )
            missing += 1
            continue
        checked = runs
        if package == "openvino" and overflows():
            checked = {file: each for file, each in runs.items() if not each[0]["integers"]}
            print(f"{name}: skipped {len(runs) - len(checked)} files in 8 bits: it overflows on x86 without VNNI")
        worst, wrong = check(folder, checked, load)
        for w in wrong:
            print(f"{name}: {w}", file=sys.stderr)
        failed += len(wrong)
        largest = ", ".join(f"{worst[a]:.1g} (of {a:g})" for a in sorted(worst))
        print(
            f"{name}: {len(checked) - len(wrong)} of {len(checked)} files give our logits; "
            f"largest differences, as fractions of the largest logit: {largest}"
        )
    sys.exit(1 if failed else 3 if missing else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
