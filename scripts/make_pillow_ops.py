#!/usr/bin/env python3
"""Make reference values of the augmentations' image operations with Pillow.

    scripts/make_pillow_ops.py testdata/golden

writes two files. pillow_ops.safetensors has small images in/<image> and the results
out/<image>/<operation>/<argument>. pillow_ops.json has the CRC-32 of the same operations
on images of 224x224, and the version of Pillow. The files in the repository were made
with Pillow 9.4.0, the version in Debian 12. The test has the same generator of images.
"""
import json
import struct
import sys
import zlib

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageOps

FILL = {"RGB": (124, 116, 104), "L": 118}
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def noise(seed, height, width, channels, lo=0, hi=256):
    """Returns random bytes from a linear congruential generator, from lo to below hi."""
    out = bytearray()
    state = seed
    for _ in range(height * width * channels):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(lo + (state >> 24) * (hi - lo) // 256)
    a = np.frombuffer(bytes(out), np.uint8).reshape(height, width, channels)
    return Image.fromarray(a if channels == 3 else a[:, :, 0])


def smooth(seed, height, width, channels):
    """Returns an image without noise: noise of an eighth of the size, enlarged."""
    small = noise(seed, height // 8 + 1, width // 8 + 1, channels)
    return small.resize((width, height), Image.BICUBIC)


IMAGES = {
    "noise": noise(1, 13, 17, 3),
    "smooth": smooth(2, 25, 22, 3),
    "many": noise(3, 21, 26, 3, 20, 200),
    "dull": noise(4, 11, 12, 3, 100, 131),
    "flat": noise(5, 7, 6, 3, 90, 91),
    "pixel": noise(6, 1, 1, 3),
    "tiny": noise(7, 2, 3, 3),
    "line": noise(8, 1, 9, 3),
    "grey": noise(9, 14, 19, 1),
    "greysmooth": smooth(10, 34, 23, 1),
}
LARGE = {"rgb": smooth(11, 224, 224, 3), "grey": smooth(12, 224, 224, 1), "rgbnoise": noise(13, 224, 224, 3)}


def solarize_add(image, add):
    table = [min(255, i + add) if i < 128 else i for i in range(256)]
    return image.point(table * len(image.getbands()))


def warp(f):
    """Returns an affine operation for every filter."""
    return {
        name: lambda image, v, r=r: f(image, v, resample=r, fillcolor=FILL[image.mode])
        for name, r in FILTERS.items()
    }


def affine(matrix):
    return warp(lambda image, v, **k: image.transform(image.size, Image.AFFINE, matrix(v, *image.size), **k))


# Operation → (function, arguments).
FACTORS = [0.1, 0.73, 1.0, 1.27, 1.4507136119, 1.9]
OPERATIONS = {
    "AutoContrast": (lambda m, _: ImageOps.autocontrast(m), [0]),
    "Equalize": (lambda m, _: ImageOps.equalize(m), [0]),
    "Invert": (lambda m, _: ImageOps.invert(m), [0]),
    "Posterize": (lambda m, v: m if v >= 8 else ImageOps.posterize(m, v), [-2, 0, 1, 2, 3, 4, 8]),
    "Solarize": (lambda m, v: ImageOps.solarize(m, v), [-20, 0, 26, 77, 128, 180, 256]),
    "SolarizeAdd": (solarize_add, [0, 33, 55, 99, 128]),
    "Color": (lambda m, v: ImageEnhance.Color(m).enhance(v), FACTORS),
    "Contrast": (lambda m, v: ImageEnhance.Contrast(m).enhance(v), FACTORS),
    "Brightness": (lambda m, v: ImageEnhance.Brightness(m).enhance(v), FACTORS),
    "Sharpness": (lambda m, v: ImageEnhance.Sharpness(m).enhance(v), FACTORS),
}
WARPS = {
    "Rotate": (warp(lambda m, v, **k: m.rotate(v, **k)), [0.0, -0.0, 9.0, -15.0, 21.3721, -30.0, 90.0, 180.0]),
    "ShearX": (affine(lambda v, w, h: (1, v, 0, 0, 1, 0)), [0.0, 0.09, -0.15, 0.21, 0.2788123, -0.3]),
    "ShearY": (affine(lambda v, w, h: (1, 0, 0, v, 1, 0)), [0.0, 0.09, -0.15, 0.21, 0.2788123, -0.3]),
    "TranslateXRel": (affine(lambda v, w, h: (1, 0, v * w, 0, 1, 0)), [0.0, 0.135, -0.225, 0.4050321, -0.45]),
    "TranslateYRel": (affine(lambda v, w, h: (1, 0, 0, 0, 1, v * h)), [0.0, 0.135, -0.225, 0.4050321, -0.45]),
}
for name, (filters, args) in WARPS.items():
    for kind, f in filters.items():
        OPERATIONS[f"{name}.{kind}"] = (f, args)


def as_array(image):
    a = np.asarray(image)
    return a if a.ndim == 3 else a[:, :, None]


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, a in tensors.items():
        header[name] = {"dtype": "U8", "shape": list(a.shape), "data_offsets": [len(body), len(body) + a.size]}
        body += a.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def main(folder):
    tensors = {f"in/{name}": as_array(image) for name, image in IMAGES.items()}
    sums = {}
    for operation, (f, args) in OPERATIONS.items():
        for v in args:
            for name, image in IMAGES.items():
                tensors[f"out/{name}/{operation}/{v!r}"] = as_array(f(image, v))
            for name, image in LARGE.items():
                sums[f"{name}/{operation}/{v!r}"] = zlib.crc32(as_array(f(image, v)).tobytes())
    write_safetensors(f"{folder}/pillow_ops.safetensors", tensors)
    with open(f"{folder}/pillow_ops.json", "w") as f:
        json.dump({"pillow": PIL.__version__, "crc32": sums}, f, indent=0)
        f.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
