from drafts.models.drafts import Claim, Draft, DraftAction, DraftRevision
from drafts.models.learning import LearningSample
from drafts.models.prompts import PromptVersion

__all__ = ["Claim", "Draft", "DraftAction", "DraftRevision", "LearningSample", "PromptVersion"]
