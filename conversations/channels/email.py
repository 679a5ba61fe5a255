"""Placeholder of the lead until the helper writes this file: overwrite."""


class SmtpAdapter: ...
