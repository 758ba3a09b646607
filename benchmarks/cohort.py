"""Leave-one-participant-out on cached embeddings, against running the frozen encoder again and again.

Published code evaluates a frozen encoder by sending every training clip through it in every epoch of
every fold. gaitmb sends each clip through it once. Both costs are CPU time on the same clips, encoder
and machine, one thread. One epoch of one fold is run as published code would (forward passes and a step
of the linear layer) and multiplied by the number of epochs and folds, which are all alike; gaitmb's cost
is measured whole: embedding, storing, reading back, and all folds with their inner folds.

Run: python benchmarks/cohort.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gaitmb.io.store import EmbeddingCache
from gaitmb.motion.encoder import Encoder, load_encoder, one_thread
from gaitmb.severity.evaluation import cross_validate
from gaitmb.severity.splits import assign_folds

EPOCHS = 20  # as the FG 2024 evaluation of encoders on Shida 2023 trained its linear layer


def published_epoch(
    encoder: Encoder, clips: NDArray[np.float32], ratings: NDArray[np.int64], batch: int = 16
) -> float:
    """CPU seconds of one epoch of one fold: every training clip through the frozen encoder."""
    linear = torch.nn.Linear(17 * encoder.network.dim_rep, 3)
    optimiser = torch.optim.RMSprop(linear.parameters(), lr=1e-5)
    began = time.process_time()
    for start in range(0, len(clips), batch):
        with torch.inference_mode():
            represented = encoder.network.represent(torch.from_numpy(clips[start : start + batch]))
            pooled = represented.mean(dim=1).flatten(1)
        loss = torch.nn.functional.cross_entropy(
            linear(pooled.clone()), torch.from_numpy(ratings[start : start + batch])
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.process_time() - began


def cached_evaluation(
    encoder: Encoder, clips: NDArray[np.float32], walks: pd.DataFrame, folder: Path
) -> tuple[float, float]:
    """CPU seconds of embedding all clips into the cache, and of evaluating all folds from there."""
    cache = EmbeddingCache(folder)
    began = time.process_time()
    keys = [cache.key(clip, encoder.weights_digest) for clip in clips]
    for key, clip in zip(keys, clips, strict=True):
        cache.write(key, encoder.embed(clip))
    embedded = time.process_time()
    vectors = [vector for vector in map(cache.read, keys) if vector is not None]
    folds = assign_folds(walks["participant_id"], walks["rating"], protocol="loso")
    cross_validate(
        np.stack(vectors).reshape(len(clips), -1),
        np.arange(len(clips)),
        walks,
        classes=("0", "1", "2"),
        classifier="logistic",
        folds=folds,
        ordinal=True,
    )
    return embedded - began, time.process_time() - embedded


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--encoder", default="motionbert-lite")
    parser.add_argument("--participants", type=int, default=24)
    parser.add_argument("--walks", type=int, default=4, help="per participant")
    parser.add_argument("--frames", type=int, default=81)
    arguments = parser.parse_args()

    random = np.random.default_rng(0)
    n_clips = arguments.participants * arguments.walks
    clips = random.uniform(-1, 1, (n_clips, arguments.frames, 17, 3)).astype(np.float32)
    ratings = random.integers(0, 3, n_clips)
    walks = pd.DataFrame(
        {
            "participant_id": [f"P{n // arguments.walks:03d}" for n in range(n_clips)],
            "session_id": "1",
            "walk_id": [str(n % arguments.walks) for n in range(n_clips)],
            "rating": ratings.astype(str),
        }
    )
    encoder = load_encoder(arguments.encoder)
    training = n_clips - arguments.walks
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        encoder.embed(clips[0])
        epoch_s = published_epoch(encoder, clips[:training], ratings[:training])
        embedding_s, folds_s = cached_evaluation(encoder, clips, walks, Path(folder))
    published_s = epoch_s * EPOCHS * arguments.participants
    ours_s = embedding_s + folds_s
    print(f"{n_clips} clips of {arguments.frames} frames, {arguments.participants} participants, LOSO")
    print(f"one epoch of one fold, encoder run again: {epoch_s:.1f} s CPU")
    print(f"  x {EPOCHS} epochs x {arguments.participants} folds = {published_s:,.0f} s CPU")
    print(f"each clip embedded once: {embedding_s:.1f} s CPU; all folds, nested: {folds_s:.1f} s CPU")
    print(f"ratio, from nothing: {published_s / ours_s:.0f}")
    print(f"ratio, embeddings cached: {published_s / folds_s:.0f}")


if __name__ == "__main__":
    main()
