"""Makes a data set of patches of photographs. The class of a patch is its photograph.

usage: python scripts/photo_patches.py PHOTOGRAPHS OUT [--side 96] [--classes 30] [--train 40] [--val 12]

PHOTOGRAPHS is a folder; its subfolders are searched too. Each JPEG, PNG or WebP picture of at least 1000×750
pixels is a class. If a picture comes in several sizes, the largest counts; flat drawings are left out. The
script shrinks a picture to a height of 1000 pixels and cuts it into columns, for training and validation in
turn. It leaves gaps between them, so that no pixel of a validation patch is in a training patch. The same
pictures always give the same patches. Needs Pillow and NumPy. On Debian:

    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds \\
        gnome-backgrounds ukui-wallpapers
    for d in *.deb; do dpkg-deb -x $d wallpapers; done
    python scripts/photo_patches.py wallpapers patches
"""

import argparse
import pathlib
import random
import re
import sys

import numpy
from PIL import Image

HEIGHT = 1000  # of a picture after shrinking
COLUMNS = 5    # in a picture; the second and the fourth are for validation


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("photographs", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--side", type=int, default=96, help="side of a patch in pixels")
    parser.add_argument("--classes", type=int, default=30, help="largest number of classes")
    parser.add_argument("--train", type=int, default=40, help="training patches per class")
    parser.add_argument("--val", type=int, default=12)
    return parser.parse_args()


def pictures(folder):
    """Returns each picture once: of the files in a folder whose names begin with the same word, the largest."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp") or path.is_symlink() or not path.is_file():
            continue
        with Image.open(path) as image:
            width, height = image.size
        if width >= 1000 and height >= 750:
            name = re.split(r"[_\-\d]", path.stem)[0] or path.parts[-4]
            key = (path.parent, name) if name else (path.parents[2], "")
            found.setdefault(key, []).append((width * height, path))
    return [max(sizes)[1] for _, sizes in sorted(found.items(), key=lambda one: str(one[0]))]


def name_of(path):
    """Returns the name of a class. KDE has a folder for each picture, with files named by their sizes."""
    stem = path.parts[-4] if re.fullmatch(r"\d+x\d+", path.stem) and len(path.parts) > 3 else path.stem
    return re.sub(r"\W+", "_", stem).lower()


def shrunk(path):
    with Image.open(path) as image:
        image = image.convert("RGB")
        return image.resize((round(image.width * HEIGHT / image.height), HEIGHT), Image.LANCZOS)


def is_flat(image):
    """Reports whether a picture is a flat drawing: it has large areas of one colour."""
    grey = numpy.asarray(image.convert("L"), dtype=numpy.int16)
    return (numpy.abs(numpy.diff(grey, axis=1)) <= 1).mean() > 0.75


def patches(image, columns, count, side, draw):
    """Yields random patches of some columns, at least 4 pixels from the sides of the column."""
    width = image.width / COLUMNS
    for _ in range(count):
        column = draw.choice(columns)
        left = draw.randint(round(column * width) + 4, round((column + 1) * width) - side - 4)
        top = draw.randint(0, HEIGHT - side)
        yield image.crop((left, top, left + side, top + side))


def main():
    options = arguments()
    classes, names = 0, set()
    for path in pictures(options.photographs):
        image = shrunk(path)
        if image.width < COLUMNS * (options.side + 16) or is_flat(image):
            continue
        name = name_of(path)
        if name in names:
            continue
        names.add(name)
        for part, columns, count in (("train", (0, 2, 4), options.train), ("val", (1, 3), options.val)):
            folder = options.out / part / name
            folder.mkdir(parents=True, exist_ok=True)
            draw = random.Random(f"{name} {part}")
            for i, patch in enumerate(patches(image, columns, count, options.side, draw)):
                patch.save(folder / f"{i:03d}.png")
        classes += 1
        if classes == options.classes:
            break
    if classes < 2:
        sys.exit(f"{options.photographs}: want at least 2 photographs of at least 1000×750 pixels, got {classes}")
    print(
        f"{options.out}: {classes} classes, each with {options.train} training and {options.val} validation patches "
        f"of {options.side} px"
    )


if __name__ == "__main__":
    main()
