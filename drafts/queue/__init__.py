"""Every question the queue page asks: which drafts wait, how many, what was just decided, what is next.

No OFFSET and no unbounded count: pages go by keyset, counts stop at a hundred. The picked page is fenced in a
sub-select, so that stale statistics cannot turn the plan around.
"""

from drafts.queue.around import COUNT_CAP, Decided, Summary, moment, summary
from drafts.queue.review import following, following_panes, panes
from drafts.queue.rows import PAGE, SHOWS, SORTS, Channels, Filters, feed, neighbour, waiting

__all__ = [
    "COUNT_CAP",
    "PAGE",
    "SHOWS",
    "SORTS",
    "Channels",
    "Decided",
    "Filters",
    "Summary",
    "feed",
    "following",
    "following_panes",
    "moment",
    "neighbour",
    "panes",
    "summary",
    "waiting",
]
