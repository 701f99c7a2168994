"""Accuracy, F1, calibration error and confusions of predictions against labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tagger.models.levels import Levels
from tagger.schemas.documents.bundle import LevelMetrics, Metrics
from tagger.schemas.documents.taxonomy import Level

BINS = 15
MINIMUM_SUPPORT = 5


@dataclass(frozen=True)
class Predicted:
    """Predictions of one level with the truth; each field has one entry per item."""

    truth: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def right(self) -> np.ndarray:
        """Which predictions are right, bool [N]."""
        return np.asarray(self.truth == self.predicted, bool)

    def only(self, chosen: np.ndarray) -> "Predicted":
        """The items of a mask, bool [N]."""
        return Predicted(self.truth[chosen], self.predicted[chosen], self.confidence[chosen])


@dataclass(frozen=True)
class Evaluation:
    """Predictions of both levels on one set of items, with the truth."""

    split: str
    levels: dict[Level, Predicted]
    outside_taxonomy: int = 0
    failed: int = 0
    items: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Further columns of the items: any of id, imageRef, blurScore, time; in the order of the predictions."""

    @classmethod
    def of_probabilities(
        cls, split: str, levels: Levels, probabilities: np.ndarray, leaves: np.ndarray, items: pd.DataFrame
    ) -> "Evaluation":
        """Evaluate leaf probabilities float32 [N, L] against true leaf indices [N]."""
        master, master_confidence, article, type_confidence = levels.choose(probabilities)
        true_master, true_article = levels.classes_of_leaves(leaves)
        masters, types = np.array(levels.masters, object), np.array(levels.types, object)
        predicted_by_level = {
            Level.MASTER_CATEGORY: Predicted(masters[true_master], masters[master], master_confidence),
            Level.ARTICLE_TYPE: Predicted(types[true_article], types[article], type_confidence),
        }
        return cls(split, predicted_by_level, items=items.reset_index(drop=True))

    @classmethod
    def of_table(cls, split: str, table: pd.DataFrame) -> "Evaluation":
        """The inverse of `table`."""
        levels = {
            level: Predicted(
                table[f"{level}True"].to_numpy(object),
                table[level].to_numpy(object),
                table[f"{level}Confidence"].to_numpy(np.float32),
            )
            for level in Level
        }
        columns = [f"{level}{suffix}" for level in Level for suffix in ("True", "", "Confidence")]
        return cls(split, levels, items=table.drop(columns=columns).reset_index(drop=True))

    def only(self, chosen: np.ndarray) -> "Evaluation":
        """The items of a mask, bool [N]."""
        levels = {level: p.only(chosen) for level, p in self.levels.items()}
        return replace(self, levels=levels, items=self.items[chosen].reset_index(drop=True))

    def table(self) -> pd.DataFrame:
        """One row per item: its columns, and for each level truth, prediction and confidence."""
        columns = {
            f"{level}{suffix}": values
            for level, p in self.levels.items()
            for suffix, values in (("True", p.truth), ("", p.predicted), ("Confidence", p.confidence))
        }
        return pd.concat([self.items, pd.DataFrame(columns)], axis=1)

    def metrics(self) -> Metrics:
        """The metrics for the model card."""
        return Metrics(
            split=self.split,
            levels={level: level_metrics(p) for level, p in self.levels.items()},
            outside_taxonomy=self.outside_taxonomy,
        )


def level_metrics(p: Predicted, minimum_support: int = MINIMUM_SUPPORT) -> LevelMetrics:
    """Return the metrics of one level. Macro F1 leaves out classes with fewer than `minimum_support` items here."""
    table = per_class(p)
    counted = table[table["support"] >= minimum_support]
    return LevelMetrics(
        items=len(p),
        accuracy=float(np.mean(p.truth == p.predicted)) if len(p) else 0.0,
        weighted_f1=float(np.average(table["f1"], weights=table["support"])) if len(p) else 0.0,
        macro_f1=float(counted["f1"].mean()) if len(counted) else 0.0,
        macro_f1_classes=len(counted),
        minimum_support=minimum_support,
        expected_calibration_error=calibration_error(p.confidence, p.truth == p.predicted),
        calibration_error_by_chance=calibration_error_by_chance(p.confidence),
    )


