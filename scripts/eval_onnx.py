#!/usr/bin/env python3
"""Top-1 of exported ONNX files on a folder of images, in ONNX Runtime and OpenVINO.

usage: eval_onnx.py FOLDER FILE...

FOLDER has a folder of images for each class, as data/val. Each FILE says in its metadata how images are
prepared, and the names of the classes; Pillow prepares them, and does not turn them as their camera says.
Compare the figures with `fasternet-train eval FILE`. Needs numpy, pillow and onnxruntime; OpenVINO if it is there.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime
from PIL import Image

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def prepare(path, meta):
    """An image as the metadata say: [channels, size, size], normalised."""
    channels, size = json.loads(meta["input_size"])[:2]
    m = Image.open(path).convert("RGB" if channels == 3 else "L")
    resample, w, h = FILTERS[meta["interpolation"]], m.width, m.height
    if meta["crop_mode"] == "squash":
        m = m.resize((size, size), resample)
    else:
        short = int(size / float(meta["crop_ratio"]))
        w, h = (short, short * h // w) if w <= h else (short * w // h, short)
        left, top = round((w - size) / 2), round((h - size) / 2)
        m = m.resize((w, h), resample).crop((left, top, left + size, top + size))
    x = np.asarray(m, np.float32).reshape(size, size, channels) / 255
    x = (x - np.array(json.loads(meta["mean"]), np.float32)) / np.array(json.loads(meta["std"]), np.float32)
    return x.transpose(2, 0, 1)


def engines(path):
    """Yields the name of each engine and a function from images to logits."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    yield "ONNX Runtime " + onnxruntime.__version__, lambda x: session.run(["logits"], {"input": x})[0]
    try:
        import openvino
    except ImportError as e:
        print(f"skipped: OpenVINO ({e})")
        return
    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    yield "OpenVINO " + openvino.__version__.split("-")[0], lambda x: model([x])[0]


def main(args):
    if len(args) < 2:
        sys.exit(__doc__)
    folder = pathlib.Path(args[0])
    images = [(p, p.parent.name) for p in sorted(folder.glob("*/*")) if p.is_file()]
    for path in args[1:]:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        meta = session.get_modelmeta().custom_metadata_map
        if "unscaled" in meta:
            sys.exit(f"{path}: small images are padded for it instead of resized, which this script does not do")
        classes = json.loads(meta["classes"])
        labels = np.array([classes.index(label) for _, label in images])
        for name, infer in engines(path):
            right = 0
            for at in range(0, len(images), 32):
                x = np.stack([prepare(p, meta) for p, _ in images[at:at + 32]])
                right += int((infer(np.ascontiguousarray(x)).argmax(1) == labels[at:at + 32]).sum())
            print(f"{path}: {name}: top-1 {100 * right / len(images):.2f} % of {len(images)} images")


if __name__ == "__main__":
    main(sys.argv[1:])
