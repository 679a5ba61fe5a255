"""Sessions that end by the database's clock: on a web server whose own is wrong they end neither early nor late."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.backends import db

from conversations.database import database_time
from conversations.database.compiled import Compiled

if TYPE_CHECKING:
    from django.contrib.sessions.base_session import AbstractBaseSession
    from django.db.models import QuerySet


@Compiled
def _alive(given: Any) -> QuerySet[AbstractBaseSession]:
    model = SessionStore.get_model_class()
    return model.objects.filter(session_key=given.key, expire_date__gt=given.now)


class SessionStore(db.SessionStore):
    """Django's sessions in the database, the same rows (SESSION_ENGINE)."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        found = next(iter(_alive(key=self.session_key, now=database_time.now())), None)
        if found is None:
            self._session_key = None
        return found

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        kwargs.setdefault("modification", database_time.now())
        return super().get_expiry_date(**kwargs)

    @classmethod
    def clear_expired(cls) -> None:
        cls.get_model_class().objects.filter(expire_date__lt=database_time.now()).delete()