def per_class(p: Predicted) -> pd.DataFrame:
    """Precision, recall, F1 and support of every class that occurs in truth or predictions, most frequent first."""
    labels = classes_of(p)
    if not labels:
        return pd.DataFrame(columns=["class", "precision", "recall", "f1", "support"])
    precision, recall, f1, support = precision_recall_fscore_support(
        p.truth, p.predicted, labels=labels, average=None, zero_division=0.0
    )
    table = pd.DataFrame({"class": labels, "precision": precision, "recall": recall, "f1": f1, "support": support})
    return table.sort_values(["support", "class"], ascending=[False, True]).reset_index(drop=True)


def classes_of(p: Predicted) -> list[str]:
    """All classes that occur in truth or predictions, by name."""
    return sorted(set(p.truth) | set(p.predicted))


def most_confused(p: Predicted, most: int) -> list[str]:
    """At most `most` classes with the most mistakes, as truth or prediction; by name."""
    wrong = ~p.right
    counts = pd.Series([*p.truth[wrong], *p.predicted[wrong]], dtype=object).value_counts()
    counts = counts.reindex(classes_of(p), fill_value=0).sort_values(ascending=False, kind="stable")
    return sorted(counts.index[:most])


def confusions(p: Predicted, labels: Sequence[str] | None = None) -> pd.DataFrame:
    """The confusion matrix of all or some classes: rows are the truth, columns the prediction, both by name."""
    labels = classes_of(p) if labels is None else labels
    some = np.isin(p.truth, labels) & np.isin(p.predicted, labels)
    truth, predicted = p.truth[some], p.predicted[some]
    matrix = confusion_matrix(truth, predicted, labels=labels) if len(truth) else np.zeros((len(labels),) * 2, int)
    return pd.DataFrame(matrix, index=pd.Index(labels, name="truth"), columns=pd.Index(labels, name="predicted"))


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1, lower is better: mean gap of confidence and accuracy over equal-width bins.

    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".

    Args:
        confidence: Of the predicted class, [N].
        correct: Whether it is the true one, bool [N].
        bins: Number of bins over 0 to 1.
    """
    if not len(confidence):
        return 0.0
    table = reliability(confidence, correct, bins)
    return float(np.average(np.abs(table["confidence"] - table["accuracy"]), weights=table["items"]))


def calibration_error_by_chance(confidence: np.ndarray, bins: int = BINS) -> float:
    """The expected calibration error that perfectly calibrated confidences have on as many items, 0 to 1.

    If each item is right with exactly the probability that its confidence states, the accuracy of a bin still strays
    from its mean confidence. With n items of confidences p, the mean of that gap is about
    sqrt(2 / pi) sqrt(sum p (1 - p)) / n, the mean absolute deviation of a normal distribution.

    Args:
        confidence: Of the predicted class, [N].
        bins: Number of bins over 0 to 1.
    """
    p = np.clip(np.asarray(confidence, np.float64), 0, 1)
    if not len(p):
        return 0.0
    variances = np.bincount(_bin_numbers(confidence, bins), weights=p * (1 - p))
    return float(np.sqrt(2 / np.pi) * np.sqrt(variances).sum() / len(p))


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Mean confidence, accuracy and number of items of every bin that has items."""
    number = _bin_numbers(confidence, bins)
    frame = pd.DataFrame({"bin": number, "confidence": confidence, "accuracy": np.asarray(correct, float)})
    bins_of_confidence = frame.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), items=("accuracy", "size")
    )
    return bins_of_confidence.reset_index()


def _bin_numbers(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The bin of equal width that each confidence falls into, int [N]."""
    return np.asarray(np.clip((np.asarray(confidence) * bins).astype(int), 0, bins - 1))
