import dataclasses

import numpy as np
import torch

from edgeneuro.preprocess import Preprocess
from edgeneuro.training.augment import AUGMENTATIONS
from edgeneuro.training.frames import Frames
from edgeneuro.training.paired import PairedBatches, PairOrder

SIZE = Preprocess(height=16, width=16, channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)


def frames(count: int = 6) -> Frames:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3)).astype(np.uint8)
    return Frames(pixels=pixels, targets=np.arange(count) % 3, groups=tuple(map(str, range(count))))


def paired(*, seed: int = 0, epoch: int = 0) -> PairedBatches:
    return PairedBatches(frames(), SIZE, seed, lambda: epoch, AUGMENTATIONS["photograph"])


def test_a_batch_holds_both_frames_of_each_pair_with_their_own_class() -> None:
    still = dataclasses.replace(
        AUGMENTATIONS["photograph"], rotation_deg=0, scale=0, brightness=0, contrast=0, saturation=0, erasing=0
    )
    both = PairedBatches(frames(), SIZE, 0, lambda: 0, still)
    images, targets, partners, partner_targets = both.__getitems__([(0, (1, 4)), (1, (2, 3))])
    assert targets.tolist() == [1, 2] and partner_targets.tolist() == [1, 0]
    own = torch.from_numpy(np.stack([SIZE.normalise(frame) for frame in frames().pixels]))
    for image, row in zip((*images, *partners), (1, 2, 4, 3), strict=True):
        assert torch.equal(image, own[row]) or torch.equal(image, own[row].flip(2))


def test_a_frame_never_looks_the_same_on_both_sides_or_in_two_pairs() -> None:
    images, _, partners, _ = paired().__getitems__([(0, (1, 1)), (1, (1, 1)), (2, (1, 1))])
    looks = [image.flatten().tolist() for image in (*images, *partners)]
    assert all(one != other for i, one in enumerate(looks) for other in looks[:i])


def test_a_pair_looks_the_same_again_whatever_was_drawn_before_and_otherwise_in_another_epoch_or_seed() -> None:
    both = paired()
    both.__getitems__([(0, (0, 1)), (1, (2, 3))])
    again = both.__getitems__([(7, (4, 5))])[0]
    assert torch.equal(again, paired().__getitems__([(7, (4, 5))])[0])
    assert not torch.equal(again, paired(epoch=1).__getitems__([(7, (4, 5))])[0])
    assert not torch.equal(again, paired(seed=1).__getitems__([(7, (4, 5))])[0])


def test_the_order_of_pairs_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int = 0, epoch: int = 0) -> list[tuple[int, tuple[int, int]]]:
        return list(PairOrder(frames(30).targets, 8, 0.5, seed, lambda: epoch))

    assert order() == order()
    assert order() != order(epoch=1) and order() != order(seed=1)
    assert [number for number, _ in order()] == list(range(24))
    assert len(PairOrder(frames(30).targets, 8, 0.5, 0, lambda: 0)) == 24
