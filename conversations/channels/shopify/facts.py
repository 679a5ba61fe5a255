"""What is fixed of Shopify's Admin API, as of 29 November 2026 (shopify.dev; GraphQL schema 2026-07)."""

from __future__ import annotations

VERSION = "2026-07"
GRAPHQL = f"/admin/api/{VERSION}/graphql.json"
#: GraphQL has no mutation that writes a comment.
COMMENTS = f"/admin/api/{VERSION}/comments.json"
#: Of one question.
PAGE = 100
#: Of one comment; blogs show no more as one text.
MOST_CHARS = 5_000

_FIELDS = "id body status createdAt author { name email } article { id title blog { id } }"
NEWEST = "query Newest { comments(first: 1, sortKey: ID, reverse: true) { nodes { id } } }"
AFTER = (
    "query After($first: Int!, $query: String!) "
    f"{{ comments(first: $first, sortKey: ID, query: $query) {{ nodes {{ {_FIELDS} }} }} }}"
)
OF_ARTICLE = (
    "query OfArticle($id: ID!, $first: Int!) "
    f"{{ article(id: $id) {{ comments(first: $first, reverse: true) {{ nodes {{ {_FIELDS} }} }} }} }}"
)
CHECK = "query Check { shop { name } comments(first: 1) { nodes { id } } }"
