"""Computes testdata/golden/multilabel.json, the metrics of a small multi-label evaluation, with
scikit-learn and PyTorch:

    python3 scripts/golden_multilabel.py > testdata/golden/multilabel.json

It finds the best thresholds by trying every distinct probability.
"""
import json
import warnings

import numpy as np
import torch
from sklearn import metrics

warnings.filterwarnings("ignore")
rng = np.random.default_rng(5)
N, K = 60, 5
truth = rng.random((N, K)) < [0.5, 0.3, 0.1, 0.05, 0]
truth[3] = False  # an image without labels
logits = np.round((rng.normal(size=(N, K)) + 1.5 * truth - 1) * 8) / 8  # coarse, so that there are ties
p = torch.sigmoid(torch.tensor(logits)).numpy()
thresholds = np.array([0.5, 0.3, 0.25, 0.6, 0.5])
given = p >= thresholds
shown = [k for k in range(K) if truth[:, k].any()]
counted = [k for k in range(K) if truth[:, k].any() or given[:, k].any()]


def best_f1(k):
    return max(metrics.f1_score(truth[:, k], p[:, k] >= t) for t in np.unique(p[:, k])) if truth[:, k].any() else 0.0


def averages(f):
    return {
        a: f(truth, given, average=a, zero_division=0, **({} if a == "micro" else {"labels": counted}))
        for a in ("macro", "weighted", "micro")
    }


print(
    json.dumps(
        {
            "images": N,
            "classes": K,
            "logits": logits.reshape(-1).tolist(),
            "sets": [np.flatnonzero(t).tolist() for t in truth],
            "thresholds": thresholds.tolist(),
            "map": metrics.average_precision_score(truth[:, shown], p[:, shown], average="macro"),
            "map_micro": metrics.average_precision_score(truth, p, average="micro"),
            "average_precision": [
                metrics.average_precision_score(truth[:, k], p[:, k]) if k in shown else None for k in range(K)
            ],
            "precision": averages(metrics.precision_score),
            "recall": averages(metrics.recall_score),
            "f1": averages(metrics.f1_score),
            "exact_match": metrics.accuracy_score(truth, given),
            "loss": torch.nn.functional.binary_cross_entropy_with_logits(
                torch.tensor(logits), torch.tensor(truth).double()
            ).item(),
            "matrices": metrics.multilabel_confusion_matrix(truth, given).tolist(),
            "best_f1": [best_f1(k) for k in range(K)],
        }
    )
)
