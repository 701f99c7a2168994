"""The first answer of a report."""

from tagger.evaluation.automation import Automation, answer, being_changed, no_thresholds


def test_the_answer_says_what_is_automatic_how_right_it_is_and_how_long_the_rest_takes() -> None:
    measured = Automation(items=500, accepted=390, right=378, category_only=60)
    assert measured.in_words() == (
        "At these thresholds 78% of new items are tagged automatically, 97 in 100 of them right (95 to 98); 22% go to "
        "people, about 33 minutes for every 1,000 new items."
    )
    page = answer([measured])
    assert "78% (74 to 81%)" in page and "97% (95 to 98%)" in page and "22% (19 to 26%)" in page
    assert "12 of 390 had a wrong category or article type" in page
    assert "60 of these have their category already" in page
    assert "400 items an hour" in page


def test_all_of_it_and_none_of_it_read_well() -> None:
    everything = Automation(items=80, accepted=80, right=80).in_words()
    assert "100% of new items are tagged automatically, 100 in 100 of them right" in everything
    assert everything.endswith("; none go to people.")
    nothing = Automation(items=80, accepted=0, right=0)
    assert nothing.in_words() == "At these thresholds no new item is tagged automatically: all of them go to people."
    assert "nan" not in answer([nothing]) and "Right, of these" not in answer([nothing])


def test_too_few_items_are_named_and_what_to_do() -> None:
    few = Automation(items=12, accepted=12, right=12)
    assert few.in_words().startswith("There are only 12 test items") and "%" not in few.in_words()
    assert "tagger train --test" in answer([few])
    accepted_few = Automation(items=200, accepted=6, right=6)
    assert "too few to say how many are right" in accepted_few.in_words()
    assert "100%" not in answer([accepted_few])


def test_times_are_in_words() -> None:
    assert Automation(items=1000, accepted=0, right=0).review_time() == "2.5 hours"
    assert Automation(items=1000, accepted=200, right=200).review_time() == "2 hours"
    assert Automation(items=1000, accepted=0, right=0, own_pace=50).review_time() == "20 hours"
    assert "your own team: 50 items an hour" in answer([Automation(items=1000, accepted=900, right=900, own_pace=50)])


def test_without_thresholds_it_says_what_to_do_and_a_changing_bundle_promises_nothing() -> None:
    assert "<code>tagger policy BUNDLE --target-precision 0.95</code>" in no_thresholds()
    assert "while the bundle is being changed" in being_changed()
    assert "%" not in being_changed()


def test_each_kind_of_evidence_has_its_sentence() -> None:
    page = answer(
        [Automation(items=100, accepted=90, right=90, by="image and title"),
         Automation(items=100, accepted=50, right=50, by="image")]
    )  # fmt: skip
    assert page.index("by image and title, 90%") < page.index("by image, 50%")
