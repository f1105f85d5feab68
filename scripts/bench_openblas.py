"""Times OpenBLAS's SGEMM, through NumPy, on the layer shapes of FasterNet-T0.

Compare it with `go test -run '^$' -bench Gemm ./kernels`, which uses one thread.

usage: python3 scripts/bench_openblas.py [threads]
"""
import os
import statistics
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = sys.argv[1] if len(sys.argv) > 1 else "1"
import numpy as np  # noqa: E402 - NumPy reads the number of threads when it is imported

for rows, inner, cols in [
    (12544, 40, 80),
    (12544, 80, 40),
    (3136, 80, 160),
    (784, 160, 320),
    (784, 320, 160),
    (196, 320, 640),
    (196, 640, 320),
]:
    a, b = np.ones((rows, inner), np.float32), np.ones((inner, cols), np.float32)
    c, d = np.empty((rows, cols), np.float32), np.empty((inner, cols), np.float32)
    for name, product in ("NN", lambda: np.dot(a, b, out=c)), ("TN", lambda: np.dot(a.T, c, out=d)):
        times, end = [], time.perf_counter() + 0.5
        while time.perf_counter() < end:
            begin = time.perf_counter()
            product()
            times.append(time.perf_counter() - begin)
        print(f"{name}/{rows}x{inner}x{cols} {2 * rows * inner * cols / statistics.median(times) / 1e9:.1f} GFLOPS")
