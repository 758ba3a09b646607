"""The other commands, and what starting any of them loads."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from gaitmb.cli import main
from gaitmb.motion.encoder import load_encoder


def _python(script: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return ran.stdout


HEAVY = ("torch", "cv2", "streamlit", "mediapipe", "sklearn", "pandas", "plotly", "scipy")


@pytest.mark.parametrize(
    "start",
    ["import gaitmb", "import gaitmb.cli", "from gaitmb import cli; cli._parser().format_help()"],
)
def test_starting_loads_nothing_heavy(start):
    script = f"{start}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    assert _python(script).strip() == "[]"


def test_the_review_app_loads_no_torch():
    script = "import sys, gaitmb.io.store, gaitmb.viz, gaitmb.workflow\nprint('torch' in sys.modules)"
    assert _python(script).strip() == "False"


def test_version_and_help_are_told(capsys):
    for flag, said in (("--version", f"gaitmb {version('gaitmb')}"), ("--help", "classify")):
        with pytest.raises(SystemExit) as caught:
            main([flag])
        assert caught.value.code == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["clasify"], ["classify", "--folds", "seven"]])
def test_wrong_usage_is_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: gaitmb" in capsys.readouterr().err


def test_the_doctor_tells_what_is_there(capsys):
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["gaitmb"]["version"] == version("gaitmb")
    assert findings["libraries"]["torch"] == version("torch")
    assert findings["encoders"]["motionbert-lite"].startswith("untrained")
    assert set(findings["cohorts"]) == {"calgary", "care_pd", "demo", "shida2023"}
    assert main(["doctor"]) == 0
    assert version("torch") in capsys.readouterr().out


def test_weights_are_added_listed_and_used_by_name(tmp_path: Path, capsys):
    network = load_encoder("motionbert-lite", seed=9).network
    torch.save({"model_pos": network.state_dict()}, tmp_path / "best_epoch.bin")
    add = ["weights", "add", str(tmp_path / "best_epoch.bin"), "--name", "clinic"]
    assert main([*add, "--architecture", "motionbert-lite", "--licence", "own", "--data", "walks"]) == 0
    capsys.readouterr()
    assert main(["weights", "list", "--json"]) == 0
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert set(cards) == {"motionbert", "motionbert-lite", "clinic"}
    assert cards["clinic"]["trained"] is True
    assert cards["clinic"]["licence"] == "own"
    assert cards["motionbert"]["n_parameters"] == 42_466_317
    from gaitmb.workflow.prepare import named_encoder

    encoder = named_encoder("clinic", None, 0)
    assert encoder.name == "clinic"
    assert encoder.checkpoint_sha256 == cards["clinic"]["sha256"]
    torch.testing.assert_close(encoder.network.state_dict(), network.state_dict(), rtol=0, atol=0)
    assert main(["weights", "list"]) == 0
    assert "clinic" in capsys.readouterr().out


def test_added_weights_that_changed_since_are_refused(tmp_path: Path, capsys):
    torch.save(load_encoder("motionbert-lite", seed=9).network.state_dict(), tmp_path / "a.pt")
    add = ["weights", "add", str(tmp_path / "a.pt"), "--architecture", "motionbert-lite"]
    assert main([*add, "--name", "changed"]) == 0
    kept = tmp_path / "weights/changed.safetensors"
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.write_bytes(bytes(content))
    capsys.readouterr()
    assert main(["classify", "--cohort", "demo", "--encoder", "changed"]) == 2
    assert "have changed since they were added" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "architecture", "said"),
    [
        ("Upper Case", "motionbert-lite", "small letters"),
        ("../escape", "motionbert-lite", "small letters"),
        ("motionbert", "motionbert-lite", "architecture's name"),
        ("mine", "motionbrt", "Did you mean 'motionbert'?"),
        ("mine", "motionbert", "cannot be opened"),
    ],
)
def test_weights_that_cannot_be_added_are_refused(tmp_path, capsys, name, architecture, said):
    add = ["weights", "add", str(tmp_path / "none.bin"), "--name", name, "--architecture", architecture]
    assert main(add) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()
