"""Names to modules: every torchvision classification model, and the project's own small ones, as feature extractors."""

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
    """Four convolution blocks and global average pooling: learns a small catalogue from nothing in minutes."""

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
        found: Tensor = self.blocks(images).mean(dim=(2, 3))
        return found


class PlainCNN(nn.Module):
    """The textbook's network: convolution and pooling a few times, then one dense layer over all that is left.

    Args:
        image_size: Height and width.
        channels: Of each convolution.
        units: Of the dense layer, and so the length of the embedding.
        batch_norm: Whether each layer is followed by one, and each pooling by dropout of a quarter.
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
        found: Tensor = self.dense(self.blocks(images).flatten(1))
        return found


class EdgeBranch(nn.Module):
    """A small network that looks at an edge map; where there are no edges, it says nothing."""

    embedding_dim = 64

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 16), (16, 32), (32, self.embedding_dim)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True)]
        self.blocks = nn.Sequential(*layers)

    def forward(self, edges: Tensor) -> Tensor:
        """[B, 1, H, W], 0 to 1, to [B, 64]."""
        there = edges.amax(dim=(1, 2, 3)).unsqueeze(1)
        found: Tensor = self.blocks(edges).mean(dim=(2, 3)) * there
        return found


class PooledVGG16(nn.Module):
    """VGG16 without its dense layers: the mean of its last feature map, for a head of one's own."""

    embedding_dim = 512

    def __init__(self) -> None:
        super().__init__()
        self.features = torchvision.models.vgg16(weights=None).features

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, 512]."""
        found: Tensor = self.features(images).mean(dim=(2, 3))
        return found


def _norm(kind: type[nn.Module], size: int, wanted: bool) -> list[nn.Module]:
    return [kind(size)] if wanted else []


_OWN: dict[str, Callable[[tuple[int, int]], nn.Module]] = {
    "small_cnn": lambda size: SmallCNN(),
    "cnn_2": lambda size: PlainCNN(size, (32, 64), 128, batch_norm=False),
    "cnn_3": lambda size: PlainCNN(size, (32, 64, 128), 128, batch_norm=False),
    "cnn_3_batchnorm": lambda size: PlainCNN(size, (32, 64, 128), 256, batch_norm=True),
    "vgg16_pooled": lambda size: PooledVGG16(),
}
_PRETRAINED_AS = {"vgg16_pooled": ("vgg16", "classifier.")}
"""torchvision's model whose weights fit one of ours, and the prefix of those that it has besides."""


def names() -> list[str]:
    """All backbones by name."""
    return sorted([*_OWN, *torchvision.models.list_models(module=torchvision.models)])


def check_weights(name: str, weights: str) -> None:
    """Look, before anything is read or fetched, whether there is such a backbone and such weights.

    Raises:
        UsageError: for an unknown name, for weights that are spelt otherwise, and for a file that is not there.
    """
    if name not in names():
        raise UsageError(f"--backbone: no model {name!r}; the torchvision models and {', '.join(_OWN)} are known")
    if weights == "pretrained" and name in _OWN and name not in _PRETRAINED_AS:
        raise UsageError(f"--weights pretrained: there are none for {name}; take --weights none or file:PATH")
    if weights not in ("pretrained", "none"):
        _weights_file(weights)


def build(name: str, weights: str, image_size: tuple[int, int]) -> nn.Module:
    """Build a backbone that maps normalised images [B, 3, H, W] to embeddings [B, D]: the input of its last layer.

    Args:
        name: One of `names()`.
        weights: `pretrained` (torchvision's best for this model), `file:PATH`, or `none`.
        image_size: Height and width, which vision transformers are built for.

    Raises:
        UsageError: for an unknown name, for weights that do not fit, and for sizes that a model cannot take.
    """
    check_weights(name, weights)
    if name in _OWN:
        return _build_own(name, weights, image_size)
    try:
        module: nn.Module = torchvision.models.get_model(name, weights=None, **_options(name, weights, image_size))
    except (AssertionError, ValueError) as error:
        raise _wrong_size(image_size, error) from error
    head = _remove_head(name, module)
    if weights != "none":
        state = _pretrained(name) if weights == "pretrained" else _read_weights(weights)
        _load(module, _fit_positions(name, module, state, image_size), head, weights)
    return module


