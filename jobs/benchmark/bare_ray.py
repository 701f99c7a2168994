"""What Ray alone takes: start, one actor that answers, and shut down; prints the seconds as JSON."""

import json
import time


class Answering:
    """The least that an actor can be."""

    def answer(self) -> int:
        """Return something."""
        return 1


def main() -> None:
    """Time it in a process that has not loaded anything before."""
    started = time.perf_counter()
    import ray

    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.get(ray.remote(Answering).remote().answer.remote())
    ray.shutdown()
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
