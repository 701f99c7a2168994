"""Ray Data's documented pipeline for image classification, written plainly; prints seconds and images as JSON.

Source: Ray's documentation, "Image Classification Batch Inference with PyTorch": read_images, a map with the model's
transforms, map_batches with an actor that holds the model.
"""

import json
import time

import numpy as np
import ray
import torch
from PIL import Image
from ray.data import ActorPoolStrategy

from tagger.io.location import Location
from tagger.jobs.benchmark.plain import Arguments, PlainModel, arguments, transform_of
from tagger.models.bundle import Bundle


class Classifier:
    """Holds the model; a batch goes in, labels come out."""

    def __init__(self, model: str) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = PlainModel(Bundle.load(Location(model))).eval().to(self._device)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the predicted leaf."""
        images = torch.from_numpy(batch["transformed_image"]).to(self._device)
        with torch.inference_mode():
            return {"label": self._model(images).argmax(dim=1).cpu().numpy()}


def seconds(files: list[str], options: Arguments) -> float:
    """Seconds to predict some files, including start-up of the actors."""
    transform = transform_of(options.bundle)

    def preprocess(row: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"transformed_image": transform(Image.fromarray(row["image"])).numpy()}

    started = time.perf_counter()
    predictions = (
        ray.data.read_images(files, mode="RGB")
        .map(preprocess)
        .map_batches(
            Classifier,
            fn_constructor_args=(options.model,),
            compute=ActorPoolStrategy(size=options.workers),
            batch_size=options.batch_size,
            num_gpus=int(torch.cuda.is_available()),
        )
    )
    predicted = sum(len(batch["label"]) for batch in predictions.iter_batches(batch_size=None))
    if predicted != len(files):
        raise RuntimeError(f"{predicted} predictions for {len(files)} images")
    return time.perf_counter() - started


def main() -> None:
    """Predict a part of a folder, then all of it, and print both times, so that start-up can be subtracted."""
    options = arguments()
    files = [str(file) for file in options.files]
    few = files[: len(files) // 4]
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    times = {"startSeconds": seconds(few, options), "seconds": seconds(files, options)}
    print(json.dumps({"images": len(files) - len(few), **times}))


if __name__ == "__main__":
    main()
