"""Events to systems of the account's own, signed as https://www.standardwebhooks.com says (docs/decisions/0076)."""
