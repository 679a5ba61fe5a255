from drafts.models.desk import Presence, SavedView, Writing
from drafts.models.drafts import BY_A_PERSON, Draft, DraftAction, DraftRevision, Hold
from drafts.models.goldens import EvalCase, EvalRun, Golden
from drafts.models.lanes import Lane
from drafts.models.learning import LearningSample
from drafts.models.prompts import PromptVersion
from drafts.models.topics import Topic

__all__ = [
    "BY_A_PERSON",
    "Draft",
    "DraftAction",
    "DraftRevision",
    "EvalCase",
    "EvalRun",
    "Golden",
    "Hold",
    "Lane",
    "LearningSample",
    "Presence",
    "PromptVersion",
    "SavedView",
    "Topic",
    "Writing",
]
