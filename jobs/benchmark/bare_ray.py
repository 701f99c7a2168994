"""Measures Ray alone: start, one call of an actor, shutdown; prints the seconds as JSON."""

import json
import time


class Answering:
    """A minimal actor."""

    def answer(self) -> int:
        """Return something."""
        return 1


def main() -> None:
    """Measure it in a fresh process."""
    started = time.perf_counter()
    import ray

    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.get(ray.remote(Answering).remote().answer.remote())
    ray.shutdown()
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
