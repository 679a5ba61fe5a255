"""What proves the audit trail: the chain, signed checkpoints, copies outside, and the texts that its events bind.

`conversations.audit` writes and reads events; nothing here does, and nothing here is called in a request.
"""
