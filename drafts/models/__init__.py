from drafts.models.configuration import ConfigDocument
from drafts.models.desk import Presence, SavedView, Writing
from drafts.models.drafts import ACTS, BY_A_PERSON, NOTHING_ASKED, Draft, DraftAction, DraftRevision, Hold
from drafts.models.goldens import EvalCase, EvalRun, Golden
from drafts.models.lanes import Lane
from drafts.models.learning import LearningSample
from drafts.models.practice import PracticeTurn, Scenario, ScoreCard
from drafts.models.prompts import PromptVersion
from drafts.models.snippets import Snippet
from drafts.models.topics import Topic

__all__ = [
    "ACTS",
    "BY_A_PERSON",
    "NOTHING_ASKED",
    "ConfigDocument",
    "Draft",
    "DraftAction",
    "DraftRevision",
    "EvalCase",
    "EvalRun",
    "Golden",
    "Hold",
    "Lane",
    "LearningSample",
    "PracticeTurn",
    "Presence",
    "PromptVersion",
    "SavedView",
    "Scenario",
    "ScoreCard",
    "Snippet",
    "Topic",
    "Writing",
]
