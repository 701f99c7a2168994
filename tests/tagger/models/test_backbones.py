import urllib.request
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from tagger.errors import UsageError
from tagger.models import backbones

# One of every family; the largest are built without memory, on the meta device.
FAMILIES = [
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_16", "wide_resnet50_2",
]  # fmt: skip


def test_every_torchvision_classification_model_is_offered() -> None:
    assert set(torchvision.models.list_models(module=torchvision.models)) < set(backbones.names())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_of_every_family_gives_the_input_of_its_last_layer(name: str) -> None:
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # regnet computes its widths with tensors
        module = backbones.build(name, "none", (224, 224)).eval()
        embedding = module(torch.zeros(2, 3, 224, 224)).flatten(1)
    whole = torchvision.models.get_model(name, weights=None) if name in ("resnet18", "mobilenet_v2") else None
    assert embedding.shape[0] == 2
    assert embedding.shape[1] >= 256
    if whole is not None:
        last = [m for m in whole.modules() if isinstance(m, torch.nn.Linear)][-1]
        assert embedding.shape[1] == last.in_features


def test_the_families_stand_for_all_models() -> None:
    known = tuple({f.split("_")[0].rstrip("0123456789") for f in FAMILIES})
    assert [n for n in torchvision.models.list_models(module=torchvision.models) if not n.startswith(known)] == []


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file_give_what_the_whole_model_computes_before_its_head(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(1)
    whole = torchvision.models.mobilenet_v2(weights=None).eval()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": {f"module.{k}": v for k, v in whole.state_dict().items()}}, file)
    else:
        save_file(whole.state_dict(), file)
    module = backbones.build("mobilenet_v2", f"file:{file}", (64, 48)).eval()
    image = torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        torch.testing.assert_close(whole.classifier[1](module(image)), whole(image))


def test_a_vision_transformer_takes_weights_of_another_size(tmp_path: Path) -> None:
    file = tmp_path / "vit.safetensors"
    save_file(torchvision.models.vit_b_32(weights=None).state_dict(), file)
    module = backbones.build("vit_b_32", f"file:{file}", (96, 96)).eval()
    with torch.no_grad():
        assert module(torch.rand(1, 3, 96, 96)).shape == (1, 768)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("mobilenet_v9", "none", "no model 'mobilenet_v9'"),
        ("small_cnn", "pretrained", "there are none for small_cnn"),
        ("resnet18", "file:/nowhere.pth", "there is no file /nowhere.pth"),
        ("resnet18", "imagenet", "pretrained, none or file:PATH"),
        ("vit_b_16", "none", "square"),
    ],
)
def test_what_cannot_be_built_is_told(name: str, weights: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        backbones.build(name, weights, (64, 48))


def test_where_weights_cannot_be_fetched_it_is_said_which_file_in_which_format_belongs_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies that were set when it was first asked
    with pytest.raises(UsageError) as refused:
        backbones.build("mobilenet_v2", "pretrained", (64, 48))
    said = str(refused.value)
    assert "could not fetch mobilenet_v2's weights (<urlopen error [Errno 111] Connection refused>)" in said
    file = torchvision.models.MobileNet_V2_Weights.DEFAULT.url.rsplit("/", 1)[-1]
    assert f"fetch {file} where there is a network, and put it into {tmp_path}/hub/checkpoints" in said
    assert "or name it with --weights file:PATH (.pth or .safetensors)" in said
    assert "--weights none trains from scratch and is less accurate" in said


def test_weights_that_were_not_fetched_to_their_end_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub/checkpoints" / torchvision.models.MobileNet_V2_Weights.DEFAULT.url.rsplit("/", 1)[-1]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"PK\x03\x04 half of an archive")
    with pytest.raises(UsageError, match=rf"--weights pretrained: {file} is not a weights file: .*; delete it"):
        backbones.build("mobilenet_v2", "pretrained", (64, 48))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(torchvision.models.resnet18(weights=None).state_dict(), file)
    with pytest.raises(UsageError, match="another model"):
        backbones.build("mobilenet_v2", f"file:{file}", (64, 48))


def test_a_weights_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("code ran",)

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(UsageError, match="not a weights file"):
        backbones.build("resnet18", f"file:{tmp_path / 'evil.pth'}", (64, 48))


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit_b_32", (100, 100)), ("inception_v3", (64, 64)), ("alexnet", (32, 32)), ("maxvit_t", (100, 100))],
)
def test_a_size_that_a_model_cannot_take_is_told(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"--image-size {size[0]}x{size[1]}"):
        backbones.embedding_dim(backbones.build(name, "none", size), size)
