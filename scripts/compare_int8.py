"""Compares models in 8-bit integers with float32, bf16, ONNX Runtime and OpenVINO: the table of docs/benchmarks.md.

usage: python scripts/compare_int8.py --data FOLDER [--models fasternet_t0,…] [--rounds 4] [--store FILE] [--table]

Run it from the top folder, after `make build`, with the Python of a virtual environment that has torch, timm,
onnx, onnxruntime and openvino. FOLDER is any data set of colour images: ranges are measured on them. The weights
are fresh, because only the time counts here.

In each round these take turns, for each model, batch and number of threads:

  fp32, bf16, int8     this program
  ort-ort8, ov-ort8    timm's model after ONNX Runtime's quantize_static, in ONNX Runtime and in OpenVINO
  ort-ours, ov-ours    the file of `export --int8 --opset 20`, in ONNX Runtime and in OpenVINO

Each measurement is added to the file of --store at once, one JSON object a line, and is not made again.
--table measures nothing. Let nothing else run.

A developer's tool; nothing in the project depends on it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = [(1, 1), (1, 2), (32, 2)]  # batch, threads
OURS = ["fp32", "bf16", "int8"]
PEERS = ["ort-ort8", "ov-ort8", "ort-ours", "ov-ours"]
TITLES = {
    "fp32": "fp32", "bf16": "bf16", "int8": "**int8**",
    "ort-ort8": "ORT, ORT's", "ov-ort8": "OpenVINO, ORT's",
    "ort-ours": "ORT, our ONNX", "ov-ours": "OpenVINO, our ONNX",
}


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--program", default="./fasternet-train")
    parser.add_argument("--data", help="folder of a data set of colour images")
    parser.add_argument("--models", default="fasternet_t0,fasternet_s,vit_small")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.2, help="of each measurement")
    parser.add_argument("--store", default="int8.jsonl")
    parser.add_argument("--work", default="compare-int8", help="folder for the models")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
    return done.stdout


def once(path, make):
    """A file that is made only if it is not there, and never seen half-written."""
    if not os.path.exists(path):
        stem, ending = os.path.splitext(path)
        make(stem + ".part" + ending)
        os.rename(stem + ".part" + ending, path)
    return path


def export(args, model, out, *options):
    run(args.program, "export", model, "--out", out, *options)


def quantize_like_onnxruntime(model, out):
    """ONNX Runtime's own static quantisation of timm's model: QDQ, one scale a channel of the weights."""
    import numpy
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Noise(CalibrationDataReader):
        def __init__(self):
            images = (numpy.random.default_rng(i).standard_normal((1, 3, 224, 224)) for i in range(4))
            self.images = iter([{"input": image.astype("float32")} for image in images])

        def get_next(self):
            return next(self.images, None)

    sys.path.insert(0, HERE)
    run(sys.executable, os.path.join(HERE, "bench_newest.py"), "ort", model, "infer", 1, 1, "--seconds", 0)
    import tempfile
    timms = os.path.join(tempfile.gettempdir(), f"{model}.224.timm.onnx")  # as bench_newest.py names it
    prepared = out + ".prepared"
    try:
        quant_pre_process(timms, prepared)
    except Exception as e:  # of no type of its own: the symbolic shapes of Swin are incomplete
        print(f"{model}: {e}; without symbolic shapes", file=sys.stderr)
        quant_pre_process(timms, prepared, skip_symbolic_shape=True)
    quantize_static(prepared, out, Noise(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    os.remove(prepared)


def files(args, model):
    """The files that are timed, by engine."""
    os.makedirs(args.work, exist_ok=True)
    stem = os.path.join(args.work, model)
    eight = ["--int8", "--data", args.data, "--max-loss", 100, "--set", "data.image_size=224"]
    plain = once(stem + ".safetensors", lambda out: export(args, model, out))
    ours = once(stem + ".int8.onnx", lambda out: export(args, model, out, *eight, "--opset", 20))
    orts = once(stem + ".ort8.onnx", lambda out: quantize_like_onnxruntime(model, out))
    int8 = once(stem + ".int8.safetensors", lambda out: export(args, model, out, *eight))
    return {
        "fp32": plain, "bf16": plain, "int8": int8,
        "ort-ort8": orts, "ov-ort8": orts, "ort-ours": ours, "ov-ours": ours,
    }


def measure(args, engine, path, model, batch, threads):
    if engine in OURS:
        precision = [] if engine == "int8" else ["--precision", engine]
        out = run(args.program, "bench", path, "--batch", batch, "--threads", threads, "--seconds", args.seconds,
                  "--json", *precision)
    else:
        command = [sys.executable, os.path.join(HERE, "bench_newest.py"), engine.split("-")[0], model, "infer", batch,
                   threads, "--seconds", args.seconds, "--onnx", path]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        if done.returncode < 0:  # a crash: OpenVINO 2026.4.1 with Swin-T as ONNX Runtime quantises it
            return {"img_per_s": None, "version": None}
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stderr.strip()}")
        out = done.stdout
    return json.loads(out.strip().splitlines()[-1])


def stored(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        ones = [json.loads(line) for line in file]
    return {(one["model"], one["batch"], one["threads"], one["engine"], one["round"]): one for one in ones}


def compare(args, models):
    seen = stored(args.store)
    paths = {model: files(args, model) for model in models}
    for number in range(1, args.rounds + 1):
        for model in models:
            for batch, threads in COLUMNS:
                for engine in OURS + PEERS:
                    key = (model, batch, threads, engine, number)
                    if key in seen:
                        continue
                    result = measure(args, engine, paths[model][engine], model, batch, threads)
                    one = dict(model=model, batch=batch, threads=threads, engine=engine, round=number,
                               img_per_s=result["img_per_s"], version=result.get("version"))
                    with open(args.store, "a") as file:
                        file.write(json.dumps(one) + "\n")
                    speed = "crashed" if one["img_per_s"] is None else f"{one['img_per_s']:.4g} img/s"
                    print(f"round {number}: {model}, batch {batch}, {threads} threads: {engine}: {speed}",
                          file=sys.stderr, flush=True)


def ratio(rounds, peers):
    """Our int8 ÷ the best of the peers in the same round: median, lowest, highest. What crashed is left out."""
    whole = [one for one in rounds if "int8" in one and all(p in one for p in peers)]
    ratios = [one["int8"] / max(one[p] for p in peers if one[p]) for one in whole]
    return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def table(args, models):
    seen = stored(args.store)
    print(", ".join(sorted({one["version"] for one in seen.values() if one.get("version")})) + "\n")
    titles = [TITLES[e] for e in OURS + PEERS]
    print(f"| | {' | '.join(titles)} | int8 ÷ fp32 | int8 ÷ best peer (lowest to highest) |")
    print("|---|" + "---:|" * (len(titles) + 2))
    for model in models:
        for batch, threads in COLUMNS:
            rounds = {}
            for (m, b, t, engine, number), one in seen.items():
                if (m, b, t) == (model, batch, threads):
                    rounds.setdefault(number, {})[engine] = one["img_per_s"]
            rounds = list(rounds.values())
            if not rounds:
                continue
            cells = []
            for engine in OURS + PEERS:
                values = [one[engine] for one in rounds if one.get(engine)]
                cells.append(f"{statistics.median(values):.4g}" if values else "–")
            cells[2] = f"**{cells[2]}**"
            to_float, to_peer = ratio(rounds, ["fp32"]), ratio(rounds, PEERS)
            cells.append(f"{to_float[0]:.2f}" if to_float else "–")
            cells.append(f"{to_peer[0]:.2f} ({to_peer[1]:.2f} to {to_peer[2]:.2f})" if to_peer else "–")
            label = f"{model}, batch {batch}, {threads} thread{'s' if threads > 1 else ''}"
            print(f"| {label} | {' | '.join(cells)} |")


def main():
    args = arguments()
    models = args.models.split(",")
    if not args.table:
        if not args.data:
            sys.exit("--data: want the folder of a data set of colour images")
        compare(args, models)
    table(args, models)


main()
