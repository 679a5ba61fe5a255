"""Mail of the world: every one is stored, and as much of it is read rightly as was promised."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from conversations.channels.email.reading.scoring import (
    GOALS,
    MAIL_CORPORA,
    REPLY_CORPORA,
    CorpusScore,
    report,
    score_corpora,
)

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
needs_corpora = pytest.mark.skipif(not CORPORA.exists(), reason="the shared mail corpora are not beside this checkout")

# Reached once, never to be lost again: for measures without a stated goal, and above the goal where we are.
FLOORS = {
    ("stalwart-mail", "from address"): 1.0,
    ("stalwart-mail", "display name"): 1.0,
    ("stalwart-mail", "attachments"): 0.88,
    ("stalwart-mail", "body text"): 0.84,
    ("zammad-mail", "subject"): 1.0,
    ("zammad-mail", "attachments"): 1.0,
    ("zammad-mail", "body text"): 0.9,
    ("zbateson-mail", "subject"): 1.0,
    ("zbateson-mail", "body text"): 1.0,
    ("zbateson-mail", "html text"): 1.0,
    ("zbateson-mail", "recipient"): 1.0,
    ("zbateson-mail", "attachments"): 0.93,
    ("reply-crisp", "reply text"): 0.89,
    ("reply-crisp", "holds what it must"): 1.0,
    ("reply-discourse", "reply text"): 1.0,
    ("reply-github", "first fragment"): 1.0,
    ("reply-talon", "reply text"): 1.0,
    ("reply-talon", "reply from HTML"): 1.0,
}


@pytest.fixture(scope="module")
def scores() -> dict[str, CorpusScore]:
    return {score.corpus: score for score in score_corpora(CORPORA)}


@needs_corpora
@pytest.mark.parametrize("corpus", [*MAIL_CORPORA, *REPLY_CORPORA])
def test_every_mail_is_stored(scores: dict[str, CorpusScore], corpus: str) -> None:
    score = scores[corpus]
    assert score.mails > 0
    assert score.stored == score.mails


@needs_corpora
@pytest.mark.parametrize(("corpus", "measure"), sorted({*GOALS, *FLOORS}))
def test_the_share_read_rightly_stays_reached(scores: dict[str, CorpusScore], corpus: str, measure: str) -> None:
    found = scores[corpus].measures[measure]
    assert found.total > 0
    assert found.reached, f"goal {found.goal}, got {found.matching}/{found.total}: {found.misses}"
    assert found.share >= FLOORS.get((corpus, measure), 0), found.misses


@needs_corpora
def test_the_report_names_every_corpus_and_measure(scores: dict[str, CorpusScore]) -> None:
    page = report(list(scores.values()))
    for score in scores.values():
        assert f"| {score.corpus} | {score.mails} | {score.stored} |" in page
        for measure in score.measures.values():
            assert f"| {score.corpus} | {measure.name} | {measure.matching}/{measure.total} |" in page


def small_corpus(folder: Path, trimmed: str) -> Path:
    for name, text in (("emails", "New.\n\nOn 5 Jan 2026, at 15:00, Bo wrote:\n> old"), ("trimmed", trimmed)):
        (folder / "reply-discourse" / "dev" / name).mkdir(parents=True)
        (folder / "reply-discourse" / "dev" / name / "a.txt").write_text(text)
    return folder


def test_the_command_prints_what_it_measured(tmp_path: Path) -> None:
    out = io.StringIO()
    call_command("score_corpora", str(small_corpus(tmp_path, "New.")), stdout=out)
    assert "reply-discourse   1/1 stored" in out.getvalue()
    assert "reply text              1/1  ≥ 45/64 reached" in out.getvalue()


def test_the_command_fails_when_a_goal_is_missed(tmp_path: Path) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 goals were missed"):
        call_command("score_corpora", str(small_corpus(tmp_path, "Something else.")), "--misses", stdout=out)
    assert "a.txt" in out.getvalue()


def test_the_command_says_when_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing was measured"):
        call_command("score_corpora", str(tmp_path))
    with pytest.raises(CommandError, match="There are no corpora"):
        call_command("score_corpora", str(tmp_path / "missing"))
