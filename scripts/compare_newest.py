"""Compares `fasternet-train bench` with the newest engines, and prints the table in docs/benchmarks.md.

usage: python scripts/compare_newest.py [--rounds 4] [--rows WORDS] [--store FILE] [--table]
       [--all-peers] [--known FILE]

Build ./fasternet-train, then run this from the top folder with the Python of a virtual environment as
in bench_newest.py. In each round our program and its peers take turns. The first round runs every peer
of a row. Later rounds run the best peer, and the second if it is within 5 % of the best. --known FILE,FILE
names stores of earlier comparisons with the same peers; the first round then takes the best peers from
there. Run nothing else on the machine.

Each measurement is added to the file of --store at once, one JSON object per line, and is not repeated:
a comparison that was stopped continues where it was. --rows WORD,WORD takes the rows whose names contain
one of the words; --table measures nothing. LocalMIM needs LOCALMIM and TIMM_LOCALMIM.

PyTorch as installed is slower on processors that are not Intel's. In rows with "MKL unlocked" its linear
layers run at full speed on them; this needs cc and Linux.

The ratio is ours ÷ the best peer of the same round, as the median over the rounds. Share of peak is our
program's: multiply-adds of the model (three times as many in training) over `fasternet-train bench peak`.
"""

import argparse
import atexit
import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

TORCH = ["torch", "torch-cl", "compile", "compile-cl"]
INFERENCE = ["ov", "ort", "torch", "compile-cl"]
MIM = ["official"]
# MODEL MODE BATCH THREADS [avx2 | mkl], and the engines that may be the best for it.
ROWS = {
    "fasternet_t0 train 32 2": TORCH,
    "fasternet_t0 train 4 2": TORCH,
    "fasternet_s train 8 2": TORCH,
    "fasternet_l train 4 2": TORCH,
    "vit_small train 8 2": ["torch", "compile"],
    "vit_base train 8 2": ["torch", "compile"],
    "swin_tiny train 8 2": ["torch", "compile"],
    "mim_vit_small train 8 2": MIM,
    "mim_vit_base train 8 2": MIM,
    "mim_swin_base train 8 2": MIM,
    "vit_small train 8 2 mkl": ["torch", "compile"],
    "vit_base train 8 2 mkl": ["torch", "compile"],
    "swin_tiny train 8 2 mkl": ["torch", "compile"],
    "mim_vit_small train 8 2 mkl": MIM,
    "mim_vit_base train 8 2 mkl": MIM,
    "mim_swin_base train 8 2 mkl": MIM,
    "fasternet_t0 train-bf16 32 2": TORCH,
    "fasternet_s train-bf16 8 2": TORCH,
    "vit_base train-bf16 8 2": ["torch", "compile"],
    "fasternet_t0 infer 1 1": INFERENCE,
    "fasternet_t0 infer 1 2": INFERENCE,
    "fasternet_t0 infer 32 2": INFERENCE,
    "fasternet_s infer 1 1": INFERENCE,
    "fasternet_s infer 1 2": INFERENCE,
    "fasternet_s infer 32 2": INFERENCE,
    "fasternet_l infer 1 1": INFERENCE,
    "fasternet_l infer 1 2": INFERENCE,
    "vit_base infer 1 2": ["ov", "ort", "torch", "compile"],
    "vit_base infer 8 2": ["ov", "ort", "torch", "compile"],
    "swin_tiny infer 1 2": ["ov", "ort", "torch", "compile"],
    "swin_base infer 8 2": ["ov", "ort", "torch", "compile"],
    "fasternet_t0 infer-bf16 1 1": ["ov", "torch", "compile-cl"],
    "fasternet_t0 infer-bf16 32 2": ["ov", "torch-cl", "compile-cl"],
    "fasternet_s infer-bf16 1 2": ["ov", "torch", "compile-cl"],
    "fasternet_t0 train 32 2 avx2": TORCH,
    "fasternet_s train 8 2 avx2": TORCH,
}
ENGINES = {
    "ov": "OpenVINO",
    "ort": "ONNX Runtime",
    "official": "authors' code",
    "torch": "PyTorch",
    "torch-cl": "PyTorch, channels-last",
    "compile": "PyTorch, compiled",
    "compile-cl": "PyTorch, channels-last, compiled",
}
# Presets of `fasternet-train` that have a different name or need settings.
OURS = {"mim_vit_small": ["mim_vit_base", "--set", "model.embed_dim=384", "--set", "model.num_heads=6"]}
AVX2 = {
    "FASTERNET_KERNELS": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}

# MKL asks this function, and runs slower code for PyTorch's linear layers if it does not return 1.
MKL = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--rows", default="", help="words, separated by commas")
    parser.add_argument("--store", default="newest.jsonl")
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--known", default="", help="stores of earlier comparisons, to take the best peers from")
    parser.add_argument("--all-peers", action="store_true", help="run all peers in every round")
    return parser.parse_args()


class Store:
    """Measurements by row, round and engine. Its file only grows."""

    def __init__(self, name):
        self.name, self.seen = name, {}
        if name and os.path.exists(name):
            with open(name) as file:
                for line in file:
                    one = json.loads(line)
                    self.seen[one["row"], one["round"], one["by"]] = one

    def add(self, row, number, by, result):
        result = dict(row=row, round=number, by=by, **result)
        self.seen[row, number, by] = result
        with open(self.name, "a") as file:
            file.write(json.dumps(result) + "\n")

    def of(self, row):
        """Returns a dictionary of engines for each round."""
        rounds = {}
        for (name, number, by), one in self.seen.items():
            if name == row:
                rounds.setdefault(number, {})[by] = one
        return rounds


