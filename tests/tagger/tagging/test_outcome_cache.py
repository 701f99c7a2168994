"""Workers share outcomes, so that each image is predicted once."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
import ray

from tagger.tagging.collector import Claim, Outcome
from tagger.tagging.coordinator import Coordinator
from tagger.tagging.coordinator_client import RayCoordinatorClient
from tagger.tagging.outcome_cache import OutcomeCache
from tagger.tagging.questions import Questions, Sharing, sharing_of


def test_the_first_worker_to_claim_an_image_predicts_it_and_the_others_get_its_outcome() -> None:
    cache = OutcomeCache()
    assert cache.claim("a", [b"1", b"2"]) == [Claim.MINE, Claim.MINE]
    assert cache.claim("b", [b"2", b"3"]) == [Claim.ANOTHERS, Claim.MINE]
    assert cache.claim("a", [b"1"]) == [Claim.MINE], "a worker that was restarted looks at its own again"
    cache.add_outcomes({b"1": b"one"})
    assert cache.claim("b", [b"1", b"2"]) == [b"one", Claim.ANOTHERS]
    assert cache.claim("b", [b"2"], take_over=True) == [Claim.MINE]
    assert cache.claim("a", [b"2"]) == [Claim.ANOTHERS]


def test_the_cache_evicts_the_oldest_outcomes_beyond_its_limit() -> None:
    cache = OutcomeCache(limit_bytes=2 * (200 + 5))
    cache.add_outcomes({b"1": b"one", b"2": b"two", b"3": b"three"})
    assert cache.claim("a", [b"1", b"3"]) == [Claim.MINE, b"three"]


def digests(first: int, count: int) -> list[bytes]:
    return [hashlib.sha256(str(n).encode()).digest() for n in range(first, first + count)]


def test_few_workers_ask_about_all_images_and_many_about_a_sample_or_none_with_vectors() -> None:
    assert sharing_of(2, 128, embeddings=False) == ("all", 1)
    assert sharing_of(1000, 10_000, embeddings=False) == ("sample", 32)
    assert sharing_of(2, 10_000, embeddings=False) == ("sample", 1)
    assert sharing_of(2, 16, embeddings=True) == ("all", 1)
    assert sharing_of(2, 17, embeddings=True) == ("none", 1)


def test_a_worker_asks_about_every_image_only_while_a_sample_shows_copies() -> None:
    images = digests(0, 20_000)
    questions = Questions("sample")
    assert 200 < len(questions.sample(images)) < 430, "one in 64"
    assert Questions("sample").sample(images) == questions.sample(images), "the same for every worker"
    assert not questions.about_all
    questions.learn([Claim.MINE] * 251 + [Claim.ANOTHERS] * 5)
    assert not questions.about_all, "2% are needed"
    questions.learn([Claim.MINE] * 250 + [b"an outcome"] * 3)
    assert not questions.about_all, "not enough answers to judge by"
    questions.learn([Claim.ANOTHERS] * 3)
    assert questions.about_all
    questions.learn([Claim.MINE] * 256)
    assert not questions.about_all


def test_a_run_that_shares_everything_or_nothing_does_not_change_its_mind() -> None:
    images = digests(0, 1000)
    for_all, for_none = Questions("all"), Questions("none")
    for_all.learn([Claim.MINE] * 10_000)
    for_none.learn([b"an outcome"] * 10_000)
    assert for_all.about_all
    assert not for_none.about_all
    assert for_none.sample(images) == []


class Asking:
    """A worker that asks about images, and predicts them."""

    def __init__(self, coordinator: Any, caches: Sequence[Any], sharing: Sharing) -> None:
        self._client = RayCoordinatorClient(coordinator, caches, sharing)

    def ask(self, images: Sequence[bytes]) -> list[Outcome | Claim]:
        """Ask, and share an outcome of each image that is to be predicted."""
        answers = self._client.claim(images)
        mine = [image for image, answer in zip(images, answers, strict=True) if answer is Claim.MINE]
        self._client.add_outcomes({image: image[:4] for image in mine})
        self._client.add_rows(len(images))
        self._client.flush()
        return answers


@pytest.mark.slow
@pytest.mark.usefixtures("embedded_ray")
@pytest.mark.parametrize("further", [0, 2])
def test_each_of_several_caches_answers_about_its_own_images(further: int) -> None:
    coordinator = ray.remote(num_cpus=0)(Coordinator).remote()
    caches = [ray.remote(num_cpus=0)(OutcomeCache).remote() for _ in range(further)]
    first, second = (ray.remote(num_cpus=0)(Asking).remote(coordinator, caches, "all") for _ in range(2))
    images = digests(0, 300)
    assert ray.get(first.ask.remote(images[:200])) == [Claim.MINE] * 200
    assert ray.get(second.ask.remote(images)) == [*(image[:4] for image in images[:200]), *[Claim.MINE] * 100]
    assert ray.get(coordinator.state.remote()).rows == 500
    alone = ray.remote(num_cpus=0)(Asking).remote(coordinator, caches, "none")
    assert ray.get(alone.ask.remote(images)) == [Claim.MINE] * 300
    assert ray.get(coordinator.state.remote()).rows == 800
