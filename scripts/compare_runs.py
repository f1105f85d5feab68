"""Compares whole runs of `fasternet-train train` and timm's train.py, and prints the table in docs/benchmarks.md.

usage: python scripts/compare_runs.py --timm TRAIN_PY --png FOLDER --jpeg FOLDER [--rounds 4] [--store FILE] [--table]
       [--images 768] [--val 256] [--epochs 3] [--rows WORDS] [--peers NAMES] [--work FOLDER]

TRAIN_PY is from https://github.com/huggingface/pytorch-image-models, see bench_timm.py. make_emoji.py and
make_photographs.py make the two folders; similar data sets do as well. Build ./fasternet-train, then run this
from the top folder with the Python of a virtual environment with PyTorch, timm and torchvision. In each round
the programs take turns on every row. Both train on the first --images of the training part; after each epoch
they evaluate the first --val of the validation part and write a checkpoint. 0 means all images. Four rounds of
all rows take about 12 minutes on two cores. Run nothing else on the machine.

Each measurement is added to the file of --store at once, one JSON object per line, and is not repeated: a
comparison that was stopped continues where it was. --rows takes the rows whose names contain one of the words;
--table measures nothing. --peers names one or several ways to run timm, of which the best counts: see PEERS.

The first two epochs count for the start only, because PyTorch's memory still grows after the first evaluation.
The ratio is ours ÷ the best peer of the same round, as the median over the rounds. Memory is the resident set
of the largest process, without timm's workers.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MODEL = "fasternet_t0"
BATCH = 64
SETTLED = 2  # the first epochs, which count for the start only
# Our settings, and timm's options with the same meaning.
RECIPES = {
    # timm's usual augmentation, on small PNG files. Without mstd0.5: with it timm sometimes asks Pillow to keep
    # 0 bits, which newer versions of Pillow refuse.
    "png": {
        "ours": [
            "augment.rand_augment=rand-m9-inc1",
            "augment.erasing.prob=0.25",
            "augment.mixup=0.8",
            "augment.cutmix=1",
        ],
        "timm": ["--aa", "rand-m9-inc1", "--reprob", "0.25", "--mixup", "0.8", "--cutmix", "1"],
    },
    # The preset's recipe for ImageNet, on JPEG files.
    "jpeg": {
        "ours": [],
        "timm": ["--color-jitter", "0", "--mixup", "0.05", "--cutmix", "1"],
    },
}
BOTH = {
    # One size for all epochs, and a step after every batch, because an epoch is only a few batches here.
    "ours": [
        "data.multi_scale=",
        "train.accum_steps=1",
        "train.val_interval=1",
        "optim.lr=0.001",
        "sched.warmup_epochs=0",
    ],
    "timm": [
        "--device",
        "cpu",
        "--opt",
        "adamw",
        "--opt-kwargs",
        "fused=True",
        "--weight-decay",
        "0.005",
        "--lr",
        "0.001",
        "--warmup-epochs",
        "0",
        "--smoothing",
        "0.1",
        "--train-interpolation",
        "bicubic",
        "--interpolation",
        "bicubic",
        "--crop-pct",
        "0.9",
    ],
}
ROWS = [f"{data} {precision}" for data in RECIPES for precision in ["fp32", "bf16"]]
# Options and environment. The best on two cores comes first.
PEERS = {
    "best": (["--channels-last", "--workers", "2"], {}),
    "one-worker": (["--channels-last", "--workers", "1"], {}),
    "compiled": (["--channels-last", "--workers", "2", "--torchcompile"], {}),
    "contiguous": (["--workers", "2"], {}),
    "memory-freed": (["--channels-last", "--workers", "2"], {"FREE_MEMORY": "1"}),
    "as-it-is": ([], {"FREE_MEMORY": "1"}),
}


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--timm", type=pathlib.Path)
    parser.add_argument("--png", type=pathlib.Path)
    parser.add_argument("--jpeg", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--val", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", default="", help="words, separated by commas")
    parser.add_argument("--peers", default="best", help="names, separated by commas: " + ", ".join(PEERS))
    parser.add_argument("--store", default="runs.jsonl")
    parser.add_argument(
        "--work",
        type=pathlib.Path,
        default=pathlib.Path("compared-runs"),
        help="folder for images and runs; removed at the end",
    )
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.epochs <= SETTLED:
        parser.error(f"--epochs: want more than {SETTLED}, for the first {SETTLED} count for nothing")
    for name in args.peers.split(","):
        if name not in PEERS:
            parser.error(f"--peers: there is no {name}; want {', '.join(PEERS)}")
    return args


class Store:
    """Measurements by row, round and program. Its file only grows."""

    def __init__(self, name):
        self.name, self.seen = name, {}
        if os.path.exists(name):
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
        """Returns the rounds of a row, each a dictionary by program."""
        rounds = {}
        for (name, number, by), one in self.seen.items():
            if name == row:
                rounds.setdefault(number, {})[by] = one
        return [rounds[number] for number in sorted(rounds)]


def images(folder, count):
    """Returns `count` images (0: all), taken from each class in turn, as paths relative to the folder."""
    classes = [
        sorted(path for path in one.iterdir() if path.is_file()) for one in sorted(folder.iterdir()) if one.is_dir()
    ]
    every = [one[k] for k in range(max(map(len, classes))) for one in classes if k < len(one)]
    if len(every) < count:
        sys.exit(f"{folder}: want {count} images, got {len(every)}")
    return [path.relative_to(folder) for path in (every[:count] if count else every)]


def data_set(source, to, args):
    """Copies the images for training and evaluation; returns the numbers of classes and training images."""
    parts = {"train": images(source / "train", args.images), "val": images(source / "val", args.val)}
    for part, paths in parts.items():
        for path in paths:
            (to / part / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / part / path, to / part / path)
    return len({path.parts[0] for path in parts["train"]}), len(parts["train"])


def run(command, environment):
    """Runs a command; returns its seconds, its peak MiB and the lines that it printed."""
    begin = time.time()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=errors) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if process.returncode != 0:
            sys.exit(f"failed: {' '.join(map(str, command))}\n{errors.read()[-2000:]}")
        return time.time() - begin, usage.ru_maxrss / 1024, output.read().strip().splitlines()


def ours(row, data, out, args):
    name, precision = row.split()
    recipe = RECIPES[name]
    settings = [
        *BOTH["ours"],
        *recipe["ours"],
        f"precision={precision}",
        f"train.epochs={args.epochs}",
        f"model.num_classes={data['classes']}",
        f"train.batch_size={BATCH}",
        f"train.val_batch_size={BATCH}",
    ]
    command = ["./fasternet-train", "train", MODEL, "--data", data["folder"], "--run", out]
    for setting in settings:
        command += ["--set", setting]
    seconds, peak, _ = run(command, {})
    with open(out / "log.jsonl") as file:
        epochs = [one for one in map(json.loads, file) if one["kind"] == "epoch"]
    # The program writes a record after the evaluation of an epoch, before its checkpoint. If an update
    # waits for a checkpoint, that time counts as training too.
    rest = [b["seconds"] - a["seconds"] - b["train_s"] - b["eval_s"] for a, b in zip(epochs, epochs[1:])]
    with open(out / "launches.jsonl") as file:
        begun = json.loads(file.readline())
    return dict(
        version=f"fasternet-train {begun.get('program', '')} ({begun['go']}, {begun['kernels']})",
        start_s=epochs[0]["seconds"] - epochs[0]["train_s"] - epochs[0]["eval_s"],
        train_s=[one["train_s"] for one in epochs],
        eval_s=[one["eval_s"] for one in epochs],
        checkpoint_s=rest,
        later_s=seconds - epochs[SETTLED - 1]["seconds"],
        peak_mib=peak,
    )


def timm(row, by, data, out, args):
    name, precision = row.split()
    recipe = RECIPES[name]
    options, environment = PEERS[by]
    command = [
        sys.executable,
        os.path.join(os.path.dirname(__file__), "bench_timm.py"),
        args.timm,
        "--data-dir",
        data["folder"],
        "--model",
        MODEL,
        *BOTH["timm"],
        *recipe["timm"],
        *options,
        "--num-classes",
        data["classes"],
        "--batch-size",
        BATCH,
        "--epochs",
        args.epochs,
        "--output",
        out,
    ]
    if precision == "bf16":
        command += ["--amp", "--amp-dtype", "bfloat16"]
    seconds, peak, lines = run(list(map(str, command)), environment)
    result = json.loads(lines[-1])
    result["later_s"] = seconds - result.pop("evaluated_s")[SETTLED - 1]
    return dict(result, peak_mib=peak)


def measured(data, result, args):
    """Adds images per second to a measurement: in training alone and with everything."""
    count = data["images"] // BATCH * BATCH * (args.epochs - SETTLED)
    return dict(
        result,
        images=data["images"],
        epochs=args.epochs,
        img_per_s=count / sum(result["train_s"][SETTLED:]),
        everything_img_per_s=count / result["later_s"],
    )


def compare(rows, args, store):
    peers = args.peers.split(",")
    data = {}
    for number in range(1, args.rounds + 1):
        for row in rows:
            for by in ["ours", *peers]:
                if (row, number, by) in store.seen:
                    continue
                name = row.split()[0]
                if name not in data:
                    source = getattr(args, name)
                    if not source or not args.timm:
                        sys.exit(f"want --timm and --{name}: see --help")
                    folder = args.work / name
                    shutil.rmtree(folder, ignore_errors=True)
                    classes, count = data_set(source, folder, args)
                    # The ImageNet recipe keeps its thousand classes.
                    data[name] = dict(folder=folder, classes=1000 if name == "jpeg" else classes, images=count)
                out = args.work / "run"
                shutil.rmtree(out, ignore_errors=True)  # left by a comparison that was stopped
                result = ours(row, data[name], out, args) if by == "ours" else timm(row, by, data[name], out, args)
                shutil.rmtree(out)
                result = measured(data[name], result, args)
                store.add(row, number, by, result)
                print(
                    f"round {number}: {row}: {by}: {result['img_per_s']:.1f} img/s, "
                    f"{result['everything_img_per_s']:.1f} with everything",
                    file=sys.stderr,
                )
    shutil.rmtree(args.work, ignore_errors=True)


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0]}, {len(names)} processors"


def later(one, key):
    """Returns the median of the epochs that count."""
    return statistics.median(one[key][SETTLED:])


def table(rows, store):
    versions = sorted({one["version"] for one in store.seen.values()})
    print(f"{processor()}, {platform.system()}; {'; '.join(versions)}\n")
    print(
        "| | img/s of epochs | with everything | evaluation, s | checkpoint, s | start, s | MiB"
        " | ours ÷ it | with everything | rounds, lowest to highest |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for row in rows:
        rounds = [one for one in store.of(row) if "ours" in one and len(one) > 1]
        if not rounds:
            continue
        best = [max((by for by in one if by != "ours"), key=lambda by: one[by]["img_per_s"]) for one in rounds]
        peers = sorted({by for one in rounds for by in one} - {"ours"}, key=list(PEERS).index)
        for by in ["ours", *peers]:
            ones = [one[by] for one in rounds if by in one]

            def median(value):
                return statistics.median(map(value, ones))

            title = "ours" if by == "ours" else "timm, " + by.replace("-", " ")
            checkpoint = median(lambda one: statistics.median(one["checkpoint_s"][SETTLED - 1:]))
            line = (
                f"| {row}, {title}"
                f" | {median(lambda one: one['img_per_s']):.1f}"
                f" | {median(lambda one: one['everything_img_per_s']):.1f}"
                f" | {median(lambda one: later(one, 'eval_s')):.2f}"
                f" | {checkpoint:.3f}"
                f" | {median(lambda one: one['start_s']):.1f}"
                f" | {max(one['peak_mib'] for one in ones):.0f}"
            )
            if by == "ours":
                print(line + " | | | |")
                continue
            pairs = [(one["ours"], one[by]) for one in rounds if by in one]
            ratios = [a["img_per_s"] / b["img_per_s"] for a, b in pairs]
            everything = [a["everything_img_per_s"] / b["everything_img_per_s"] for a, b in pairs]
            print(
                f"{line} | {statistics.median(ratios):.2f} | {statistics.median(everything):.2f}"
                f" | {len(ratios)}: {min(ratios):.2f} to {max(ratios):.2f} |"
            )
        if len(peers) > 1:
            ratios = [one["ours"]["img_per_s"] / one[by]["img_per_s"] for one, by in zip(rounds, best)]
            print(
                f"| {row}, timm, best of each round | | | | | | | {statistics.median(ratios):.2f} |"
                f" | {len(ratios)}: {min(ratios):.2f} to {max(ratios):.2f} |"
            )


def main():
    args = arguments()
    words = [word for word in args.rows.split(",") if word]
    rows = [row for row in ROWS if not words or any(word in row for word in words)]
    store = Store(args.store)
    if not args.table:
        compare(rows, args, store)
    table(rows, store)


main()
