"""Further tags of an item (attributes) on its page: what to choose from, and what the form says that a person set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tagger.review.store.records import QueuedItem, SetAttributes
from tagger.review.web.refusal import RefusalError
from tagger.schemas.tables.prediction import Decision

VALUE, RIGHT = "attribute", "right"
"""Kinds of form fields: `attribute:NAME` is the choice from the list, `right:NAME` the tick beside it."""
NONE = "none"
_IS = "is:"
Attributes = Mapping[str, Sequence[str]]
"""The further tags of a run by name, each with all its values."""


@dataclass(frozen=True)
class AttributeChoice:
    """One further tag of an item, as its page shows it."""

    name: str
    options: Sequence[tuple[str, str]]
    """What may be chosen: the form's value, and the text of one with a name."""
    predicted: str
    """The form's value of the prediction; empty where nothing is predicted."""
    chosen: str
    """The form's value of what is shown: what a person set, else the prediction."""
    confidence: float | None
    """The model's, 0 to 1."""
    is_unsure: bool
    is_confirmed: bool
    """Whether a person said that the prediction is right."""


def choices_of(item: QueuedItem, attributes: Attributes, standing: SetAttributes | None) -> Iterator[AttributeChoice]:
    """The further tags of an item, in the run's order.

    Args:
        item: The item.
        attributes: Those of the run.
        standing: What the item's current decision sets.
    """
    predictions = {each["name"]: each for each in item.attributes or ()}
    set_values = {str(each["name"]): _form_value(each["value"]) for each in standing or ()}
    for name, values in attributes.items():
        prediction = predictions.get(name)
        predicted = _form_value(prediction["value"]) if prediction else ""
        chosen = set_values.get(name, predicted)
        offered = dict.fromkeys([*values, *([prediction["value"]] if prediction else [])])
        options = [*((_form_value(value), value or "") for value in offered), (NONE, "")]
        yield AttributeChoice(
            name,
            options if prediction else [("", ""), *options],
            predicted,
            chosen,
            prediction["confidence"] if prediction else None,
            is_unsure=prediction is not None and prediction["decision"] == Decision.REVIEW,
            is_confirmed=bool(predicted) and set_values.get(name) == predicted,
        )


def attributes_set(item: QueuedItem, attributes: Attributes, form: Mapping[str, str]) -> SetAttributes | None:
    """The further tags that a form sets; None where it sets none.

    A person sets one by choosing something else than the prediction, or by ticking that the prediction is right.
    What is left alone stays the model's: Enter confirms nothing that nobody looked at.

    Args:
        item: The item that was shown.
        attributes: Those of the run.
        form: The fields VALUE and RIGHT; one that is missing was left alone.

    Raises:
        RefusalError: when the page has no such further tag, or not that value.
    """
    for field in form:
        name = field.partition(":")[2]
        if name not in attributes:
            raise RefusalError(422, "error-unknown-tag", name=name[:40])
    chosen: SetAttributes = []
    for choice in choices_of(item, attributes, None):
        answer = form.get(f"{VALUE}:{choice.name}", choice.predicted)
        if answer not in dict(choice.options):
            value = answer.removeprefix(_IS)[:40]
            raise RefusalError(422, "error-unknown-value", name=choice.name, value=value)
        is_right = bool(answer) and f"{RIGHT}:{choice.name}" in form
        if answer != choice.predicted or is_right:
            chosen.append({"name": choice.name, "value": None if answer == NONE else answer.removeprefix(_IS)})
    return chosen or None


def _form_value(value: str | None) -> str:
    return NONE if value is None else f"{_IS}{value}"
