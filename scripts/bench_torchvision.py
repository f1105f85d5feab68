"""Times training and inference of torchvision's ViT and Swin, to compare with `fasternet-train bench`.

usage: python3 scripts/bench_torchvision.py vit_base|swin_tiny|swin_small|swin_base [--train] [--batch N] [--threads N] [--seconds S]

The last line is a JSON object. A developer's tool: nothing in the project depends on it.
Debian: apt-get install python3-torchvision libopenblas0-openmp, and
LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp, which is PyTorch's faster build.
"""
import argparse
import ctypes
import json
import resource
import statistics
import time

import torch
from torch.nn import functional as F
from torchvision import models

# Keep freed memory, as in bench_torch.py.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
ctypes.CDLL(None).mallopt(M_MMAP_MAX, 0)

MODELS = {"vit_base": models.vit_b_16, "swin_tiny": models.swin_t, "swin_small": models.swin_s, "swin_base": models.swin_b}

parser = argparse.ArgumentParser()
parser.add_argument("model", choices=MODELS)
parser.add_argument("--train", action="store_true")
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seconds", type=float, default=8)
args = parser.parse_args()
torch.set_num_threads(args.threads)
model = MODELS[args.model]()
images, labels = torch.randn(args.batch, 3, 224, 224), torch.randint(0, 1000, (args.batch,))
if args.train:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
else:
    model.eval()

    def step():
        with torch.no_grad():
            model(images)
step()
times, end = [], time.perf_counter() + args.seconds
while time.perf_counter() < end or len(times) < 3:
    begin = time.perf_counter()
    step()
    times.append(time.perf_counter() - begin)
median = statistics.median(times)
print(json.dumps({
    "engine": "PyTorch " + torch.__version__, "model": args.model, "mode": "train" if args.train else "infer",
    "threads": args.threads, "batch": args.batch, "img_per_s": args.batch / median, "median_ms": 1000 * median,
    "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
