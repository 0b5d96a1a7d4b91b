"""The built-in task metrics by name.

============ ========= ==== ================================================= =====================
name         direction unit record of one sample                              number
============ ========= ==== ================================================= =====================
top1, top5   higher    pt   hits, positions                                   Σ hits / Σ positions
f1           higher    pt   tp, fp, fn of every class                         binary or macro F1
auc          higher    pt   score, label                                      area under ROC
spearman     higher    pt   score (or cosine of two embeddings), label        rank correlation
recall       higher    pt   two embeddings, whether it is asked               pairs among the k nearest
mse          lower          Σ (x - y)², elements                              mean
psnr         higher    dB   10 log10(peak² / mse)                             mean over samples
si-snr       higher    dB   scale-invariant SNR of a waveform                 mean over samples
perplexity   lower          Σ negative log likelihood, positions              exp of the mean
ctc          higher    pt   1 where the decoded sequence is the label         mean over samples
miou         higher    pt   hits, pixels chosen and labelled of every class   mean IoU over classes
map, map50   higher    pt   objects by class; detections, which IoU they meet mean average precision
============ ========= ==== ================================================= =====================

Options are written after the name: `ctc,blank=0,axis=1`, `miou,ignore=0`, `recall,k=10`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .classes import f1, perplexity, top
from .ctc import ctc
from .differences import mse, psnr, si_snr
from .mean_ap import COCO, mean_ap
from .metric import Metric
from .miou import miou
from .ranks import auc, spearman
from .retrieval import recall

__all__ = ["METRICS"]

# The output looked at (None: the first), then integer options by name.
METRICS: Mapping[str, Callable[..., Metric]] = {
    "top1": top(1),
    "top5": top(5),
    "f1": f1,
    "spearman": spearman,
    "recall": recall,
    "mse": mse,
    "psnr": psnr,
    "auc": auc,
    "perplexity": perplexity,
    "miou": miou,
    "map": mean_ap("map", COCO),
    "map50": mean_ap("map50", COCO[:1]),
    "si-snr": si_snr,
    "ctc": ctc,
}
