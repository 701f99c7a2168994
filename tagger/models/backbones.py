"""Backbones by name: every torchvision classification model and the project's small networks, as feature extractors."""

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tagger.errors import UsageError
from tagger.io.location import first_line
from tagger.models.quick_torchvision import torchvision

_HEAD_NAMES = ("fc", "classifier", "head", "heads")


class SmallCNN(nn.Module):
    """Four convolution blocks and global average pooling: learns a small catalogue from scratch in minutes."""

    embedding_dim = 128

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 64), (64, 96), (96, self.embedding_dim)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
        self.blocks = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, 128]."""
        embeddings: Tensor = self.blocks(images).mean(dim=(2, 3))
        return embeddings


class PlainCNN(nn.Module):
    """A textbook CNN: convolution and pooling a few times, then one dense layer over the flattened features.

    Args:
        image_size: Height and width.
        channels: Output channels of each convolution.
        units: Units of the dense layer, and so the length of the embedding.
        batch_norm: Whether batch norm follows each layer, and dropout of 0.25 each pooling.
    """

    def __init__(self, image_size: tuple[int, int], channels: Sequence[int], units: int, batch_norm: bool) -> None:
        super().__init__()
        self.embedding_dim = units
        layers: list[nn.Module] = []
        inputs, (height, width) = 3, image_size
        for outputs in channels:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *_norm(nn.BatchNorm2d, outputs, batch_norm)]
            layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)]
            if batch_norm:
                layers.append(nn.Dropout(0.25))
            inputs, height, width = outputs, -(-height // 2), -(-width // 2)
        self.blocks = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Linear(inputs * height * width, units), *_norm(nn.BatchNorm1d, units, batch_norm), nn.ReLU(inplace=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, units]."""
        embeddings: Tensor = self.dense(self.blocks(images).flatten(1))
        return embeddings


class EdgeBranch(nn.Module):
    """A small network over an edge map. Its embedding is zero where the map has no edges."""

    embedding_dim = 64

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 16), (16, 32), (32, self.embedding_dim)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)]
        self.blocks = nn.Sequential(*layers)

    def forward(self, edges: Tensor) -> Tensor:
        """[B, 1, H, W], 0 to 1, to [B, 64]."""
        has_edges = edges.amax(dim=(1, 2, 3)).unsqueeze(1)
        embeddings: Tensor = self.blocks(edges).mean(dim=(2, 3)) * has_edges
        return embeddings


