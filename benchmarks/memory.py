"""Peak memory of `gaitmb classify` on cohorts of 50 and 500 walks.

Each cohort is run by the command line with two workers; what is printed is the largest resident memory
that Linux saw of the main process and of the largest worker.
Walks are the demo's, cut short so that the larger cohort takes minutes.

Run: python benchmarks/memory.py
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gaitmb.io.cohorts import load_walk, open_cohort
from gaitmb.io.keypoints import write_pose


def peaks_mb(command: list[str]) -> list[int]:
    """Run a command; the largest resident memory in MB that each of its processes ever had."""
    peaks: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:  # noqa: S603
        while process.poll() is None:
            for status in Path("/proc").glob("[0-9]*/status"):
                with contextlib.suppress(OSError, KeyError):
                    pid = int(status.parent.name)
                    if os.getsid(pid) == process.pid:
                        said = dict(line.split(":", 1) for line in status.read_text().splitlines())
                        peaks[pid] = max(peaks.get(pid, 0), int(said["VmHWM"].split()[0]) // 1024)
            time.sleep(0.1)
    if process.returncode:
        sys.exit(f"the run ended with {process.returncode}")
    return [peaks.pop(process.pid), *sorted(peaks.values(), reverse=True)]


def write_cohort(folder: Path, n_walks: int, n_frames: int) -> Path:
    """Write a manifest of `n_walks` walks of `n_frames` frames, five for each participant."""
    walks = open_cohort("demo").cohort.walks
    manifest = folder / f"walks{n_walks}.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("participant_id", "session_id", "walk_id", "path", "rating"))
        for number in range(n_walks):
            pose = load_walk(walks[number % len(walks)])
            start = number // len(walks)  # another cut of the walk, so that no two files are the same
            name = f"{n_walks}_{number}.npz"
            write_pose(folder / name, pose.slice(start, start + n_frames))
            table.writerow((f"P{number // 5:03d}", "1", number % 5, name, number % 3))
    return manifest


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--walks", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--frames", type=int, default=48)
    arguments = parser.parse_args()
    found: dict[int, list[int]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n_walks in arguments.walks:
            manifest = write_cohort(folder, n_walks, arguments.frames)
            command = [sys.executable, "-m", "gaitmb", "classify", "--cohort", str(manifest)]
            command += [
                "--protocol",
                "kfold",
                "--workers",
                "2",
                "--cache",
                str(folder / f"cache{n_walks}"),
            ]
            command += ["--out", str(folder / f"out{n_walks}")]
            main_mb, worker_mb, *_ = found[n_walks] = peaks_mb(command)
            print(
                f"{n_walks} walks: main process {main_mb} MB, largest worker {worker_mb} MB", flush=True
            )
    for place, name in enumerate(("main process", "largest worker")):
        print(f"{name}: {found[max(found)][place] / found[min(found)][place]:.2f} times as large")


if __name__ == "__main__":
    main()
