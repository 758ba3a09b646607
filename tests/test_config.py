"""Settings: typed, digested, and refused with the nearest name when misspelt."""

from pathlib import Path

import pytest

from gaitmb.config import EncoderConfig, SeverityConfig, StudyConfig, read_config
from gaitmb.errors import ConfigurationError, UnknownNameError


def _study(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def test_a_study_file_becomes_the_settings_it_names(tmp_path: Path) -> None:
    path = _study(
        tmp_path,
        'cohort = "demo"\nseed = 3\n[encoder]\nrate_hz = 50\n'
        '[severity]\nprotocol = "kfold"\nfolds = 5\n',
    )
    config = StudyConfig(**read_config(path))
    assert config == StudyConfig(
        "demo", 3, EncoderConfig(rate_hz=50.0), SeverityConfig(protocol="kfold", folds=5)
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("coohrt = 'demo'", "Did you mean 'cohort'?"),
        ("[severity]\nclasifier = 'svm'", "Did you mean 'severity.classifier'?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        read_config(_study(tmp_path, text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "seed = 'zero'",
        "seed = true",
        "seed = 1.5",
        "seed = -1\ncohort = 'demo'",
        "encoder = 3",
        "[severity]\nprotocol = 'bootstrap'",
        "[severity]\nfolds = 1",
        "[encoder]\nmax_frames = 8",
        "[encoder]\nrate_hz = nan",
        "cohort = ",
        "\x00",
    ],
)
def test_a_wrong_value_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        StudyConfig(**{"cohort": "demo", **read_config(_study(tmp_path, text))})


def test_a_study_file_that_is_not_there_or_not_text_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        read_config(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError):
        read_config(tmp_path / "bytes.toml")


def test_the_digest_follows_the_settings_and_not_where_files_lie() -> None:
    here = StudyConfig("a/cohort.csv", encoder=EncoderConfig(checkpoint="a/best.bin"))
    there = StudyConfig("b/cohort.csv", encoder=EncoderConfig(checkpoint="b/best.bin"))
    assert here.digest == there.digest
    assert here.digest != StudyConfig("a/cohort.csv", encoder=EncoderConfig(rate_hz=50.0)).digest
