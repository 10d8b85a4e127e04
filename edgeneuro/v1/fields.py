"""Receptive fields: what each neuron looks for in an image, and how much of its response that explains.

Settings of the reduced-rank regression: code of Stringer et al. 2019, 10.1038/s41586-019-1346-5. Responses are used as they are in the
recording: preprocess first. Fields are kept as two factors, since all of them at once are 734 MB at 10,000 neurons x 18,360 px.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.recording import Numbers
from edgeneuro.errors import DataError
from edgeneuro.manifest import Interval
from edgeneuro.metrics import RESAMPLES
from edgeneuro.metrics.resample import group_weights, percentile_interval
from edgeneuro.spec import Array, Float32
from edgeneuro.v1.rank_regression import ReducedRankRegression

MID_GREY = 128.0
CHUNK = 500
"""Neurons whose maps are in memory at once."""
SMOOTHING = 0.1
"""Standard deviation, of the height of an image, over which a field's energy is blurred before its strongest place is looked for."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, kw_only=True, eq=False)
class FieldMaps:
    """left: (pixel, rank), right: (rank, neuron); a neuron's field is left @ its column of right. shape: height and width, px."""

    left: Float32
    right: Float32
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.right.T)

    def maps(self, which: slice | Numbers) -> Float32:
        """(neuron, height, width), each with mean 0 and standard deviation 1 over pixels; all 0 for a flat one."""
        flat = (self.left @ self.right[:, which]).T
        flat = flat - flat.mean(1, keepdims=True)
        spread = flat.std(1, keepdims=True)
        scaled: Float32 = np.divide(flat, spread, out=np.zeros_like(flat), where=spread > 0)
        return scaled.reshape(-1, *self.shape)

    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where each field is strongest, (neuron, 2) x and y in px, and (neuron,) its largest absolute value, in standard deviations
        over pixels: high where a field is local, 2 to 3 where it is spread out. One chunk of neurons at a time."""
        blur = SMOOTHING * self.shape[0]
        centres, peaks = [], []
        for maps in self._chunks():
            energy = gaussian_filter(maps**2, (0, blur, blur)).reshape(len(maps), -1)
            y, x = np.unravel_index(energy.argmax(1), self.shape)
            centres.append(np.column_stack([x, y]).astype(np.float64))
            peaks.append(np.abs(maps).max((1, 2)).astype(np.float64))
        return np.concatenate(centres), np.concatenate(peaks)

    def _chunks(self) -> Iterator[Float32]:
        for start in range(0, len(self), CHUNK):
            yield self.maps(slice(start, start + CHUNK))


@dataclass(frozen=True, kw_only=True)
class FieldScores:
    """How well fields predict the responses to images that they were not fitted on.

    variance_explained: 1 - SSE / SST of the mean of two repeats, all neurons together, the training mean as zero. noise_corrected:
    1 - sum(res1 res2) / sum(y1 y2) over repeats, in which noise that differs between repeats cancels. Both with a 95 % interval over
    held-out images. of_neurons, of_neurons_corrected: the same a neuron, at QUANTILES; the corrected ones of `with_signal` neurons,
    whose repeats agree at all, sum(y1 y2) > 0.
    """

    rank: int
    alpha: float
    components: int | None
    training_images: int
    held_out_images: int
    neurons: int
    variance_explained: Interval
    noise_corrected: Interval
    of_neurons: tuple[float, ...]
    of_neurons_corrected: tuple[float, ...]
    with_signal: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedFields:
    """maps, scores: of all neurons. explained: (neuron,) variance explained on held-out images. training, held_out: image numbers."""

    maps: FieldMaps
    scores: FieldScores
    explained: NDArray[np.float64]
    training: Numbers
    held_out: Numbers


def refuse_lacking(recording: Recording, analysis: str, *fields: str) -> None:
    """Raises DataError where the session lacks what the analysis needs."""
    lacking = recording.lacks(*fields)
    if lacking is not None:
        raise DataError(
            f"{analysis}: {lacking}, expected {' and '.join(fields)}; choose another session or leave it out"
        )


def scaled_images(images: Array) -> Float32:
    """(image, pixel): grey levels around 128, each image of length 1. images: (image, height, width), grey levels 0..255.
    Memory: 4 bytes a pixel, 206 MB for 2,800 images of 68 x 270."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= MID_GREY
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat


