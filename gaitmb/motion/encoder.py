"""The encoder: a clip to the mean and standard deviation of each joint's representation over time."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gaitmb.errors import QualityError
from gaitmb.motion.checkpoints import build_network, load_checkpoint
from gaitmb.motion.dstformer import DSTformer

__all__ = ["Encoder", "load_encoder", "one_thread"]


@dataclass(frozen=True, eq=False)
class Encoder:
    """A frozen network with what has to be said of its weights.

    Parameters
    ----------
    name
        What ``--encoder`` calls it.
    network
        In evaluation mode.
    checkpoint_sha256
        Of the file its weights came from; None where they are random.
    weights_digest
        SHA-256 over names, shapes and numbers of all weights: what embeddings are addressed by.
    """

    name: str
    network: DSTformer
    checkpoint_sha256: str | None
    weights_digest: str

    @property
    def trained(self) -> bool:
        """Whether the weights are anything but random."""
        return self.checkpoint_sha256 is not None

    def embed(self, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one clip.

        Parameters
        ----------
        clip
            Output of :func:`gaitmb.motion.clips.screen_clip`, shape ``(T, 17, 3)``.

        Returns
        -------
        Mean and standard deviation over frames, shape ``(2, 17, dim_rep)``.

        Raises
        ------
        QualityError
            The clip has numbers that are not finite.
        ConfigurationError
            The clip is longer than the network holds.
        """
        vector: NDArray[np.float32] = self.embed_batch([clip])[0]
        return vector

    def embed_batch(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embed clips of any lengths at once, padded and masked.

        Returns
        -------
        Shape ``(len(clips), 2, 17, dim_rep)``; each as if embedded alone, to 1e-5.
        """
        lengths = [len(clip) for clip in clips]
        batch = np.zeros((len(clips), max(lengths), *clips[0].shape[1:]), dtype=np.float32)
        for row, clip in zip(batch, clips, strict=True):
            if not np.isfinite(clip).all():
                raise QualityError(
                    "a clip holds numbers that are not finite",
                    expected="0, 0, 0 where a joint is missing",
                )
            row[: len(clip)] = clip
        padded = min(lengths) < max(lengths)
        frames = torch.arange(max(lengths))
        valid = frames < torch.tensor(lengths).unsqueeze(1) if padded else None
        with torch.inference_mode():
            represented = self.network.represent(torch.from_numpy(batch), valid)  # (B, T, J, C)
            pooled = [
                torch.stack([part.mean(dim=0), part.std(dim=0, correction=0)])
                for part in (row[:length] for row, length in zip(represented, lengths, strict=True))
            ]
            return np.asarray(torch.stack(pooled).numpy(), dtype=np.float32)


def load_encoder(architecture: str, checkpoint: Path | None = None, seed: int = 0) -> Encoder:
    """Build an encoder, in the same way in every process.

    Parameters
    ----------
    architecture
        Name in :data:`gaitmb.motion.checkpoints.ARCHITECTURES`.
    checkpoint
        File with its weights; None for random ones.
    seed
        Of the random ones.

    Raises
    ------
    UnknownNameError
        There is no such architecture.
    CheckpointError
        The weights do not fit or cannot be trusted.
    """
    if checkpoint is not None:
        loaded = load_checkpoint(checkpoint, architecture)
        with torch.device("meta"):  # no weights are drawn that the file's replace anyway
            network = build_network(architecture)
        network.load_state_dict(dict(loaded.state_dict), assign=True)
        sha256: str | None = loaded.sha256
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(architecture)
        sha256 = None
    network.requires_grad_(requires_grad=False)
    network.eval()
    return Encoder(architecture, network, sha256, _digest(network))


def _digest(network: DSTformer) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        digest.update(repr((key, tuple(tensor.shape), str(tensor.dtype))).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: a sum's last digits depend on how many share it.

    Examples
    --------
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
