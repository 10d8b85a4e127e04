"""The U-Net of the quantisation study: neurons against background on neuron_pfc_pn, with a plain training loop."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.benchmarks.neurons import NAME, SIZE, Masked, dice, read_neurons
from edgeneuro.benchmarks.trained_nets import NetRecord, build_net, write_net
from edgeneuro.data.folder import find_folder
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.learner import learning_rate_share
from edgeneuro.training.resume import read_state, write_state
from edgeneuro.training.run import STATE

FOLD = SEED = 0


@dataclass(frozen=True, kw_only=True)
class UnetSettings:
    """crop_px: side of the square training crops. crops: of each frame in an epoch."""

    crop_px: int = 96
    crops: int = 2
    batch_size: int = 8
    epochs: int = 30
    learning_rate: float = 2e-3
    weight_decay: float = 0.01


def train_unet(out: Path, settings: UnetSettings = UnetSettings()) -> NetRecord:
    """Train, or go on from the last whole epoch; the weights of the epoch with the best validation Dice are written."""
    parts = read_neurons(find_folder(NAME), fold=FOLD, seed=SEED)
    preprocess = _normalised(parts["training"])
    torch.manual_seed(SEED)
    network = build_net("unet", classes=1, channels=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    state: dict[str, Any] = {"history": [], "best": -1.0, "best_epoch": 0, "weights": {}}
    if (out / STATE).exists():
        kept = read_state(out / STATE)
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        state = kept["progress"]
    for epoch in range(len(state["history"]), settings.epochs):
        started = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_share(epoch, settings.epochs)
        loss = _epoch(network, optimiser, parts["training"], preprocess, settings, np.random.default_rng((SEED, epoch)))
        score = float(dice(predict_masks(network, parts["validation"], preprocess), parts["validation"].masks).mean())
        state["history"].append({"loss": loss, "dice": score, "seconds": time.perf_counter() - started})
        if score > state["best"]:
            weights = {name: value.clone() for name, value in network.state_dict().items()}
            state |= {"best": score, "best_epoch": epoch, "weights": weights}
        out.mkdir(parents=True, exist_ok=True)
        write_state(
            out / STATE,
            {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "progress": state},
        )
        print(f"unet epoch {epoch}: loss {loss:.3f}, validation Dice {score:.3f}", flush=True)
    network.load_state_dict(state["weights"])
    scores: dict[str, Any] = {"history": state["history"], "best_epoch": state["best_epoch"]}
    for part in ("validation", "test"):
        values = dice(predict_masks(network, parts[part], preprocess), parts[part].masks)
        scores[part] = {"frames": len(values), "groups": len(set(parts[part].groups)), "dice": float(values.mean())}
    training = parts["training"]
    record = NetRecord(
        name="unet",
        classes=("neuron",),
        metric="dice",
        preprocess=preprocess,
        trained_on=DataIdentity(
            name=NAME, licence="CC0-1.0", simulated=False, frames=len(training), groups=len(set(training.groups))
        ),
        fold=FOLD,
        seed=SEED,
        settings=asdict(settings),
        scores=scores,
        weights="",
    )
    write_net(out, network, record)
    (out / STATE).unlink()
    return record


@torch.no_grad()
def predict_masks(network: nn.Module, frames: Masked, preprocess: Preprocess) -> NDArray[np.bool_]:
    """(frame, height, width): where the logit is above 0. The network is left in evaluation mode."""
    network.eval()
    rows = [network(torch.from_numpy(preprocess.normalise(pixels)[None]))[0, 0] > 0 for pixels in frames.pixels]
    masks: NDArray[np.bool_] = torch.stack(rows).numpy()
    return masks


def _epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    frames: Masked,
    preprocess: Preprocess,
    settings: UnetSettings,
    rng: np.random.Generator,
) -> float:
    """Every frame `crops` times, in random order; returns the mean loss."""
    network.train()
    rows, losses = rng.permutation(np.repeat(np.arange(len(frames)), settings.crops)), []
    for start in range(0, len(rows), settings.batch_size):
        crops = [_crop(frames, row, settings.crop_px, rng) for row in rows[start : start + settings.batch_size]]
        images = torch.from_numpy(np.stack([preprocess.normalise(pixels) for pixels, _ in crops]))
        masks = torch.from_numpy(np.stack([mask for _, mask in crops])[:, None].astype(np.float32))
        loss = _loss(network(images.to(memory_format=torch.channels_last)), masks)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return math.fsum(losses) / len(losses)


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy plus 1 - soft Dice over the batch. Source: Milletari et al. 2016, arXiv:1606.04797, section 3."""
    share = logits.sigmoid()
    overlap = (2 * (share * masks).sum() + 1) / (share.square().sum() + masks.sum() + 1)
    return nn.functional.binary_cross_entropy_with_logits(logits, masks) + 1 - overlap


def _crop(frames: Masked, row: int, side: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A square crop, turned by any angle, mirrored, brighter or darker: a microscope's image has no up or down."""
    height, width = frames.pixels.shape[1:]
    x, y = rng.uniform(side / 2, width - side / 2), rng.uniform(side / 2, height - side / 2)
    turn = cv2.getRotationMatrix2D((x, y), rng.uniform(0, 360), rng.uniform(0.85, 1.2))
    mirror = rng.choice((-1.0, 1.0))
    centre = np.array([[mirror, 0.0, side / 2 - mirror * x], [0.0, 1.0, side / 2 - y]])
    matrix = centre @ np.vstack([turn, [0.0, 0.0, 1.0]])
    levels = rng.uniform(0.8, 1.2) * np.arange(256) + rng.uniform(-20, 20)
    pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[frames.pixels[row]]
    return (
        _warped(pixels, matrix, side, cv2.INTER_LINEAR),
        _warped(frames.masks[row], matrix, side, cv2.INTER_NEAREST),
    )


def _warped(plane: NDArray[np.uint8], matrix: NDArray[np.float64], side: int, how: int) -> NDArray[np.uint8]:
    warped = cv2.warpAffine(plane, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, np.uint8)


def _normalised(frames: Masked) -> Preprocess:
    levels = frames.pixels / SIZE.max_value
    return replace(SIZE, mean=(float(levels.mean()),), std=(float(levels.std()),))
