"""Runs two or more benchmark commands in turn and compares them.

usage: python3 scripts/compare.py [--rounds N] COMMAND COMMAND …

Each COMMAND is a shell command such as `fasternet-train bench … --json` or
`python3 scripts/bench_torch.py …`. Its last line is a JSON object with img_per_s and median_ms,
and optionally peak_rss_mib. Machines get faster and slower from minute to minute, so the
commands take turns. The table has the median over the rounds of each command, and the median of
the ratio of the first command to it in the same round. If the objects have cpu_ms, the table has
the ratio of processor times too: for one thread it equals the ratio of wall times on a quiet
machine.
"""
import argparse
import json
import statistics
import subprocess

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("commands", nargs="+")
args = parser.parse_args()

results = [[] for _ in args.commands]
for _ in range(args.rounds):
    for command, seen in zip(args.commands, results):
        out = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
        seen.append(json.loads(out.strip().splitlines()[-1]))



def processor(first, seen):
    if not all(r.get("cpu_ms") and "batch" in r for r in first + seen):
        return " | "

    def ms(r):
        return r["cpu_ms"] / r["batch"]

    ratio = statistics.median(ms(b) / ms(a) for a, b in zip(first, seen))
    return f"{statistics.median(map(ms, seen)):.1f} | {ratio:.2f}"


print("| command | img/s | median ms | peak MiB | first ÷ this | CPU ms per image | first ÷ this |")
print("|---|---|---|---|---|---|---|")
for command, seen in zip(args.commands, results):
    ratio = statistics.median(a["img_per_s"] / b["img_per_s"] for a, b in zip(results[0], seen))
    memory = [r["peak_rss_mib"] for r in seen if "peak_rss_mib" in r]
    print(f"| `{command}` | {statistics.median(r['img_per_s'] for r in seen):.1f}"
          f" | {statistics.median(r['median_ms'] for r in seen):.2f}"
          f" | {f'{max(memory):.0f}' if memory else ''} | {ratio:.2f} | {processor(results[0], seen)} |")
