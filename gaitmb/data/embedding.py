"""EmbeddingTable: what the encoder made of every clip, with the clips' identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.errors import ConfigurationError, UnknownNameError

__all__ = ["CLIP_COLUMNS", "POOLINGS", "EmbeddingTable"]

CLIP_COLUMNS = ("participant_id", "session_id", "walk_id", "start", "end")

#: What each pooling over time keeps of the stored statistics.
POOLINGS = {"mean": (0,), "std": (1,), "mean_std": (0, 1)}


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """One row per clip.

    Parameters
    ----------
    clips
        Columns :data:`CLIP_COLUMNS`; ``[start, end)`` in frames of the resampled walk; sorted.
    vectors
        Mean and standard deviation over time of the representation of each joint, shape
        ``(n_clips, 2, J, C)``, float32.

    Raises
    ------
    ConfigurationError
        The two do not have the same number of clips.
    """

    clips: pd.DataFrame
    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 4 or len(self.clips) != len(self.vectors):
            raise ConfigurationError(
                f"{len(self.clips)} clips and vectors of shape {self.vectors.shape}",
                expected="one vector (2, J, C) per clip",
            )

    def __len__(self) -> int:
        return len(self.clips)

    def pooled(self, pooling: str) -> NDArray[np.float32]:
        """Features for a classifier, shape ``(n_clips, n_features)``.

        Parameters
        ----------
        pooling
            One of :data:`POOLINGS`.

        Examples
        --------
        >>> table = EmbeddingTable(pd.DataFrame({c: ["1"] for c in CLIP_COLUMNS}),
        ...                        np.zeros((1, 2, 17, 8), np.float32))
        >>> table.pooled("mean").shape, table.pooled("mean_std").shape
        ((1, 136), (1, 272))
        """
        if pooling not in POOLINGS:
            raise UnknownNameError("pooling", pooling, POOLINGS)
        kept = POOLINGS[pooling]
        whole = self.vectors if len(kept) == 2 else self.vectors[:, list(kept)]
        return whole.reshape(len(self), -1)
