"""Files as objects of a bucket: Amazon S3 and whatever speaks its protocol, Google Cloud Storage among them.

The client is imported when the first file is asked for: only an installation that chose a bucket carries it
(docs/decisions/0081).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import IO, Any
from urllib.parse import urlsplit

from django.core.files.base import File
from django.core.files.storage import Storage

from conversations.storage import Away

AMAZON = "https://s3.amazonaws.com"
IN_MEMORY = 5_000_000  # bytes of an object that is read; a larger one goes over this machine's disk
PART = 5 * 2**20  # the least that the protocol takes as a part; a file is one part whatever its size
GONE = {"NoSuchKey", "NoSuchObject"}


class ObjectStorage(Storage):
    """A private bucket. What goes wrong is FileNotFoundError, or `Away` for everything else."""

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str = "",
        endpoint: str = "",
        region: str = "",
        key_id: str = "",
        secret: str = "",
        timeout: float = 10.0,
    ) -> None:
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self._endpoint, self._keys, self._timeout = endpoint or AMAZON, (key_id, secret), timeout
        # Always one: without it the client would ask the bucket for its region before it signs a link.
        self._region = region or "us-east-1"

    @cached_property
    def _client(self) -> Any:
        from minio import Minio
        from minio.credentials.providers import IamAwsProvider, StaticProvider
        from urllib3 import PoolManager, Retry, Timeout

        again = Retry(total=1, connect=0, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
        limits = Timeout(connect=min(2.0, self._timeout), read=self._timeout)
        address = urlsplit(self._endpoint)
        return Minio(
            address.netloc,
            secure=address.scheme == "https",
            region=self._region,
            # Without keys it is the machine's own role.
            credentials=StaticProvider(*self._keys) if self._keys[0] else IamAwsProvider(),
            http_client=PoolManager(timeout=limits, retries=again, maxsize=8),
        )

    def _object(self, name: str) -> tuple[str, str]:
        return self.bucket, f"{self.prefix}/{name}" if self.prefix else name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: File) -> str:
        """One PUT: an object is there as a whole or not at all."""
        with _told():
            content.seek(0)
            self._client.put_object(
                *self._object(name), content, content.size, part_size=max(PART, content.size), num_parallel_uploads=1
            )
        return name

    def _open(self, name: str, mode: str = "rb") -> File:
        """The whole object, fetched: what is read afterwards cannot break off."""
        kept: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  whoever asked closes it
        with _told():
            answer = self._client.get_object(*self._object(name))
            try:
                for chunk in answer.stream(1 << 16):
                    kept.write(chunk)
            finally:
                answer.close()
                answer.release_conn()
        kept.seek(0)
        return File(kept, name)

    def delete(self, name: str) -> None:
        """An object that is not there is no error."""
        with _told():
            self._client.remove_object(*self._object(name))

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        with _told():
            return int(self._client.stat_object(*self._object(name)).size)

    def link(self, name: str, *, seconds: int, disposition: str, kind: str) -> str:
        """An address at which whoever has it gets this object for so many seconds. It is signed here; nobody is asked."""
        answered = {
            "response-content-disposition": disposition,
            "response-content-type": kind,
            "response-cache-control": "private, no-store",
        }
        with _told():
            found = self._client.presigned_get_object(
                *self._object(name), expires=timedelta(seconds=seconds), response_headers=answered
            )
        return str(found)


@contextmanager
def _told() -> Iterator[None]:
    """The client's errors, and those of the connection below it, in our words; never with an address, which may be signed."""
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        if error.code in GONE:
            raise FileNotFoundError("The file is not in the bucket.") from None
        raise Away(f"The store of files refused ({str(error.code)[:60]}).") from None
    except (MinioException, HTTPError, ValueError) as error:
        raise Away(f"The store of files does not answer ({type(error).__name__}).") from None
