"""Times PyTorch on the layers of `fasternet-train bench pconv`.

These are ten stacked 3×3 convolutions of four kinds: dense, in 16 groups, depthwise, and partial
(a quarter of the channels), each with four sizes of feature maps.

usage: python3 scripts/bench_pconv_torch.py [--batch N] [--threads N] [--seconds S]
       [--operators conv,gconv,dwconv,pconv] [--maps 96x56,192x28,384x14,768x7]

Each is timed in three ways: with contiguous (NCHW) maps, with channels-last maps, and as a frozen
TorchScript graph in oneDNN's own layout. Compare with the best of the three. A partial
convolution writes into the first channels of its map, as in the authors' measurements.
Prints one JSON object per line. This is a developer's tool; nothing in the project depends on it.

On Debian: apt-get install python3-torch libopenblas0-openmp, and set
LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp, which makes PyTorch faster.
"""
import argparse
import ctypes
import json
import statistics
import time
import warnings

# Keep freed memory. Otherwise the C library returns every map to the system and gets it back
# page by page, which takes PyTorch up to ten times as long as the convolution.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
ctypes.CDLL(None).mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
ctypes.CDLL(None).mallopt(M_MMAP_MAX, 0)

import torch  # noqa: E402 - the allocator must be set first
from torch import nn

LAYERS, GROUPS, DIVISOR, WARMUP = 10, 16, 4, 10


class PartialConv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.convolved = channels // DIVISOR
        self.conv = nn.Conv2d(self.convolved, self.convolved, 3, padding=1, bias=False)

    def forward(self, x):
        x[:, : self.convolved] = self.conv(x[:, : self.convolved])
        return x


OPERATORS = {
    "conv": lambda c: nn.Conv2d(c, c, 3, padding=1, bias=False),
    "gconv": lambda c: nn.Conv2d(c, c, 3, padding=1, bias=False, groups=GROUPS),
    "dwconv": lambda c: nn.Conv2d(c, c, 3, padding=1, bias=False, groups=c),
    "pconv": PartialConv,
}


def median_ms(model, images, seconds):
    x = images.clone()
    times, end = [], None
    while end is None or time.perf_counter() < end or len(times) < WARMUP + 10:
        x.copy_(images)  # because a partial convolution has written into x
        begin = time.perf_counter()
        with torch.no_grad():
            model(x)
        times.append(time.perf_counter() - begin)
        if len(times) == WARMUP:
            end = time.perf_counter() + seconds
    return 1000 * statistics.median(times[WARMUP:])


def formats(model, images):
    yield "contiguous", model, images
    last = {"memory_format": torch.channels_last}
    yield "channels_last", model.to(**last), images.to(**last)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = torch.jit.freeze(torch.jit.trace(model.eval(), images))
        yield "frozen", torch.jit.optimize_for_inference(frozen), images


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--operators", default="conv,gconv,dwconv,pconv")
    parser.add_argument("--maps", default="96x56,192x28,384x14,768x7")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    for operator in args.operators.split(","):
        for shape in args.maps.split(","):
            channels, side = map(int, shape.split("x"))
            layers = [OPERATORS[operator](channels) for _ in range(LAYERS)]
            for layer in layers:  # keep the scale of the values, whatever the number of layers
                for p in layer.parameters():
                    nn.init.normal_(p, std=(p[0].numel()) ** -0.5)
            ms = {
                name: median_ms(model, images, args.seconds)
                for name, model, images in formats(
                    nn.Sequential(*layers), torch.randn(args.batch, channels, side, side)
                )
            }
            best = min(ms, key=ms.get)
            print(
                json.dumps(
                    {
                        "engine": "PyTorch " + torch.__version__,
                        "operator": operator,
                        "channels": channels,
                        "side": side,
                        "batch": args.batch,
                        "threads": args.threads,
                        "best_ms": ms[best],
                        "best": best,
                        "ms": {k: round(v, 4) for k, v in ms.items()},
                    }
                ),
                flush=True,
            )


main()
