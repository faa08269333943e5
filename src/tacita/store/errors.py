"""Errors of the store room."""

from tacita.errors import TacitaError


class StoreError(TacitaError):
    """The store can't do what was asked for."""


class StoreUnavailable(StoreError):  # noqa: N818 - the name says what is the case
    """The database can't be reached or started, or stayed busy through every retry. Nothing is known to be lost."""


class RowRefused(StoreError):  # noqa: N818 - the name says what is the case
    """The database refused a row for what it holds: a bug of ours. Nothing of its transaction was committed."""


class SchemaTooNew(StoreError):  # noqa: N818 - the name says what is the case
    """The database was migrated by a newer version of the code than this one."""


class BlobMissing(StoreError):  # noqa: N818 - the name says what is the case
    """There is no blob under this digest."""


class BlobCorrupt(StoreError):  # noqa: N818 - the name says what is the case
    """What is stored under this digest, or immutable name, is something else."""
