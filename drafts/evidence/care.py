"""Who reads before they sign: what became of check drafts, and whose approvals are evidence of anything.

A check draft has one outcome for each person: their first act on it. Whoever approved it with the planted statement in
it missed it; whoever took the statement out, rejected the draft or sent it back for another caught it; an answer given
elsewhere says neither.
"""

from __future__ import annotations

READ_WORDS_PER_SECOND = 8
"""Twice as fast as people read silently (238 words a minute; Brysbaert 2019, "How many words do we read per minute?")."""
MIN_READ_MS = 5000  # whatever the length
CHECKS_LOOKED_AT = 10  # a person's newest
MAX_MISSED = 0.2  # a larger share of them, and their approvals count for nothing; of fewer than five, one is enough

#: One row for each person and check draft: user_id, created_at, outcome. Needs %(account)s.
OUTCOMES = """
SELECT DISTINCT ON (a.draft_id, a.user_id) a.user_id, a.created_at,
       CASE a.type WHEN 'approve' THEN 'missed' WHEN 'answer_elsewhere' THEN 'elsewhere' ELSE 'caught' END AS outcome
  FROM drafts_draftaction a JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = a.draft_id
 WHERE a.account_id = %(account)s AND d.is_canary AND a.user_id IS NOT NULL
   AND a.type IN ('approve', 'edit', 'reject', 'regenerate', 'answer_elsewhere')
 ORDER BY a.draft_id, a.user_id, a.created_at, a.id
"""
#: The people who miss check drafts. Needs %(account)s.
CARELESS = f"""
SELECT user_id
  FROM (SELECT user_id, outcome, row_number() OVER (PARTITION BY user_id ORDER BY created_at DESC) AS newest
          FROM ({OUTCOMES}) outcomes WHERE outcome <> 'elsewhere') seen
 WHERE newest <= {CHECKS_LOOKED_AT}
 GROUP BY user_id HAVING avg((outcome = 'missed')::int) > {MAX_MISSED}
"""  # noqa: S608 - of our own constants
#: Whether the approval `a` of the draft `d` was made by somebody who read it. Approvals of which no time is known, a batch's
#: and those without the script, are not: what opens a lane fails closed.
WAS_READ = f"""
(a.viewed_ms >= greatest({MIN_READ_MS}, 1000.0 / {READ_WORDS_PER_SECOND} * cardinality(regexp_split_to_array(d.suggested_text, '\\s+')))
 AND a.user_id IS NOT NULL AND a.user_id NOT IN ({CARELESS}))
"""
