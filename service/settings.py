"""Settings of the service, from environment variables that begin with ``TRUELINE_``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from artifact.errors import DataError, unknown_name

PREFIX = "TRUELINE_"


class Settings(BaseSettings):
    """What an operator can set. The variable of ``max_rows`` is ``TRUELINE_MAX_ROWS``.

    Example:
        >>> Settings.from_environment({"TRUELINE_MODEL": "houses"}).model
        'houses'
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    model: str | None = Field(
        default=None,
        description="Which model serves: NAME follows its champion, NAME:VERSION pins one version. "
        "Unset, the only model that has a champion.",
    )
    workers: int | None = Field(
        default=None, ge=1, le=256, description="Worker processes. Unset, as BentoML's own configuration says: 1."
    )
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024, description="Largest body of a request, in bytes.")
    max_rows: int = Field(default=32_768, ge=1, description="Most rows in one request.")
    max_batch_rows: int = Field(
        default=1024, ge=1, description="Most rows of several requests in one run of the network."
    )
    max_queue_rows: int = Field(
        default=65_536, ge=1, description="Rows that may wait in a worker before requests are answered with 429."
    )
    inline_seconds: float = Field(
        default=0.002,
        ge=0,
        description="A batch that takes longer than this, by the model's speed at warm-up, runs in a thread "
        "so that the worker answers other requests meanwhile.",
    )
    deadline_seconds: float = Field(
        default=10.0, gt=0, description="Longest wait of a request in the queue before it is answered with 504."
    )
    body_seconds: float = Field(default=30.0, gt=0, description="Longest wait for the body of a request.")
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How long the rest of a refused body is read and thrown away, so that the client reads the answer.",
    )
    watch_seconds: float = Field(
        default=0.2, gt=0, le=2, description="How often a worker looks whether another version was promoted."
    )
    metrics_seconds: float = Field(
        default=0.1, gt=0, description="How often a worker writes its counts to where /metrics reads them."
    )

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str | None) -> str | None:
        name, colon, version = (value or "").partition(":")
        if value and (not name or (colon and not version)):
            raise ValueError("expected NAME or NAME:VERSION")
        return value or None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The process's own environment is never read behind the caller's back: see from_environment.
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Settings of an environment.

        Raises:
            DataError: a value that is not allowed; the message names the variable.
        """
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): value for name, value in environ.items()}
        try:
            return cls(**source())
        except ValidationError as error:
            first = error.errors()[0]
            variable = PREFIX + "_".join(map(str, first["loc"])).upper()
            raise DataError(f"{variable}: {first['msg']}. Received: {first['input']!r}.") from error

    @classmethod
    def unknown(cls, environ: Mapping[str, str]) -> list[str]:
        """One sentence for each ``TRUELINE_`` variable that is not a setting, the nearest setting first."""
        known = [PREFIX + name.upper() for name in cls.model_fields]
        return [
            unknown_name("setting", name, known)
            for name in sorted(environ)
            if name.upper().startswith(PREFIX) and name.upper() not in known
        ]
