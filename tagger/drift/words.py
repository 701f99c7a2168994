"""What a check has found, in words."""

from tagger.evaluation.type_shares import TypeShare
from tagger.schemas.documents.drift import DriftDocument, DriftFinding, Statistic
from tagger.schemas.documents.hold import Hold

TITLES = {
    Statistic.LABELS: "How frequent a type is",
    Statistic.LABEL_MIX: "The mix of all types",
    Statistic.FAILED: "Pictures that cannot be used",
    Statistic.CONFIDENCE: "How sure the model is of the same types",
    Statistic.EXPECTED_ACCURACY: "Types that are expected to be right",
    Statistic.LIKENESS: "Whether items look like others of their type",
    Statistic.LOOK: "What the pictures look like as a whole",
    Statistic.BLUR: "Blurry pictures",
    Statistic.BRIGHTNESS: "Bright and dark pictures",
    Statistic.SIZE: "The size of the pictures",
}
_ALARMS = {
    Statistic.LABEL_MIX: "the mix of types is another one (a distance of {share}, where 0% is the same)",
    Statistic.FAILED: "the share of pictures that cannot be used is {points} points higher",
    Statistic.CONFIDENCE: "at least {share} of the items are less sure than items of their type were",
    Statistic.EXPECTED_ACCURACY: "{points} points fewer types are expected to be right than of the same types before",
    Statistic.LIKENESS: "at least {share} of the items look less like others of their type than usual",
    Statistic.LOOK: "the pictures look different as a whole",
    Statistic.BLUR: "at least {share} of the pictures are blurrier than pictures of their type were",
    Statistic.BRIGHTNESS: "at least {share} of the pictures are brighter or darker than those of their type were",
    Statistic.SIZE: "at least {share} of the pictures have another size than those of their type had",
}


def alarm_words(finding: DriftFinding, shares: list[TypeShare]) -> str:
    """An alarm in words.

    Args:
        finding: The alarm.
        shares: The types, those first whose share has changed most.
    """
    if finding.statistic is Statistic.LABELS and shares:
        first = shares[0]
        return f"{first.name} is {first.share:.1%} of the items, and was {first.before:.1%}"
    return _ALARMS.get(finding.statistic, TITLES[finding.statistic]).format(
        share=f"{finding.value:.1%}", points=f"{100 * finding.value:.1f}"
    )


def hold_reason(document: DriftDocument, shares: list[TypeShare]) -> str:
    """Why a run is held."""
    return " and ".join(alarm_words(finding, shares) for finding in document.alarms if finding.statistic.holds)


def not_compared(document: DriftDocument) -> str:
    """What could not be compared, and why; empty where all was."""
    names = [TITLES[statistic] for statistic in document.too_few]
    return f"Not compared, as the runs before have too few items of these types: {'; '.join(names)}." if names else ""


def verdict(document: DriftDocument, hold: Hold | None) -> str:
    """The answer in a sentence or two.

    Args:
        document: What a check has found.
        hold: The hold of the run, if there is one; a person may have released it.
    """
    if document.why_not:
        return f"This run could not be compared: {document.why_not}."
    if document.is_held and hold and hold.release:
        return f"The tags of this run may be wrong. {hold.release.by} has released it: {hold.release.note}"
    if document.is_held:
        return "The tags of this run may be wrong. Exports of it are held until a person has looked."
    if document.alarms:
        return "This run is not like those before. The model is as sure of its tags as it was, so nothing is held."
    return "This run is like those before."
