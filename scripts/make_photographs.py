"""Makes a data set of JPEG files of 500×375 pixels, like ImageNet's, from a few large photographs.

usage: python scripts/make_photographs.py PHOTOGRAPHS OUT [--train 2048] [--val 512] [--classes 20]

PHOTOGRAPHS is a folder; its subfolders are searched too. Each JPEG file of at least 1000×750 pixels is a
class, the largest first. Its images are random parts of it. They get 1/f noise, so that they have as much
detail as photographs of their size, and are saved with 4:2:0 and a quality of 90 to 95. The same
photographs always give the same pixels. Needs Pillow and NumPy. On Debian:

    apt-get download lomiri-wallpapers-16.04 mate-backgrounds
    for d in *.deb; do dpkg-deb -x $d wallpapers; done
    python scripts/make_photographs.py wallpapers photographs
"""
import argparse
import pathlib
import random
import sys

import numpy
from PIL import Image

WIDTH, HEIGHT = 500, 375


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--train", type=int, default=2048, help="number of images, in all classes together")
    parser.add_argument("--val", type=int, default=512)
    parser.add_argument("--classes", type=int, default=20)
    return parser.parse_args()


def photographs(folder, count):
    """Returns the largest JPEG files, one per first word of the name: such files are one picture in several sizes."""
    found = {}
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as image:
            width, height = image.size
        if width >= 2 * WIDTH and height >= 2 * HEIGHT:
            found.setdefault((path.parent, path.stem.split("_")[0]), []).append((width * height, path))
    largest = sorted((max(sizes) for sizes in found.values()), key=lambda one: (-one[0], one[1].name))
    if len(largest) < count:
        sys.exit(
            f"{folder}: want {count} photographs of at least {2 * WIDTH}×{2 * HEIGHT} pixels, "
            f"got {len(largest)}; add photographs, or lower --classes"
        )
    return [path for _, path in largest[:count]]


def noise(generator):
    """Returns 1/f noise [HEIGHT, WIDTH] with mean 0 and standard deviation 1."""
    y, x = numpy.meshgrid(numpy.fft.fftfreq(HEIGHT), numpy.fft.rfftfreq(WIDTH), indexing="ij")
    frequency = numpy.maximum(numpy.hypot(y, x), 1 / WIDTH)
    spectrum = numpy.fft.rfft2(generator.standard_normal((HEIGHT, WIDTH))) / frequency
    pixels = numpy.fft.irfft2(spectrum, (HEIGHT, WIDTH))
    return (pixels - pixels.mean()) / pixels.std()


def part(photograph, seed):
    """Returns a random part of a photograph, with 3 to 100 % of its area."""
    draw, generator = random.Random(seed), numpy.random.default_rng(seed)
    whole = min(photograph.width, photograph.height * WIDTH / HEIGHT)
    width = int(max(WIDTH, whole * draw.uniform(0.03, 1) ** 0.5))
    height = width * HEIGHT // WIDTH
    left, top = draw.randint(0, photograph.width - width), draw.randint(0, photograph.height - height)
    image = photograph.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    pixels = numpy.asarray(image, numpy.float64) + draw.uniform(14, 40) * noise(generator)[..., None]
    return Image.fromarray(pixels.clip(0, 255).round().astype(numpy.uint8)), draw.randint(90, 95)


def main():
    args = arguments()
    size = 0
    for label, path in enumerate(photographs(args.photographs, args.classes)):
        with Image.open(path) as image:
            photograph = image.convert("RGB")
        for number, (folder, count) in enumerate([("train", args.train), ("val", args.val)]):
            to = args.out / folder / path.stem
            to.mkdir(parents=True, exist_ok=True)
            for k in range(label, count, args.classes):
                picture, quality = part(photograph, 2 * k + number)
                picture.save(to / f"{k:05}.jpg", quality=quality, subsampling="4:2:0")
                size += (to / f"{k:05}.jpg").stat().st_size
        print(f"{path.stem}: class {label + 1} of {args.classes}", file=sys.stderr)
    average = size / (args.train + args.val) / 1024
    print(f"{args.train} training and {args.val} validation images, {average:.0f} KiB on average")


main()
