"""Writes eval/metrics/testdata/expected.json: metrics computed with scikit-learn and scipy.

    pip install scikit-learn scipy
    python scripts/expected_metrics.py

The logits follow from a formula (splitmix64). The test in eval/metrics has the same formula, so
no logits need to be stored.
"""

import json
import pathlib
import warnings

import numpy as np
import sklearn
from scipy import optimize, special, stats
from sklearn import metrics

BINS = 15


def splitmix(z):
    with np.errstate(over="ignore"):
        z = np.asarray(z, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(z):
    return (splitmix(z) >> np.uint64(40)).astype(np.float64) / 2**24


def make(s):
    """Returns the labels [images] and logits [images, classes] of a set."""
    n, k, seed = s["images"], s["classes"], s["seed"]
    rows = np.arange(n)
    labels = np.array(s["labels"])[rows % len(s["labels"])]
    distinct = s.get("distinct", n)
    at = (np.uint64(seed) << np.uint64(40)) + (np.uint64(1) << np.uint64(20)) * (rows % distinct).astype(np.uint64)[
        :, None
    ]
    z = (uniform(at + np.arange(k, dtype=np.uint64)) - 0.5) * s["scale"]
    z[rows, labels] += np.where(rows < distinct, s["boost"], 0.0) if distinct < n else s["boost"]
    if distinct < n:
        z = z[rows % distinct]
    z[:, s.get("never", [])] -= 1000.0
    if s.get("steps"):
        z = np.floor(z * s["steps"]) / s["steps"]
    return labels, z.astype(np.float32)


def ece(p, y):
    confidence, right = p.max(1), p.argmax(1) == y
    edges = np.linspace(0, 1, BINS + 1)
    total, bins = 0.0, []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        count = int(inside.sum())
        c, a = (confidence[inside].mean(), right[inside].mean()) if count else (0.0, 0.0)
        total += abs(a - c) * count / len(y)
        bins.append([count, float(c), float(a)])
    return total, bins


def brier(p, y):
    onehot = np.eye(p.shape[1])[y]
    both = ((p - onehot) ** 2).sum(1).mean()
    mine = both / 2 if p.shape[1] == 2 else both
    if len(np.unique(y)) == p.shape[1]:
        theirs = metrics.brier_score_loss(y, p[:, 1] if p.shape[1] == 2 else p)
        assert abs(theirs - mine) < 1e-12, (theirs, mine)
    return mine


def temperature(z, y):
    z = z.astype(np.float64)

    def nll(log_b):
        return -special.log_softmax(np.exp(log_b) * z, axis=1)[np.arange(len(y)), y].mean()

    best = optimize.minimize_scalar(nll, bounds=(-6, 6), method="bounded", options={"xatol": 1e-10})
    # Near the minimum the curve is flat, so the zero of its slope has more correct digits.
    def slope(log_b):
        b = np.exp(log_b)
        p = special.softmax(b * z, axis=1)
        return ((p * z).sum(1) - z[np.arange(len(y)), y]).mean()

    return float(np.exp(-optimize.brentq(slope, best.x - 0.1, best.x + 0.1, xtol=1e-14)))


def averages(y, answer):
    out = {}
    for average in ("macro", "weighted", "micro"):
        p, r, f, _ = metrics.precision_recall_fscore_support(y, answer, average=average, zero_division=0)
        out[average] = [p, r, f]
    return out


def figures(s):
    y, z = make(s)
    k = s["classes"]
    p = special.softmax(z.astype(np.float64), axis=1)
    answer = z.argmax(1)
    e = dict(s)
    e["averages"] = averages(y, answer)
    e["balanced_accuracy"] = metrics.balanced_accuracy_score(y, answer)
    e["top1"] = 100 * metrics.accuracy_score(y, answer)
    if k > 5:
        e["top5"] = 100 * metrics.top_k_accuracy_score(y, z, k=5, labels=range(k))
    e["nll"] = -special.log_softmax(z.astype(np.float64), axis=1)[np.arange(len(y)), y].mean()
    if e["nll"] < 30:
        theirs = metrics.log_loss(y, p, labels=range(k))
        assert s["name"] == "confident" or abs(theirs - e["nll"]) < 1e-9, (theirs, e["nll"])
    e["brier"] = brier(p, y)
    e["ece"], e["bins"] = ece(p, y)
    per_class = metrics.precision_recall_fscore_support(y, answer, labels=range(k), zero_division=0)
    auc, ap = [], []
    for c in range(k):
        positive = y == c
        auc.append(metrics.roc_auc_score(positive, p[:, c]) if 0 < positive.sum() < len(y) else None)
        ap.append(metrics.average_precision_score(positive, p[:, c]) if positive.any() else None)
    support = per_class[3]

    def mean(values, weights):
        pairs = [(v, w) for v, w in zip(values, weights) if v is not None]
        return float(np.average([v for v, _ in pairs], weights=[w for _, w in pairs])) if pairs else None

    e["roc_auc"] = [mean(auc, np.ones(k)), mean(auc, support)]
    e["average_precision"] = [mean(ap, np.ones(k)), mean(ap, support)]
    if len(np.unique(y)) == k:
        for average, mine in zip(("macro", "weighted"), e["roc_auc"]):
            theirs = metrics.roc_auc_score(y, p[:, 1] if k == 2 else p, multi_class="ovr", average=average)
            assert abs(theirs - mine) < 1e-9, (theirs, mine)
        for average, mine in zip(("macro", "weighted"), e["average_precision"]):
            if k > 2:
                theirs = metrics.average_precision_score(y, p, average=average)
                assert abs(theirs - mine) < 1e-9
    shown = [c for c in range(k) if k <= 10 or c % 37 == 0]
    e["per_class"] = [
        [c, int(support[c]), int((answer == c).sum())]
        + [float(per_class[i][c]) for i in range(3)]
        + [auc[c], ap[c]]
        for c in shown
    ]
    # The precision-recall curve, at the scores of the images of the class.
    e["curves"] = []
    for c in [c for c in shown if support[c] and support[c] <= 100][:4]:
        precision, recall, threshold = metrics.precision_recall_curve(y == c, p[:, c])
        points = [
            [float(recall[i]), float(precision[i]), float(t)]
            for i, t in enumerate(threshold)
            if ((p[:, c] == t) & (y == c)).any()
        ]
        e["curves"].append([c, points[::-1]])
    if s.get("temperature"):
        e["temperature"] = temperature(z, y)
    e["resamples"] = [resample(s, y, z, p, answer, r) for r in range(s.get("resamples", 0))]
    if e["resamples"]:
        e["percentiles"] = np.percentile(np.array(e["resamples"]), [2.5, 97.5], axis=0).T.tolist()
    return e


def resample(s, y, z, p, answer, r):
    n = len(y)
    at = (splitmix((np.uint64(r) << np.uint64(32)) + np.arange(n, dtype=np.uint64)) % np.uint64(n)).astype(int)
    y, z, p, answer = y[at], z[at], p[at], answer[at]
    averaged = averages(y, answer)
    return [
        100 * metrics.accuracy_score(y, answer),
        100 * metrics.top_k_accuracy_score(y, z, k=5, labels=range(z.shape[1])) if z.shape[1] > 5 else 100.0,
        -special.log_softmax(z.astype(np.float64), axis=1)[np.arange(n), y].mean(),
        averaged["macro"][2],
        averaged["weighted"][2],
        metrics.balanced_accuracy_score(y, answer),
        ece(p, y)[0],
        brier(p, y),
        *ranks(y, p),
    ]


def ranks(y, p):
    """Returns the macro averages of ROC-AUC and average precision over the classes in y."""
    classes = [c for c in range(p.shape[1]) if (y == c).any()]
    areas = [1] if p.shape[1] == 2 else classes
    auc = np.mean([metrics.roc_auc_score(y == c, p[:, c]) for c in areas])
    return [auc, np.mean([metrics.average_precision_score(y == c, p[:, c]) for c in classes])]


def mcnemar(b, c):
    """Returns McNemar's test as in statsmodels; without a correction if b = c, as in R."""
    if b + c < 25:
        return ["exact", None, min(2 * stats.binom.cdf(min(b, c), b + c, 0.5), 1.0)]
    x = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    return ["chi-square", x, stats.chi2.sf(x, 1)]


SETS = [
    dict(
        name="ten",
        images=500,
        classes=10,
        seed=1,
        labels=list(range(10)),
        scale=6.0,
        boost=2.0,
        temperature=True,
        resamples=25,
    ),
    dict(
        name="two",
        images=400,
        classes=2,
        seed=2,
        labels=[0, 1, 1],
        scale=6.0,
        boost=1.0,
        temperature=True,
        resamples=5,
    ),
    dict(
        name="two with ties",
        images=400,
        classes=2,
        seed=3,
        labels=[0, 1],
        scale=6.0,
        boost=1.0,
        steps=2.0,
        resamples=5,
    ),
    dict(
        name="repeated rows",
        images=600,
        classes=5,
        seed=4,
        labels=[0, 1, 2, 3, 4, 4, 3],
        scale=4.0,
        boost=2.0,
        distinct=40,
        temperature=True,
    ),
    dict(
        name="missing classes",
        images=300,
        classes=6,
        seed=5,
        labels=[0, 2, 3, 3, 5],
        scale=5.0,
        boost=1.5,
        never=[3],
        temperature=False,
    ),
    dict(name="one class in the labels", images=60, classes=3, seed=6, labels=[1], scale=5.0, boost=1.5),
    dict(
        name="confident",
        images=900,
        classes=4,
        seed=7,
        labels=[0, 1, 2, 3],
        scale=80.0,
        boost=25.0,
        temperature=True,
    ),
    dict(
        name="imbalanced",
        images=1000,
        classes=3,
        seed=8,
        labels=[0] * 45 + [1] * 4 + [2],
        scale=6.0,
        boost=1.5,
        temperature=True,
        resamples=5,
    ),
    dict(
        name="thousand",
        images=3000,
        classes=1000,
        seed=9,
        labels=list(range(1000)),
        scale=8.0,
        boost=4.0,
        temperature=True,
    ),
]


def main():
    warnings.simplefilter("ignore")
    out = {
        "made_with": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
        "sets": [figures(s) for s in SETS],
        "mcnemar": [
            [b, c] + mcnemar(b, c)
            for b, c in [
                (0, 0),
                (0, 1),
                (5, 0),
                (3, 9),
                (12, 12),
                (4, 20),
                (10, 15),
                (12, 13),
                (30, 30),
                (40, 61),
                (0, 400),
                (300, 420),
            ]
        ],
    }
    for s in out["sets"]:
        if s["labels"] == list(range(s["classes"])):
            s["labels"] = None  # all labels in turn
    path = pathlib.Path(__file__).parent.parent / "eval/metrics/testdata/expected.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(out, indent=1, default=float) + "\n")
    for s in out["sets"]:
        print(
            s["name"],
            {k: s[k] for k in ("top1", "balanced_accuracy", "roc_auc", "ece", "brier", "nll")},
            s.get("temperature"),
        )


main()
