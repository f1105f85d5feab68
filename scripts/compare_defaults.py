"""Compares `fasternet-train train --data` with timm's train.py, both with their defaults, at equal wall time.

usage: python scripts/compare_defaults.py --train-py TRAIN_PY [options] DATA...

Each DATA is a folder with train/<class>/ and val/<class>/. Both programs get the same images, threads and
time. Ours runs with --budget. timm's train.py trains its model fasternet_t0 for as many epochs as fit into
that time; to find how many, the script first times it for --timing seconds. If one epoch alone takes more
than 1.5 times the budget, the table says so and timm does not run, unless you give --patient. The table
compares the best top-1 of all evaluations, as each program reports it, and the time of the whole command.

  --program ./fasternet-train   our program
  --python PYTHON               Python with PyTorch and the timm of the same version as TRAIN_PY
  --budget 12m                  one time for all data sets, or NAME=TIME for the data set in folder NAME; repeatable
  --seeds 3                     number of runs with different seeds
  --threads 2                   threads of each run; with 1 both programs run at the same time, each on its own core
  --out FILE                    JSON lines, one per run; runs that the file already has are not repeated
  --work FOLDER                 folder for runs and logs

Prints a table in Markdown at the end. This is a developer's tool; nothing in the project depends on it.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("data", nargs="+", type=pathlib.Path)
    parser.add_argument("--train-py", required=True, type=pathlib.Path)
    parser.add_argument("--program", default="./fasternet-train")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--model", default="fasternet_t0", help="model of timm")
    parser.add_argument("--budget", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--timing", type=float, default=60, help="seconds for which to time timm")
    parser.add_argument("--patient", action="store_true")
    parser.add_argument("--only", choices=("ours", "timm"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("defaults.jsonl"))
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("compare-defaults"))
    options = parser.parse_args()
    options.program = shutil.which(options.program) or sys.exit(f"--program: {options.program} is not a program")
    options.budgets = {}
    for text in options.budget or ["12m"]:
        name, _, value = text.rpartition("=")
        options.budgets[name] = value
    for folder in options.data:
        if not (folder / "train").is_dir() or not (folder / "val").is_dir():
            sys.exit(f"{folder}: want a folder with train and val")
    return options


def budget_of(options, folder):
    text = options.budgets.get(folder.name, options.budgets.get(""))
    if text is None:
        sys.exit(f"--budget: want a time for {folder.name}, or one time for all data sets")
    return text


def seconds(text):
    """Returns the seconds in a time such as 90s, 12m or 1h30m."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if not parts or not text:
        sys.exit(f"--budget: want a time such as 12m, got {text!r}")
    hours, minutes, rest = (int(p or 0) for p in parts.groups())
    return 3600 * hours + 60 * minutes + rest


def images(folder):
    return sum(1 for f in folder.rglob("*") if f.is_file())


def classes(folder):
    return sum(1 for f in (folder / "train").iterdir() if f.is_dir())


class Slot:
    """The processor cores that a run may use."""
    def __init__(self, threads, first):
        self.threads = threads
        self.cores = ",".join(str(first + i) for i in range(threads))

    def start(self, command, log):
        environment = dict(os.environ, OMP_NUM_THREADS=str(self.threads), MKL_NUM_THREADS=str(self.threads),
                           MALLOC_TRIM_THRESHOLD_=str(2**31 - 1), MALLOC_MMAP_MAX_="0")  # PyTorch keeps freed memory
        return subprocess.Popen(["taskset", "-c", self.cores, *map(str, command)], stdout=subprocess.PIPE, stderr=log,
                                text=True, env=environment, start_new_session=True)

    def run(self, command, log_path):
        """Runs a command; returns its seconds and its output."""
        began = time.time()
        with open(log_path, "w") as log:
            process = self.start(command, log)
            out, _ = process.communicate()
        took = time.time() - began
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}: see {log_path}")
        return took, out


def timm_command(options, folder, epochs, seed, out, *more):
    return [
        options.python,
        options.train_py,
        "--data-dir",
        folder,
        "--model",
        options.model,
        "--num-classes",
        classes(folder),
        "--device",
        "cpu",
        "--epochs",
        epochs,
        "--seed",
        seed,
        "--output",
        out,
        "--experiment",
        "run",
        *more,
    ]


def rows(path):
    return list(csv.DictReader(path.open())) if path.exists() else []


