"""Makes a data set of small colour pictures: 65 classes of emoji, drawn by Twitter and by Google.

usage: python scripts/make_emoji.py NODE_MODULES OUT

A hash of its code puts an emoji into the training or the validation part, the same for both vendors. The
pictures have 64×64 pixels, on white: 2,662 for training and 732 for validation. Twitter's are under CC BY 4.0,
Google's under the Apache licence. Needs Pillow, and the pictures:

    npm install --ignore-scripts emoji-datasource-twitter emoji-datasource-google
"""
import argparse
import collections
import hashlib
import json
import pathlib

from PIL import Image

VENDORS = ["twitter", "google"]
FEWEST = 8  # fewest emoji in a class


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("node_modules", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    return parser.parse_args()


def part(emoji):
    number = int(hashlib.md5(emoji["unified"].encode()).hexdigest(), 16)
    return "val" if number % 5 == 0 else "train"


def on_white(path):
    with Image.open(path) as picture:
        picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


def main():
    args = arguments()
    with open(args.node_modules / "emoji-datasource-google" / "emoji.json") as file:
        classes = collections.defaultdict(list)
        for emoji in json.load(file):
            classes[emoji["subcategory"].replace(" ", "_").replace("&", "and")].append(emoji)
    count = collections.Counter()
    for name, members in sorted(classes.items()):
        # A class needs emoji in both parts.
        if len(members) < FEWEST or {part(emoji) for emoji in members} != {"train", "val"}:
            continue
        for emoji in members:
            for vendor in VENDORS:
                path = args.node_modules / f"emoji-datasource-{vendor}" / "img" / vendor / "64" / emoji["image"]
                if not emoji[f"has_img_{vendor}"] or not path.exists():
                    continue
                folder = args.out / part(emoji) / name
                folder.mkdir(parents=True, exist_ok=True)
                on_white(path).save(folder / f"{vendor}_{emoji['unified']}.png")
                count[part(emoji)] += 1
    print(f"{count['train']} training and {count['val']} validation images")


main()
