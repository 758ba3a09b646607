"""How fast people are seen in a video, against the bare model, and what two cores make of two videos.

The bare model is MediaPipe's PoseLandmarker in VIDEO mode for as many people, with the same file, given
the decoded pictures from memory. Rates per core are frames per second of processor time, so that what
else the machine does matters little; the gain of two processes is wall time and means something only on
an idle machine with two cores.

    python benchmarks/video.py --video walk.mp4
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gaitmb.io.isolation import run_isolated
from gaitmb.io.video import probe_video
from gaitmb.pose.estimators import VideoDetections, detect_people
from gaitmb.pose.models import find_model

PEOPLE = 4


def children_cpu_s() -> float:
    """Processor time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared" / "video" / "two_people.mp4"
    parser.add_argument("--video", type=Path, default=default)
    parser.add_argument("--model-file", type=Path)
    arguments = parser.parse_args()
    model = find_model(path=arguments.model_file)
    info = probe_video(arguments.video)
    print(
        f"{info.codec} {info.size_px[0]}×{info.size_px[1]}, {info.frames_expected} frames, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )

    def see(_: int = 0) -> VideoDetections:
        return detect_people(arguments.video, model, max_people=PEOPLE, info=info)

    before = children_cpu_s()
    began = time.perf_counter()
    n_frames = see().counts.decoded
    one_wall_s = time.perf_counter() - began
    ours_s = (children_cpu_s() - before) / n_frames
    # Before the bare model runs, which holds all pictures in memory.
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    [bare] = run_isolated(
        "gaitmb.pose.mediapipe:bare_task",
        {"path": str(arguments.video.resolve()), "model": str(model.resolve()), "max_people": PEOPLE},
    )
    cost = bare.values
    began = time.perf_counter()
    see()
    one_wall_s = (one_wall_s + time.perf_counter() - began) / 2
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(see, range(2)))
    two_wall_s = time.perf_counter() - began
    print(f"bare model            {1 / cost['model']:6.1f} frames per second of processor time")
    print(f"gaitmb, all included  {1 / ours_s:6.1f}, {cost['model'] / ours_s:.2f} of the bare model")
    landmarks = max(cost["model"] - cost["detector"], 0.0)
    rest = max(ours_s - cost["model"] - cost["decode"], 0.0)
    for name, part in (
        ("decoding", cost["decode"]),
        ("detection", cost["detector"]),
        ("landmarks", landmarks),
        ("second looks, start", rest),
    ):
        print(f"  {name:20s}{1000 * part:6.1f} ms per frame, {part / ours_s:4.0%}")
    print(f"two videos, one after the other {2 * one_wall_s:.1f} s, side by side {two_wall_s:.1f} s")
    print(f"  {2 * one_wall_s / two_wall_s:.2f} times as fast")
    print(f"largest worker {peak_mb:.0f} MB resident")


if __name__ == "__main__":
    main()