def fit_fields(
    recording: Recording,
    *,
    seed: int,
    rank: int = 25,
    alpha: float = 0.005,
    components: int | None = 100,
) -> FittedFields:
    """Fields by reduced-rank regression of mean responses on scaled images, half of the images, drawn by `seed`, held out.

    alpha: 0.005 is the source's, for 1,400 training images; with fewer images or more noise a larger one explains more.
    components: responses are first brought to as many principal components at most, of the training half; None takes all neurons.
    Memory beside the recording: images and the responses of both repeats once, four matrices (image, neuron) of the held-out half,
    and 4 float64 matrices of training images squared. Raises DataError: no images, no repeats, fewer than 4 images.
    """
    refuse_lacking(recording, "receptive fields", "images")
    assert recording.images is not None
    numbers, repeats = recording.repeats()
    if len(numbers) < 4:
        raise DataError(
            f"{recording.name}: shows {len(numbers)} images twice, expected at least 4; half of them are held out"
        )
    order = np.random.default_rng(seed).permutation(len(numbers))
    training, held_out = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    images = scaled_images(recording.images[numbers])
    taught = repeats[:, training].mean(0)
    offset = taught.mean(0)
    taught -= offset
    model = ReducedRankRegression(rank, alpha)
    right = _fit(model, images[training], taught, components, seed)
    maps = FieldMaps(left=model.x_weights_, right=right, shape=recording.images.shape[1:])
    predicted = (images[held_out] - model.x_mean_) @ maps.left @ maps.right
    found = _Errors.of(repeats[:, held_out], predicted, offset)
    together, corrected = found.together(np.random.default_rng([seed, 1])), found.corrected()
    return FittedFields(
        maps=maps,
        scores=FieldScores(
            rank=len(maps.right),
            alpha=alpha,
            components=components,
            training_images=len(training),
            held_out_images=len(held_out),
            neurons=len(maps),
            variance_explained=together[0],
            noise_corrected=together[1],
            of_neurons=quantiles(found.explained()),
            of_neurons_corrected=quantiles(corrected),
            with_signal=len(corrected),
        ),
        explained=found.explained(),
        training=numbers[training],
        held_out=numbers[held_out],
    )


def response_weighted_average(recording: Recording) -> FieldMaps:
    """Fields as the mean image, weighted by how far the mean response of two repeats is from the neuron's mean:
    sum_i (r_in - mean r_n)(X_i - mean X) / sum_i |r_in - mean r_n|. Raises DataError: no images, no repeats.
    Memory beside the recording: images and the responses of both repeats once."""
    refuse_lacking(recording, "response-weighted average", "images")
    assert recording.images is not None
    numbers, repeats = recording.repeats()
    images = scaled_images(recording.images[numbers])
    weights = repeats.mean(0)
    weights -= weights.mean(0)
    weights /= np.maximum(np.abs(weights).sum(0), np.finfo(np.float32).tiny)
    return FieldMaps(left=(images - images.mean(0)).T, right=weights, shape=recording.images.shape[1:])


def _fit(
    model: ReducedRankRegression, images: Float32, responses: Float32, components: int | None, seed: int
) -> Float32:
    """Fits `model` and returns the right factor of the fields, (rank, neuron). images: (image, pixel). responses: (image, neuron), centred."""
    if components is None:
        right = model.fit(images, responses).y_weights_.T
    else:
        reduced = PCA(min(components, *responses.shape), random_state=seed).fit(responses)
        right = model.fit(images, reduced.transform(responses)).y_weights_.T @ reduced.components_
    responding = np.abs(responses).max(0) > 0
    return np.where(responding, right, np.float32(0))  # rounding is no field of a neuron that never responds


@dataclass(frozen=True, kw_only=True, eq=False)
class _Errors:
    """Sums over one axis of four products (image, neuron): squared error, squared response, errors of both repeats, their responses.
    by_image: (image, 4), by_neuron: (neuron, 4)."""

    by_image: NDArray[np.float64]
    by_neuron: NDArray[np.float64]

    @classmethod
    def of(cls, repeats: Float32, predicted: Float32, offset: Float32) -> _Errors:
        """repeats: (2, image, neuron). predicted: (image, neuron) without `offset`, (neuron,)."""
        first, second = repeats - offset
        mean = (first + second) / 2
        sums = []
        for a, b in ((mean - predicted,) * 2, (mean, mean), (first - predicted, second - predicted), (first, second)):
            product = a * b
            sums.append((product.sum(1, dtype=np.float64), product.sum(0, dtype=np.float64)))
        return cls(
            by_image=np.column_stack([images for images, _ in sums]),
            by_neuron=np.column_stack([neurons for _, neurons in sums]),
        )

    def explained(self) -> NDArray[np.float64]:
        """(neuron,), 0 for a neuron that never responds."""
        return 1 - _ratio(self.by_neuron[:, 0], self.by_neuron[:, 1])

    def corrected(self) -> NDArray[np.float64]:
        """(neuron with signal,) noise-corrected."""
        signal = self.by_neuron[:, 3] > 0
        return 1 - _ratio(self.by_neuron[signal, 2], self.by_neuron[signal, 3])

    def together(self, rng: np.random.Generator) -> tuple[Interval, Interval]:
        """Of all neurons: variance explained, and noise-corrected."""
        images = len(self.by_image)
        total = self.by_image.sum(0)
        drawn = np.concatenate([weights @ self.by_image for weights in group_weights(images, rng, RESAMPLES)])
        plain, corrected = (
            percentile_interval(
                float(1 - _ratio(total[error], total[of])), 1 - _ratio(drawn[:, error], drawn[:, of]), images
            )
            for error, of in ((0, 1), (2, 3))
        )
        return plain, corrected


def quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    """At QUANTILES; empty for no values."""
    return tuple(np.quantile(values, QUANTILES).tolist()) if len(values) else ()


def _ratio(error: Array, response: Array) -> Array:
    """1 where there is nothing to explain."""
    ratio: Array = np.divide(error, response, out=np.ones_like(np.asarray(error)), where=np.asarray(response) != 0)
    return ratio
