"""How long DSTformer takes for a clip, against a plain transcription of the published attention.

Both compute the same representation from the same weights in the same process, in one thread, and are
timed by the processor time of the process, in turns, so that what else the machine does falls on both.
Beside the times stands how near each comes to the machine's matrix products, which are measured too.

    python benchmarks/encoder.py --encoder motionbert-lite --frames 243
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812  # the name torch's own documentation uses
from torch import Tensor

from gaitmb.motion.checkpoints import ARCHITECTURES
from gaitmb.motion.encoder import load_encoder

Weights = Mapping[str, Tensor]


def plain_represent(weights: Weights, x: Tensor, *, num_heads: int, depth: int) -> Tensor:
    """The representation by the published steps: ``(B, T, J, 3)`` to ``(B, T, J, dim_rep)``."""
    b, t, j, _ = x.shape
    x = _linear(weights, "joints_embed", x.reshape(b * t, j, -1)) + weights["pos_embed"]
    x = (x.reshape(b, t, j, -1) + weights["temp_embed"][:, :t]).reshape(b * t, j, -1)
    for number in range(depth):
        streams = []
        for name, order in ((f"blocks_st.{number}", "st"), (f"blocks_ts.{number}", "ts")):
            stream = x
            for axis in order:
                normed = _norm(weights, f"{name}.norm1_{axis}", stream)
                stream = stream + _attention(weights, f"{name}.attn_{axis}", normed, num_heads, t, axis)
                normed = _norm(weights, f"{name}.norm2_{axis}", stream)
                hidden = F.gelu(_linear(weights, f"{name}.mlp_{axis}.fc1", normed))
                stream = stream + _linear(weights, f"{name}.mlp_{axis}.fc2", hidden)
            streams.append(stream)
        shares = _linear(weights, f"ts_attn.{number}", torch.cat(streams, dim=-1)).softmax(dim=-1)
        x = streams[0] * shares[..., 0:1] + streams[1] * shares[..., 1:2]
    x = _norm(weights, "norm", x).reshape(b, t, j, -1)
    return torch.tanh(_linear(weights, "pre_logits.fc", x))


def _attention(weights: Weights, name: str, x: Tensor, heads: int, t: int, axis: str) -> Tensor:
    """Softmax attention with its weights held in memory; `x` is (B·T, J, C)."""
    n, j, c = x.shape
    qkv = _linear(weights, f"{name}.qkv", x).reshape(n, j, 3, heads, c // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B·T, H, J, C/H)
    if axis == "t":
        q, k, v = (
            part.reshape(-1, t, heads, j, c // heads).permute(0, 2, 3, 1, 4) for part in (q, k, v)
        )  # each (B, H, J, T, C/H)
    attention = ((q @ k.transpose(-2, -1)) * (c // heads) ** -0.5).softmax(dim=-1)
    y = attention @ v
    y = y.permute(0, 3, 2, 1, 4) if axis == "t" else y.transpose(1, 2)
    return _linear(weights, f"{name}.proj", y.reshape(n, j, c))


def _linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)


def products_gflop(weights: Weights, *, frames: int, depth: int) -> float:
    """Floating-point operations of all matrix products of a clip, in 1e9; nothing else is counted."""
    joints = weights["pos_embed"].shape[1]
    channels = weights["pos_embed"].shape[2]
    matrices = sum(w.numel() for key, w in weights.items() if w.ndim == 2 and not key.startswith("head"))
    # Scores and weighted sums: in each of 2 streams every token meets all joints and all frames.
    attention = depth * 2 * 2 * channels * (joints + frames)
    return 2 * frames * joints * (matrices + attention) / 1e9


def processor_s(work: Callable[[], object]) -> float:
    """Processor time that `work` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", choices=sorted(ARCHITECTURES), default="motionbert-lite")
    parser.add_argument("--frames", type=int, default=243, help="frames of the clip, 1 to 243")
    parser.add_argument("--runs", type=int, default=11, help="measurements of each; medians are given")
    given = parser.parse_args()

    torch.set_num_threads(1)
    network = load_encoder(given.encoder).network
    with torch.no_grad():
        # Fresh weights are so small that most of the network hardly matters; these all do.
        random = torch.Generator().manual_seed(0)
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=random), alpha=0.03)
    weights = network.state_dict()
    sizes = ARCHITECTURES[given.encoder]
    depth, heads = sizes["depth"], sizes["num_heads"]
    clip = torch.rand(1, given.frames, 17, 3, generator=random) * 2 - 1
    square = torch.rand(2048, 2048, generator=random)

    works: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: plain_represent(weights, clip, num_heads=heads, depth=depth),
        "gaitmb": lambda: network.represent(clip),
        "product": lambda: square @ square,
    }
    with torch.inference_mode():
        answers = {name: work() for name, work in works.items()}  # also warms up
        apart = float((answers["plain"] - answers["gaitmb"]).abs().max())
        assert apart < 1e-4, f"the two differ by {apart:.1e}"
        times = {name: [processor_s(work)] for name, work in works.items()}
        for _ in range(given.runs - 1):
            for name, work in works.items():
                times[name].append(processor_s(work))

    seconds = {name: statistics.median(measured) for name, measured in times.items()}
    # Neighbours in time, so that a machine that slows down midway does not count for one of them.
    ratios = sorted(a / b for a, b in zip(times["plain"], times["gaitmb"], strict=True))
    peak = 2 * 2048**3 / seconds["product"] / 1e9
    work_gflop = products_gflop(weights, frames=given.frames, depth=depth)
    print(
        f"{given.encoder}, {given.frames} frames, 1 thread, processor time, {given.runs} runs in turns"
    )
    print(f"largest difference of the representations: {apart:.1e}")
    print(
        f"matrix products at this machine's peak: {peak:.0f} GFLOP/s; of a clip: {work_gflop:.1f} GFLOP"
    )
    for name in ("plain", "gaitmb"):
        median_s, least_s = seconds[name], min(times[name])
        share = work_gflop / median_s / peak
        print(f"{name:7s} median {median_s:.3f} s, least {least_s:.3f} s, {share:.0%} of its peak")
    print(
        f"gaitmb is {seconds['plain'] / seconds['gaitmb']:.2f} times as fast by medians; run by run "
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); "
        f"by least {min(times['plain']) / min(times['gaitmb']):.2f}"
    )


if __name__ == "__main__":
    main()
