"""A deployment's folder and settings: `tacita.toml`, overruled by `TACITA_*` environment variables."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tacita.crypto.app_attest import AppAttest, Environment
from tacita.crypto.keyring import Keyring
from tacita.crypto.providers import KekSource, kek_source
from tacita.crypto.providers.local import default_source
from tacita.errors import TacitaError
from tacita.privacy.policy import MIN_COHORT
from tacita.store.postgres import EmbeddedPostgres

CONFIG_NAME = "tacita.toml"


class ConfigError(TacitaError):
    """The folder is not a deployment, or a setting is wrong; the message names which."""


class Settings(BaseSettings):
    """What an operator can set. Each field may also come from the environment as `TACITA_<FIELD>`.

    Attributes:
        round_size: distinct devices that close a round and without which nothing is released.
        database_url: an own PostgreSQL server instead of the embedded one.
        poll_seconds: between two looks of the round driver at the collecting round.
        training_timeout_seconds: after which a training run is killed.
        pool_size: database connections of one API worker.
        submissions_per_hour: how many a device may send in the long run, over all workers of a machine.
        submission_burst: how many it may send at once.
        headers_within_s: a connection whose request headers take longer is closed.
        body_within_s: a connection whose request body takes longer after that is closed.
        max_connections: open at one API worker at once; more are closed.
        kek_source: where the key-encryption key is kept (`crypto/providers`); left out, `TACITA_KEK` if it is set, else
            a file beside the keys.
        blobs: an S3 bucket for models and signed metadata, as `s3://bucket/prefix`, instead of the deployment's folder;
            region, credentials and endpoint come from the environment, as `AWS_…`.
        attestation: whether an enrolment must carry an App Attest attestation (contract §5.4).
        attestation_app_ids: the apps it may be of, each as `<team id>.<bundle id>`.
        attestation_environment: which of Apple's attestation services it may be from.
        attestation_root: a PEM file with another root certificate than Apple's own, relative to the folder.
    """

    model_config = SettingsConfigDict(env_prefix="TACITA_", extra="forbid")

    round_size: int = Field(default=MIN_COHORT, ge=1, le=10_000_000)
    database_url: str | None = Field(default=None, min_length=1)
    poll_seconds: float = Field(default=0.5, gt=0, le=3_600)
    training_timeout_seconds: float = Field(default=3_600, gt=0)
    pool_size: int = Field(default=8, ge=1, le=1_000)
    submissions_per_hour: float = Field(default=60, gt=0, le=1_000_000)
    submission_burst: int = Field(default=30, ge=1, le=1_000_000)
    headers_within_s: float = Field(default=10, gt=0, le=3_600)
    body_within_s: float = Field(default=30, gt=0, le=3_600)
    max_connections: int = Field(default=2_000, ge=1, le=1_000_000)
    kek_source: str | None = Field(default=None, min_length=1)
    blobs: str | None = Field(default=None, pattern=r"^s3://[^/]+")
    attestation: Literal["off", "required"] = "off"
    attestation_app_ids: list[Annotated[str, Field(pattern=r"^[A-Z0-9]{10}\.[A-Za-z0-9.-]+$")]] = []
    attestation_environment: Environment = "production"
    attestation_root: Path | None = None

    @model_validator(mode="after")
    def _attested_apps_are_named(self) -> Self:
        if self.attestation == "required" and not self.attestation_app_ids:
            raise ValueError("attestation is required, but attestation_app_ids names no app")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment overrule the file, which overrules the defaults."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


@dataclass(frozen=True)
class Deployment:
    """A deployment folder and what lies where in it."""

    folder: Path
    settings: Settings

    @property
    def keys(self) -> Path:
        """Sealed keys."""
        return self.folder / "keys"

    @property
    def blobs(self) -> Path:
        """Models by digest, and the TUF repository."""
        return self.folder / "blobs"

    @property
    def runs(self) -> Path:
        """Training runs, each a folder of release files, artefacts and logs."""
        return self.folder / "runs"

    @property
    def rates(self) -> Path:
        """The token buckets that all API workers of this machine share."""
        return self.folder / "rates"

    @contextmanager
    def database(self) -> Iterator["Database"]:
        """Yield the running database: the own server's, or the embedded one, started if nobody has yet."""
        if self.settings.database_url is not None:
            yield Database(self.settings.database_url, None)
            return
        with EmbeddedPostgres(self.folder / "postgres") as server:
            yield Database(server.dsn, server)

    def kek_source(self) -> KekSource:
        """Return where the key-encryption key is kept, as the settings say now: a rotation may have changed them.

        Raises:
            KeyringError: the setting names no provider, or one whose library is missing.
        """
        settings = load(self.folder).settings if is_deployment(self.folder) else self.settings
        if settings.kek_source is None:
            return default_source(self.keys)
        return kek_source(settings.kek_source, self.keys)

    def keyring(self) -> Keyring:
        """Return the opened key ring.

        Raises:
            KeyringError: no key-encryption key, or it opens none of the files.
        """
        return Keyring.load(self.keys, self.kek_source)

    def app_attest(self) -> AppAttest | None:
        """Return what an enrolment's attestation must show, or None where none is demanded.

        Raises:
            KeyringError: the configured root is no certificate.
        """
        if self.settings.attestation == "off":
            return None
        given = self.settings.attestation_root
        root = None if given is None else self.folder / given
        app_ids = frozenset(self.settings.attestation_app_ids)
        return AppAttest.demanding(app_ids, self.settings.attestation_environment, root)

    @property
    def below_minimum(self) -> bool:
        """Whether rounds are smaller than the privacy design allows outside of development."""
        return self.settings.round_size < MIN_COHORT


@dataclass(frozen=True)
class Database:
    """A running database: where it is, and its supervisor when it is the embedded one."""

    dsn: str
    embedded: EmbeddedPostgres | None


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return ": ".join([*(str(part) for part in first["loc"]), first["msg"]])


def _settings(values: dict[str, Any]) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigError(f"wrong setting: {_one_line(error)}") from None


def is_deployment(folder: Path) -> bool:
    """Tell whether `folder` was initialised to the end."""
    return (folder / CONFIG_NAME).is_file()


def planned(folder: Path, round_size: int | None) -> Deployment:
    """Return the deployment that an initialisation is about to make in `folder`.

    Raises:
        ConfigError: a wrong setting.
    """
    return Deployment(folder.resolve(), _settings({} if round_size is None else {"round_size": round_size}))


def write(deployment: Deployment) -> None:
    """Write the configuration file, which makes the folder a deployment."""
    _write(deployment.folder, deployment.settings.model_dump(mode="json", exclude={"database_url"}, exclude_none=True))


def write_setting(folder: Path, name: str, value: str) -> None:
    """Change one setting in the configuration file of a deployment."""
    _write(folder, _read(folder) | {name: value})


def _write(folder: Path, values: dict[str, Any]) -> None:
    partial = folder / f"{CONFIG_NAME}.partial"
    partial.write_text(tomli_w.dumps(values))
    partial.replace(folder / CONFIG_NAME)


def _read(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / CONFIG_NAME).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{folder / CONFIG_NAME} cannot be read: {error}") from None


def load(folder: Path) -> Deployment:
    """Open an existing deployment.

    Raises:
        ConfigError: not a deployment, not TOML, an unknown or a wrong setting.
    """
    if not is_deployment(folder):
        raise ConfigError(f"{folder} is not a deployment; make one with: tacita init {folder}")
    return Deployment(folder.resolve(), _settings(_read(folder)))
