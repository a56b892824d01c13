"""A refusal is obeyed at once, remembered on disk, and belongs to one project."""

import os
from pathlib import Path

import pytest

from shockmouse_analytics.privacy import Consent


def consent(state_dir: Path | None, project: str = "shop", **environ: str) -> Consent:
    return Consent(project=project, state_dir=state_dir, environ=environ)


def test_nobody_has_refused_at_first_and_asking_writes_nothing(tmp_path: Path) -> None:
    assert consent(tmp_path / "state").refused is False
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_remembered_for_the_next_start(tmp_path: Path) -> None:
    first = consent(tmp_path / "state")
    assert first.opt_out() is True
    assert [first.refused, consent(tmp_path / "state").refused] == [True, True]


def test_a_refusal_can_be_taken_back(tmp_path: Path) -> None:
    first = consent(tmp_path)
    first.opt_out()
    assert first.opt_in() is True
    assert [first.refused, consent(tmp_path).refused] == [False, False]


def test_a_refusal_holds_for_one_project(tmp_path: Path) -> None:
    consent(tmp_path, "shop").opt_out()
    assert [consent(tmp_path, name).refused for name in ("shop", "blog")] == [True, False]


def test_another_process_refusal_is_seen_when_looked_for_again(tmp_path: Path) -> None:
    ours, theirs = consent(tmp_path), consent(tmp_path)
    theirs.opt_out()
    assert ours.refused is False
    ours.reload()
    assert ours.refused is True


@pytest.mark.parametrize(
    ("value", "refused"), [("1", True), ("true", True), ("yes", True), ("0", False), ("false", False), ("", False)]
)
def test_do_not_track_in_the_environment_is_a_refusal(tmp_path: Path, value: str, refused: bool) -> None:
    assert consent(tmp_path, DO_NOT_TRACK=value).refused is refused


def test_opting_in_does_not_overrule_do_not_track(tmp_path: Path) -> None:
    asked = consent(tmp_path, DO_NOT_TRACK="1")
    assert asked.opt_in() is False
    assert asked.refused is True


def test_where_nothing_can_be_stored_a_refusal_holds_for_the_process(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state_dir in (None, tmp_path / "file" / "state"):
        asked = consent(state_dir)
        assert asked.opt_out() is False
        asked.reload()
        assert asked.refused is True
        assert asked.opt_in() is True
        assert asked.refused is False


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_only_the_owner_can_see_what_is_remembered(tmp_path: Path) -> None:
    consent(tmp_path / "state").opt_out()
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert [(tmp_path / "state").stat().st_mode & 0o777, modes] == [0o700, {0o600}]