def take_fourth_channel(backbone: nn.Module) -> None:
    """Let a backbone's first convolution take a fourth channel, which at first changes nothing.

    Raises:
        UsageError: when the backbone does not begin with a convolution of three channels.
    """
    found = [(name, m) for name, m in backbone.named_modules() if isinstance(m, nn.Conv2d)]
    if not found or found[0][1].in_channels != 3 or found[0][1].groups != 1:
        raise UsageError("--edges channel: this backbone does not begin with a convolution; take --edges branch")
    name, old = found[0]
    new = copy.deepcopy(old)
    new.in_channels = 4
    new.weight = nn.Parameter(torch.cat([old.weight.detach(), torch.zeros_like(old.weight[:, :1])], dim=1))
    parent, _, last = name.rpartition(".")
    setattr(backbone.get_submodule(parent), last, new)


def blocks(backbone: nn.Module) -> list[list[nn.Parameter]]:
    """A backbone's parameters block by block, from the input to the output.

    A block is a module that is no list of modules itself: a convolution, a residual block, a transformer's layer. What
    has nothing but scales and offsets, such as a norm, belongs to the block before it.
    """
    found: list[list[nn.Parameter]] = []
    for parameters in _blocks(backbone, sum(p.numel() for p in backbone.parameters())):
        if found and all(p.ndim < 2 for p in parameters):
            found[-1] += parameters
        elif parameters:
            found.append(parameters)
    return found


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
    """Length of the embedding, found by a pass of one black image. Raises UsageError for a size it cannot take."""
    parameter = next(backbone.parameters())
    training = backbone.training
    try:
        with torch.no_grad():
            found = backbone.eval()(torch.zeros(1, channels, *image_size, device=parameter.device))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise _wrong_size(image_size, error, flag) from error
    backbone.train(training)
    return int(found.shape[1])


def _wrong_size(image_size: tuple[int, int], error: Exception, flag: str = "--image-size") -> UsageError:
    height, width = image_size
    return UsageError(f"{flag} {height}x{width}: the backbone cannot take it: {first_line(error)}")


def _build_own(name: str, weights: str, image_size: tuple[int, int]) -> nn.Module:
    module = _OWN[name](image_size)
    known_as, besides = _PRETRAINED_AS.get(name, ("", ""))
    if weights != "none":
        state = _pretrained(known_as) if weights == "pretrained" else _read_weights(weights)
        _load(module, state, (besides,) if besides else (), weights)
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
    """Replace the last layer by nothing; return the prefixes of the weights that went with it."""
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
    except (
        Exception
    ) as error:  # no network, no room, another page in place of the file: each has an exception of its own
        if was_cached:
            message = f"--weights pretrained: {file} is not a weights file: {first_line(error)}; delete it"
            raise UsageError(f"{message}, and it is fetched anew") from error
        raise UsageError(
            f"--weights pretrained: torchvision could not fetch {name}'s weights ({first_line(error)}); fetch "
            f"{file.name} where there is a network, and put it into {file.parent}, or name it with --weights file:PATH "
            "(.pth or .safetensors); --weights none trains from scratch and is less accurate"
        ) from error


def _weights_file(weights: str) -> Path:
    if not weights.startswith("file:"):
        meant = f"file:{weights}" if "/" in weights or "." in weights else "file:PATH"
        raise UsageError(f"--weights {weights}: take pretrained, none or {meant}")
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
    kept = {k: v for k, v in state.items() if not k.startswith(head) and not k.startswith(("aux", "AuxLogits"))}
    try:
        missing, unexpected = module.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        raise UsageError(f"--weights {source}: they belong to another model: {error}") from error
    wrong = [k for k in (*missing, *unexpected) if not k.endswith("num_batches_tracked")]
    if wrong:
        raise UsageError(f"--weights {source}: they belong to another model (first difference: {wrong[0]})")
