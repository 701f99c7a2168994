from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from tagger.io.location import Location
from tagger.training.tensorboard import TensorBoardLog


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """What the log holds, by name and step: records are a length, its checksum, the event and its checksum."""
    (file,) = folder.iterdir()
    data, found = file.read_bytes(), {}
    while data:
        size = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + size])
        data = data[16 + size :]
        for value in event.summary.value:
            found[value.tag, event.step] = round(value.simple_value, 4)
    return found


def test_a_log_has_every_epoch_and_replaces_the_one_before(tmp_path: Path) -> None:
    for last in (1, 2):
        with TensorBoardLog(Location(str(tmp_path / "log"))) as log:
            log.add_step(5, 1.5)
            for epoch in range(last):
                log.add_epoch({"epoch": epoch, "train_loss": 0.5 + epoch, "val_accuracy": 0.25})
                assert list((tmp_path / "log").iterdir()), "it can be read while the training goes on"
    assert scalars(tmp_path / "log") == {
        ("step/loss", 5): 1.5,
        ("loss/train", 1): 0.5,
        ("loss/train", 2): 1.5,
        ("accuracy/val", 1): 0.25,
        ("accuracy/val", 2): 0.25,
    }
