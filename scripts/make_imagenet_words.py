#!/usr/bin/env python3
"""Write data/classes/imagenet1k.tsv, the words for the classes of ImageNet-1k, from timm's files.

    python3 scripts/make_imagenet_words.py

This is a developer's tool; it needs timm. The words' licence is in data/classes/imagenet1k.license.
"""
from pathlib import Path

import timm

INFO = Path(timm.__file__).parent / "data" / "_info"
OUT = Path(__file__).parent.parent / "data" / "classes" / "imagenet1k.tsv"

words = dict(line.split("\t") for line in (INFO / "imagenet_synset_to_lemma.txt").read_text().splitlines())
synsets = (INFO / "imagenet_synsets.txt").read_text().split()
assert len(synsets) == 1000 and synsets == sorted(synsets)
OUT.write_text("".join(f"{s}\t{words[s]}\n" for s in synsets))
