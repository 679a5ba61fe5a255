"""The review pane of one draft as plain values, built from what `drafts.queue.panes` fetched: no query happens here.

A part of the pane is a dataclass with `of`, which says what it is made of; a template takes the parts that it draws.
"""

from drafts.views.pane.acts import Can, Urls
from drafts.views.pane.banners import Action, Banner, Both
from drafts.views.pane.build import NOTHING, Doing, Pane, build
from drafts.views.pane.desk import Desk
from drafts.views.pane.reply import is_public, second_press

__all__ = [
    "NOTHING",
    "Action",
    "Banner",
    "Both",
    "Can",
    "Desk",
    "Doing",
    "Pane",
    "Urls",
    "build",
    "is_public",
    "second_press",
]
