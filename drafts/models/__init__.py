from drafts.models.desk import Presence, SavedView, Writing
from drafts.models.drafts import Claim, Draft, DraftAction, DraftRevision
from drafts.models.goldens import EvalCase, EvalRun, Golden
from drafts.models.lanes import Lane
from drafts.models.learning import LearningSample
from drafts.models.prompts import PromptVersion
from drafts.models.topics import Topic

__all__ = [
    "Claim",
    "Draft",
    "DraftAction",
    "DraftRevision",
    "EvalCase",
    "EvalRun",
    "Golden",
    "Lane",
    "LearningSample",
    "Presence",
    "PromptVersion",
    "SavedView",
    "Topic",
    "Writing",
]
