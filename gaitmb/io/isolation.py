"""Work on files of strangers in a process of its own: killable, bounded, and without a network.

Video decoders and inference libraries are large C and C++ programs that read whatever a phone, a clinic
or an attacker wrote. They never run in gaitmb's own process: :func:`run_isolated` starts a fresh
interpreter that

- has no network where the system allows it (Linux network namespaces), and otherwise a proxy on loopback
  behind which nobody listens: mediapipe sends usage metrics to its maker and cannot be told not to;
- is killed when it takes too much memory, says nothing for too long, or its caller is gone;
- may crash without taking anything along: what it sent until then has arrived.

It answers with messages, a short JSON header and raw bytes; nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any

from gaitmb.errors import ReadError

__all__ = ["Limits", "Message", "WorkerLost", "run_isolated"]

_HEADER = struct.Struct("<II")
_MAX_MESSAGE_BYTES = 256 * 2**20
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_POLL_S = 0.5


@dataclass(frozen=True)
class Limits:
    """How much a worker may take before it is killed.

    Parameters
    ----------
    memory_mb
        Resident memory, in MiB; watched where the system tells it (Linux).
    silence_s
        Longest time without a message.
    total_s
        Longest time in all; None for no bound of its own.
    """

    memory_mb: int = 2000
    silence_s: float = 60.0
    total_s: float | None = None


@dataclass(frozen=True)
class Message:
    """One answer of a worker: `kind`, a few `values`, and raw `content`."""

    kind: str
    values: dict[str, Any]
    content: bytes = b""


class WorkerLost(ReadError):  # noqa: N818  # it says what happened, as the other errors do
    """A worker died or was killed before its work was done; what it sent until then is good.

    `code` is ``crashed``, ``memory_limit`` or ``time_limit``.
    """

    code = "crashed"


class _MemoryExceeded(WorkerLost):
    code = "memory_limit"


class _TimeExceeded(WorkerLost):
    code = "time_limit"


def run_isolated(
    task: str, arguments: dict[str, Any], limits: Limits | None = None
) -> Generator[Message, None, None]:
    """Run a generator function of gaitmb in a process of its own and hand on what it yields.

    Closing the generator, an exception in the caller and Ctrl-C kill the process.

    Parameters
    ----------
    task
        ``module:function`` within gaitmb. The function takes `arguments` as keywords and yields
        :class:`Message`.
    arguments
        Values that JSON can carry.
    limits
        When to kill it.

    Raises
    ------
    WorkerLost
        It crashed or was killed; after all of its messages have been handed on.
    ReadError
        The task raised it.

    Examples
    --------
    >>> [message.values for message in run_isolated("gaitmb.io.isolation:network_state", {})]
    [{'network': ...}]
    """
    limits = limits or Limits()
    process = subprocess.Popen(  # our own interpreter and module
        [sys.executable, "-P", "-m", "gaitmb.io.isolation"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise WorkerLost("a worker without pipes")
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"task": task, "arguments": arguments}).encode())
            process.stdin.close()
        yield from _listen(process, process.stdout, limits)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _environment() -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("COV_")
    }
    # Two workers on two cores are faster than one with two threads, and results must not depend on it.
    environment.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    environment.update({"GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"})
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    return environment


def _listen(process: subprocess.Popen[bytes], stream: IO[bytes], limits: Limits) -> Iterator[Message]:
    # A bounded queue: a worker that is faster than its caller waits instead of filling the memory.
    inbox: queue.Queue[Message | None] = queue.Queue(maxsize=32)
    stopped = threading.Event()
    threading.Thread(target=_receive, args=(stream, inbox, stopped), daemon=True).start()
    began = heard = time.monotonic()
    try:
        while True:
            try:
                message = inbox.get(timeout=_POLL_S)
            except queue.Empty:
                message = Message("", {})
            now = time.monotonic()
            if message is None:
                break
            if message.kind == "error":
                raise ReadError(**message.values)
            if message.kind:
                yield message
                heard = time.monotonic()  # the time the caller took is not the worker's silence
            elif now - heard > limits.silence_s:
                raise _TimeExceeded(f"reading stood still for {limits.silence_s:.0f} s")
            if limits.total_s is not None and now - began > limits.total_s:
                raise _TimeExceeded(f"reading took longer than {limits.total_s:.0f} s")
            if _resident_mb(process.pid) > limits.memory_mb:
                raise _MemoryExceeded(f"reading took more than {limits.memory_mb} MB of memory")
    finally:
        stopped.set()
    if process.wait() != 0:
        raise WorkerLost("the program that reads it crashed")


def _receive(stream: IO[bytes], inbox: queue.Queue[Message | None], stopped: threading.Event) -> None:
    def put(message: Message | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                inbox.put(message, timeout=_POLL_S)
                return

    with contextlib.suppress(OSError, ValueError):  # the pipe was closed under a killed worker
        while len(header := stream.read(_HEADER.size)) == _HEADER.size:
            n_header, n_content = _HEADER.unpack(header)
            if n_header + n_content > _MAX_MESSAGE_BYTES:
                break
            values, content = stream.read(n_header), stream.read(n_content)
            if len(values) < n_header or len(content) < n_content:
                break
            document = json.loads(values)
            put(Message(document.pop("kind"), document, content))
    put(None)


def _resident_mb(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123  # read four times a second
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError, ValueError, AttributeError):
        return 0.0


# What follows runs in the worker.


def network_state() -> Iterator[Message]:
    """What network the worker has: ``none`` (a namespace of its own) or ``dead_proxy``."""
    proxy = os.environ.get("https_proxy", "")
    try:
        port = int(proxy.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        reached = True
    except (OSError, ValueError):
        reached = False
    values = {"network": os.environ.get("GAITMB_NETWORK", ""), "https_proxy": proxy, "reached": reached}
    yield Message("network", {**values, "no_proxy": os.environ.get("no_proxy", "")})


def idle_task(seconds: float, greet: bool = False) -> Iterator[Message]:
    """Sleep, to see that silence is noticed; with `greet`, tell the own process id first."""
    if greet:
        yield Message("hello", {"pid": os.getpid()})
    time.sleep(seconds)


def greedy_task(mb: int) -> Iterator[Message]:
    """Fill `mb` MiB of memory and wait, to see that it is noticed."""
    held = bytearray(os.urandom(2**20) * mb)
    time.sleep(30)
    yield Message("held", {"bytes": len(held)})


def crash_task(after: int) -> Iterator[Message]:
    """Send `after` messages and die, to see that they arrive."""
    for number in range(after):
        yield Message("sent", {"number": number})
    os.abort()


def _leave_network() -> socket.socket:
    """Take the network away, as far as the system allows it; before any thread is started."""
    # The port is bound and never listened on: nobody else can answer there while the worker lives.
    dead = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    dead.bind(("127.0.0.1", 0))
    proxy = f"http://127.0.0.1:{dead.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
        os.environ[name] = os.environ[name.upper()] = proxy
    os.environ["GAITMB_NETWORK"] = "dead_proxy"
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        # Root needs no user namespace, in which it would lose the right to read files of others.
        if libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
            os.environ["GAITMB_NETWORK"] = "none"
    return dead


def _send(stream: IO[bytes], message: Message) -> None:
    values = json.dumps({"kind": message.kind, **message.values}).encode()
    stream.write(_HEADER.pack(len(values), len(message.content)))
    stream.write(values)
    stream.write(message.content)
    stream.flush()


def _work() -> None:
    dead_proxy = _leave_network()
    order = json.loads(sys.stdin.buffer.read())
    # Libraries print to the standard output; answers go through a copy that only this function has.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    module, _, function = order["task"].partition(":")
    if not module.startswith("gaitmb."):
        raise ImportError(module)
    task: Callable[..., Iterator[Message]] = getattr(importlib.import_module(module), function)
    try:
        for message in task(**order["arguments"]):
            _send(answers, message)
    except ReadError as error:
        values = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        _send(answers, Message("error", values))
    dead_proxy.close()


if __name__ == "__main__":
    _work()
    # Inference libraries crash in their own clean-up when the interpreter ends; nothing is left to do.
    os._exit(0)
