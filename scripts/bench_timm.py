"""Runs timm's train.py unchanged and times its parts, to compare with `fasternet-train train`.

usage: python scripts/bench_timm.py TRAIN_PY [options of train.py]

TRAIN_PY is train.py of https://github.com/huggingface/pytorch-image-models, of the same version as the
installed timm. PyTorch keeps freed memory, unless FREE_MEMORY=1: otherwise glibc returns large blocks to
the system, and PyTorch pays for new pages with every feature map.

Prints a JSON object on the last line: versions, and the seconds of each epoch, evaluation and checkpoint,
before the first epoch, and up to the end of each evaluation. This is a developer's tool; nothing in the
project depends on it.
"""
import ctypes
import importlib.util
import json
import os
import sys
import time

BEGAN = time.time()
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def timed(seconds, function):
    """Wraps a function: each call adds its start and its duration to the list `seconds`."""
    def run(*args, **named):
        begin = time.time()
        try:
            return function(*args, **named)
        finally:
            seconds.append((begin, time.time() - begin))
    return run


def main():
    if not os.environ.get("FREE_MEMORY"):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_MMAP_MAX, 0)
    path = sys.argv[1]
    sys.argv = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("timm_train", path)
    train = importlib.util.module_from_spec(spec)
    sys.modules["timm_train"] = train
    spec.loader.exec_module(train)
    epochs, evaluations, checkpoints = [], [], []
    train.train_one_epoch = timed(epochs, train.train_one_epoch)
    train.validate = timed(evaluations, train.validate)
    saver = train.utils.CheckpointSaver
    saver.save_checkpoint = timed(checkpoints, saver.save_checkpoint)
    train.main()

    import PIL
    import timm
    import torch
    print(
        json.dumps(
            {
                "version": f"timm {timm.__version__}, PyTorch {torch.__version__}, Pillow {PIL.__version__}",
                "start_s": epochs[0][0] - BEGAN,
                "train_s": [took for _, took in epochs],
                "eval_s": [took for _, took in evaluations],
                "checkpoint_s": [took for _, took in checkpoints],
                "evaluated_s": [begin + took - BEGAN for begin, took in evaluations],
            }
        )
    )


if __name__ == "__main__":  # because workers of the loader may import this file
    main()