def run(command, environment):
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        message = done.stderr.strip().splitlines() or ["no message"]
        print(f"failed: {' '.join(command)}: {message[-1]}", file=sys.stderr)
        return {"img_per_s": 0, "error": message[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


@functools.cache
def unlocked_mkl():
    """Returns an environment in which MKL takes the processor for one of Intel's."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = os.path.join(folder, "mkl_serv_intel_cpu_true.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", name], input=MKL, text=True, check=True)
    return {"LD_PRELOAD": name}


def measure(row, by, seconds):
    model, mode, batch, threads, *rest = row.split()
    environment = {}
    if rest == ["avx2"]:
        environment = AVX2
    elif rest == ["mkl"] and by != "ours":
        environment = unlocked_mkl()
    if by == "ours":
        command = ["./fasternet-train", "bench", *OURS.get(model, [model]), "--batch", batch, "--threads", threads,
                   "--seconds", str(seconds), "--precision", "bf16" if mode.endswith("bf16") else "fp32", "--json"]
        return run(command + (["--train"] if mode.startswith("train") else []), environment)
    script = os.path.join(os.path.dirname(__file__), "bench_newest.py")
    return run([sys.executable, script, by, model, mode, batch, threads, "--seconds", str(seconds)], environment)


def best(engines):
    """Returns the names of the peers in a round, the fastest first."""
    return sorted((by for by, one in engines.items() if by != "ours" and one["img_per_s"]),
                  key=lambda by: -engines[by]["img_per_s"])


def close(engines):
    """Returns the best peer of a round, and the second if it is nearly as fast."""
    names = best(engines)
    return [by for by in names[:2] if engines[by]["img_per_s"] > 0.95 * engines[names[0]]["img_per_s"]]


def compare(rows, args, store):
    known = Store("")
    for name in filter(None, args.known.split(",")):
        known.seen.update(Store(name).seen)
    for number in range(1, args.rounds + 1):
        for row in rows:
            before = known.of(row).get(1, {})
            first = close(before or store.of(row).get(1, {}))
            peers = ROWS[row] if args.all_peers or (number == 1 and not before) else first
            for by in ["ours", *peers]:
                if (row, number, by) in store.seen:
                    continue
                result = measure(row, by, args.seconds)
                store.add(row, number, by, result)
                print(f"round {number}: {row}: {by}: {result['img_per_s']:.2f} img/s", file=sys.stderr)


def peak(store):
    """Returns GFLOPS by precision, kernels and threads; measured once and kept in the store."""
    if ("peak", 1, "ours") not in store.seen:
        store.add("peak", 1, "ours", run(["./fasternet-train", "bench", "peak", "--json"], {}))
    return store.seen["peak", 1, "ours"]


def share(row, one, peaks):
    _, mode, _, threads, *rest = row.split()
    path = "avx2" if rest == ["avx2"] else {"fp32": one["kernels"], "bf16": "avx512_bf16"}[one["precision"]]
    for product in peaks["products"]:
        if product["path"] == path and product["format"] == one["precision"]:
            key = "one_thread" if threads == "1" else "all_threads"
            return f"{one['gflops'] / product[key]['median']:.0%}".replace("%", " %")
    return ""


def label(row):
    model, mode, batch, threads, *rest = row.split()
    mode = {
        "train": "training",
        "infer": "inference",
        "train-bf16": "training, bf16",
        "infer-bf16": "inference, bf16",
    }[mode]
    note = {"": "", "avx2": ", AVX2", "mkl": ", MKL unlocked"}["".join(rest)]
    return f"{model} {mode}, batch {batch}, {threads} thread{'s' if threads != '1' else ''}{note}"


def table(rows, store):
    peaks = peak(store)
    versions = sorted({one["version"] for one in store.seen.values() if one.get("version")})
    print(f"{peaks['processor']}, {os.cpu_count()} processors, {platform.system()}; {', '.join(versions)}\n")
    print(
        "| | ours, img/s | of peak | MiB | best peer | its img/s | its MiB | ours ÷ it | rounds, lowest to highest |"
    )
    print("|---|---:|---:|---:|---|---:|---:|---:|---|")
    for row in rows:
        rounds = [engines for engines in store.of(row).values() if "ours" in engines and best(engines)]
        if not rounds:
            continue
        ours = [engines["ours"] for engines in rounds]
        ratios = [engines["ours"]["img_per_s"] / engines[best(engines)[0]]["img_per_s"] for engines in rounds]
        names = [best(engines)[0] for engines in rounds]
        name = max(set(names), key=names.count)
        theirs = [engines[name] for engines in rounds if name in engines and engines[name]["img_per_s"]]
        middle = sorted(ours, key=lambda one: one["img_per_s"])[len(ours) // 2]

        def median(key, ones):
            return statistics.median(one[key] for one in ones)

        print(
            f"| {label(row)}"
            f" | {median('img_per_s', ours):.4g}"
            f" | {share(row, middle, peaks)}"
            f" | {median('peak_rss_mib', ours):.0f}"
            f" | {ENGINES[name]}"
            f" | {median('img_per_s', theirs):.4g}"
            f" | {median('peak_rss_mib', theirs):.0f}"
            f" | {statistics.median(ratios):.2f}"
            f" | {len(ratios)}: {min(ratios):.2f} to {max(ratios):.2f} |"
        )


def main():
    args = arguments()
    words = [word for word in args.rows.split(",") if word]
    rows = [row for row in ROWS if not words or any(word in row for word in words)]
    store = Store(args.store)
    if not args.table:
        peak(store)
        compare(rows, args, store)
    table(rows, store)


main()