class PooledVGG16(nn.Module):
    """VGG16 without its dense layers: the embedding is the mean of the last feature map."""

    embedding_dim = 512

    def __init__(self) -> None:
        super().__init__()
        self.features = torchvision.models.vgg16(weights=None).features

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, 512]."""
        embeddings: Tensor = self.features(images).mean(dim=(2, 3))
        return embeddings


def _norm(kind: type[nn.Module], size: int, is_used: bool) -> list[nn.Module]:
    return [kind(size)] if is_used else []


_CUSTOM: dict[str, Callable[[tuple[int, int]], nn.Module]] = {
    "small_cnn": lambda size: SmallCNN(),
    "cnn_2": lambda size: PlainCNN(size, (32, 64), 128, batch_norm=False),
    "cnn_3": lambda size: PlainCNN(size, (32, 64, 128), 128, batch_norm=False),
    "cnn_3_batchnorm": lambda size: PlainCNN(size, (32, 64, 128), 256, batch_norm=True),
    "vgg16_pooled": lambda size: PooledVGG16(),
}
_TORCHVISION_EQUIVALENT = {"vgg16_pooled": ("vgg16", "classifier.")}
"""The torchvision model whose weights fit a custom backbone, and the prefix of its weights that are not used."""


def names() -> list[str]:
    """The names of all backbones."""
    return sorted([*_CUSTOM, *torchvision.models.list_models(module=torchvision.models)])


def check_weights(name: str, weights: str) -> None:
    """Check that a backbone and its weights exist, before anything is read or downloaded.

    Raises:
        UsageError: for an unknown backbone, for weights of another form, and for a missing file.
    """
    if name not in names():
        raise UsageError(f"--backbone: no model {name!r}; the torchvision models and {', '.join(_CUSTOM)} are known")
    if weights == "pretrained" and name in _CUSTOM and name not in _TORCHVISION_EQUIVALENT:
        raise UsageError(f"--weights pretrained: there are none for {name}; take --weights none or file:PATH")
    if weights not in ("pretrained", "none"):
        _weights_file(weights)


def build(name: str, weights: str, image_size: tuple[int, int]) -> nn.Module:
    """Build a backbone that maps normalised images [B, 3, H, W] to embeddings [B, D]: the input of its last layer.

    Args:
        name: One of `names()`.
        weights: `pretrained` (torchvision's best for this model), `file:PATH`, or `none`.
        image_size: Height and width; a vision transformer is built for one size.

    Raises:
        UsageError: for an unknown name, for weights that do not fit, and for a size that the model cannot take.
    """
    check_weights(name, weights)
    if name in _CUSTOM:
        return _build_custom(name, weights, image_size)
    try:
        module: nn.Module = torchvision.models.get_model(name, weights=None, **_options(name, weights, image_size))
    except (AssertionError, ValueError) as error:
        raise _wrong_size(image_size, error) from error
    head = _remove_head(name, module)
    if weights != "none":
        state = _pretrained(name) if weights == "pretrained" else _read_weights(weights)
        _load(module, _fit_positions(name, module, state, image_size), head, weights)
    return module


def add_input_channel(backbone: nn.Module) -> None:
    """Add a fourth input channel to a backbone's first convolution; its weights are zero, so outputs stay the same.

    Raises:
        UsageError: when the backbone does not begin with a convolution of three channels.
    """
    convolutions = [(name, m) for name, m in backbone.named_modules() if isinstance(m, nn.Conv2d)]
    if not convolutions or convolutions[0][1].in_channels != 3 or convolutions[0][1].groups != 1:
        raise UsageError("--edges channel: this backbone does not begin with a convolution; take --edges branch")
    name, old = convolutions[0]
    new = copy.deepcopy(old)
    new.in_channels = 4
    new.weight = nn.Parameter(torch.cat([old.weight.detach(), torch.zeros_like(old.weight[:, :1])], dim=1))
    parent, _, last = name.rpartition(".")
    setattr(backbone.get_submodule(parent), last, new)


def parameter_blocks(backbone: nn.Module) -> list[list[nn.Parameter]]:
    """A backbone's parameters in blocks, from the input to the output.

    A block is a module that is not itself a list of modules: a convolution, a residual block, a transformer layer. A
    module with scales and offsets only, such as a norm, belongs to the block before it.
    """
    blocks: list[list[nn.Parameter]] = []
    for parameters in _blocks(backbone, sum(p.numel() for p in backbone.parameters())):
        if blocks and all(p.ndim < 2 for p in parameters):
            blocks[-1] += parameters
        elif parameters:
            blocks.append(parameters)
    return blocks


def _blocks(module: nn.Module, whole: int) -> Iterator[list[nn.Parameter]]:
    is_list = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    holds_most = 2 * sum(p.numel() for p in module.parameters()) > whole
    if is_list or (holds_most and list(module.children())):
        yield list(module.parameters(recurse=False))
        for child in module.children():
            yield from _blocks(child, whole)
    else:
        yield list(module.parameters())


def embedding_dim(
    backbone: nn.Module, image_size: tuple[int, int], channels: int = 3, flag: str = "--image-size"
) -> int:
    """The length of the embedding, measured on one black image. Raises UsageError for a size that does not fit."""
    parameter = next(backbone.parameters())
    training = backbone.training
    try:
        with torch.no_grad():
            embeddings = backbone.eval()(torch.zeros(1, channels, *image_size, device=parameter.device))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise _wrong_size(image_size, error, flag) from error
    backbone.train(training)
    return int(embeddings.shape[1])


def _wrong_size(image_size: tuple[int, int], error: Exception, flag: str = "--image-size") -> UsageError:
    height, width = image_size
    return UsageError(f"{flag} {height}x{width}: the backbone cannot take it: {first_line(error)}")


def _build_custom(name: str, weights: str, image_size: tuple[int, int]) -> nn.Module:
    module = _CUSTOM[name](image_size)
    equivalent, head = _TORCHVISION_EQUIVALENT.get(name, ("", ""))
    if weights != "none":
        state = _pretrained(equivalent) if weights == "pretrained" else _read_weights(weights)
        _load(module, state, (head,) if head else (), weights)
    return module


def _options(name: str, weights: str, image_size: tuple[int, int]) -> dict[str, object]:
    height, width = image_size
    if name.startswith(("vit_", "maxvit")):
        if height != width:
            raise UsageError(f"--image-size {height}x{width}: {name} takes square images only")
        return {"image_size": height} if name.startswith("vit_") else {"input_size": image_size}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": weights == "none", "transform_input": weights != "none"}
    return {}


def _remove_head(name: str, module: nn.Module) -> tuple[str, ...]:
    """Replace the last layer by an identity; return the prefixes of the weights that it had."""
    if name.startswith("squeezenet"):
        module.classifier = nn.AdaptiveAvgPool2d(1)
        return ("classifier.",)
    path, _ = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear)][-1]
    if path.split(".")[0] not in _HEAD_NAMES:
        raise UsageError(f"--backbone: {name} has no last linear layer to replace")
    parent, _, last = path.rpartition(".")
    setattr(module.get_submodule(parent), last, nn.Identity())
    return (f"{path}.",)


def _pretrained(name: str) -> dict[str, Tensor]:
    choice = torchvision.models.get_model_weights(name).DEFAULT
    file = Path(torch.hub.get_dir()) / "checkpoints" / choice.url.rsplit("/", 1)[-1]
    was_cached = file.exists()
    try:
        return dict(choice.get_state_dict(progress=False, check_hash=True))
    except Exception as error:  # no network, no room, a login page in place of the file: each raises another exception
        if was_cached:
            message = f"--weights pretrained: {file} is not a weights file: {first_line(error)}; delete it"
            raise UsageError(f"{message}, and it is downloaded again") from error
        raise UsageError(
            f"--weights pretrained: torchvision could not fetch {name}'s weights ({first_line(error)}); fetch "
            f"{file.name} where there is a network, and put it into {file.parent}, or name it with --weights file:PATH "
            "(.pth or .safetensors); --weights none trains from scratch and is less accurate"
        ) from error


def _weights_file(weights: str) -> Path:
    if not weights.startswith("file:"):
        suggestion = f"file:{weights}" if "/" in weights or "." in weights else "file:PATH"
        raise UsageError(f"--weights {weights}: take pretrained, none or {suggestion}")
    path = Path(weights.removeprefix("file:")).expanduser()
    if not path.is_file():
        raise UsageError(f"--weights: there is no file {path}")
    return path


def _read_weights(weights: str) -> dict[str, Tensor]:
    path = _weights_file(weights)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UsageError(f"--weights: {path} is not a weights file: {first_line(error)}") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UsageError(f"--weights: {path} holds no state dict")
    return {k.removeprefix("module."): v for k, v in state.items()}


def _fit_positions(
    name: str, module: nn.Module, state: dict[str, Tensor], image_size: tuple[int, int]
) -> dict[str, Tensor]:
    """Interpolate a vision transformer's position embeddings to another image size."""
    if not name.startswith("vit_"):
        return state
    patch = int(module.patch_size)  # type: ignore[arg-type]
    return dict(torchvision.models.vision_transformer.interpolate_embeddings(image_size[0], patch, state))


def _load(module: nn.Module, state: dict[str, Tensor], head: tuple[str, ...], source: str) -> None:
    body = {k: v for k, v in state.items() if not k.startswith(head) and not k.startswith(("aux", "AuxLogits"))}
    try:
        missing, unexpected = module.load_state_dict(body, strict=False)
    except RuntimeError as error:
        raise UsageError(f"--weights {source}: they belong to another model: {error}") from error
    wrong = [k for k in (*missing, *unexpected) if not k.endswith("num_batches_tracked")]
    if wrong:
        raise UsageError(f"--weights {source}: they belong to another model (first difference: {wrong[0]})")