def time_timm(options, folder, slot):
    """Returns the seconds before the first step, and the seconds of an epoch with its evaluation."""
    out = options.work / f"{folder.name}-timing"
    shutil.rmtree(out, ignore_errors=True)
    began, steps, first, evaluated = time.time(), [], None, []
    with open(options.work / f"{folder.name}-timing.log", "w") as errors:
        process = slot.start(timm_command(options, folder, 1000, 0, out, "--log-interval", 1), subprocess.PIPE)

        def read():
            nonlocal first
            for line in process.stderr:
                errors.write(line)
                if match := re.search(r"Train: \d+ \[\s*(\d+)/", line):
                    first = first or time.time()
                    steps.append((int(match[1]), time.time()))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        summary = out / "run" / "summary.csv"
        while process.poll() is None:
            time.sleep(0.2)
            if len(rows(summary)) > len(evaluated):
                evaluated.append(time.time())
            enough = first and time.time() - first > options.timing
            if (
                enough
                and (len(evaluated) >= 2 or len(steps) > 12)
                or len(evaluated) >= 6
                and time.time() - began > options.timing / 2
            ):
                break
        else:
            sys.exit(f"timm's train.py ended too early: see {errors.name}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
    if len(evaluated) >= 2:
        return first - began, (evaluated[-1] - evaluated[0]) / (len(evaluated) - 1)
    # No epoch has ended yet, so estimate: a forward pass takes a third of a step, and the first
    # step warms up.
    times = [b - a for (i, a), (k, b) in zip(steps[1:], steps[2:]) if k == i + 1]
    step, batch = statistics.mean(times), 128
    return first - began, step * (images(folder / "train") // batch + images(folder / "val") / batch / 3)


def run_ours(options, folder, seed, slot):
    run = options.work / f"{folder.name}-ours-{seed}"
    shutil.rmtree(run, ignore_errors=True)
    took, out = slot.run(
        [
            options.program,
            "train",
            "--data",
            folder,
            "--budget",
            budget_of(options, folder),
            "--run",
            run,
            "--set",
            f"seed={seed}",
            "--set",
            f"threads={slot.threads}",
        ],
        run.with_suffix(".log"),
    )
    result = json.loads(out.strip().splitlines()[-1])
    return {"top1": result["top1"], "epochs": result["epochs"], "seconds": took}


def run_timm(options, folder, seed, slot, epochs):
    out = options.work / f"{folder.name}-timm-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    took, _ = slot.run(timm_command(options, folder, epochs, seed, out), out.with_suffix(".log"))
    return {
        "top1": max(float(r["eval_top1"]) for r in rows(out / "run" / "summary.csv")),
        "epochs": epochs,
        "seconds": took,
    }


class Results:
    """The finished runs, kept in a file."""
    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        self.all = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def find(self, **key):
        return [r for r in self.all if all(r.get(k) == v for k, v in key.items())]

    def add(self, record):
        with self.lock:
            self.all.append(record)
            with self.path.open("a") as f:
                f.write(json.dumps(record) + "\n")
            print(record, file=sys.stderr, flush=True)


def compare(options, results, folder):
    key = {"data": folder.name, "budget": budget_of(options, folder), "threads": options.threads}
    side_by_side = options.threads == 1
    slots = [Slot(options.threads, 0), Slot(options.threads, 1 if side_by_side else 0)]
    epochs = None
    if options.only != "ours":
        timing = results.find(who="timing", **key)
        if not timing:
            start, epoch = time_timm(options, folder, slots[1])
            results.add({"who": "timing", **key, "start": start, "epoch": epoch})
            timing = results.find(who="timing", **key)
        rest = seconds(key["budget"]) - timing[0]["start"]
        epochs = max(round(rest / timing[0]["epoch"]), 1)
        if timing[0]["epoch"] > 1.5 * rest and not options.patient:
            print(f"{folder.name}: an epoch of timm takes {timing[0]['epoch']:.0f} s", file=sys.stderr)
            epochs = None
    for seed in range(options.seeds):
        jobs = []
        if options.only != "timm" and not results.find(who="ours", seed=seed, **key):
            jobs.append(("ours", lambda slot, seed=seed: run_ours(options, folder, seed, slot)))
        if epochs and not results.find(who="timm", seed=seed, **key):
            jobs.append(("timm", lambda slot, seed=seed: run_timm(options, folder, seed, slot, epochs)))

        failures = []

        def work(who, job, slot, seed=seed):
            try:
                results.add({"who": who, "seed": seed, **key, **job(slot)})
            except (RuntimeError, OSError, ValueError, KeyError) as error:
                failures.append(error)

        # Swap the cores with every seed.
        threads = [
            threading.Thread(target=work, args=(who, job, slots[(i + seed) % 2]))
            for i, (who, job) in enumerate(jobs)
        ]
        for t in threads:
            t.start()
            if not side_by_side:
                t.join()
        for t in threads:
            t.join()
        if failures:
            sys.exit(str(failures[0]))


def cell(runs):
    if not runs:
        return "–"
    runs = sorted(runs, key=lambda r: r["seed"])
    top1 = [r["top1"] for r in runs]
    spread = f" ± {statistics.stdev(top1):.1f}" if len(top1) > 1 else ""
    each = ", ".join(f"{v:.1f}" for v in top1)
    epochs = statistics.mean(r["epochs"] for r in runs)
    took = statistics.mean(r["seconds"] for r in runs)
    return f"**{statistics.mean(top1):.1f}**{spread} ({each}) | {epochs:.0f} | {took:.0f} s"


def table(options, results):
    print("| data set | images | time | ours: top-1 % | epochs | took | timm: top-1 % | epochs | took |")
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in options.data:
        key = {"data": folder.name, "budget": budget_of(options, folder), "threads": options.threads}
        timm = cell(results.find(who="timm", **key))
        if timm == "–" and (timing := results.find(who="timing", **key)):
            timm = f"– an epoch takes {timing[0]['epoch']:.0f} s | 0 | –"
        ours = cell(results.find(who="ours", **key))
        empty = "– | – | –"
        count = f"{images(folder / 'train')} + {images(folder / 'val')} in {classes(folder)} classes"
        limits = f"{key['budget']}, {options.threads} threads"
        ours = ours if ours != "–" else empty
        timm = timm if timm != "–" else empty
        print(f"| {folder.name} | {count} | {limits} | {ours} | {timm} |")


def main():
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    results = Results(options.out)
    for folder in options.data:
        compare(options, results, folder)
    table(options, results)


if __name__ == "__main__":
    main()
