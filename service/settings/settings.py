"""Settings of the service, from environment variables that begin with ``TRUELINE_``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from artifact.errors import DataError, unknown_name
from service.settings.rules import check_origins, check_paths, key_lines, rule

PREFIX = "TRUELINE_"


class Settings(BaseSettings):
    """Settings for an operator. The environment variable of ``max_rows`` is ``TRUELINE_MAX_ROWS``, and so on.

    Example:
        >>> Settings.from_environment({"TRUELINE_MODEL": "houses"}).model
        'houses'
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    model: str | None = Field(
        default=None,
        description="The model to serve: NAME follows its champion, NAME:VERSION pins one version. "
        "If unset, the only model that has a champion.",
    )
    workers: int | None = Field(
        default=None, ge=1, le=256, description="Worker processes. If unset, as BentoML's own configuration says: 1."
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Threads of ONNX Runtime or TensorFlow inside one run of the network, in each worker.",
    )
    runtime: Literal["auto", "onnx", "onnx-int8", "keras"] = Field(
        default="auto",
        description="What computes the network: ONNX Runtime, its copy in 8-bit integers where the version has one, "
        "or Keras. auto takes ONNX Runtime where the version has a model for it, else Keras.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="Device that computes the network: cuda needs a GPU, auto takes a GPU where one can be used.",
    )
    max_body_bytes: int = Field(default=8 * 2**20, ge=1024, description="Largest body of a request, in bytes.")
    max_rows: int = Field(default=32_768, ge=1, description="Most rows in one request.")
    max_batch_rows: int = Field(
        default=1024, ge=1, description="Most rows of several requests in one run of the network."
    )
    max_queue_rows: int = Field(
        default=65_536, ge=1, description="Rows that may wait in a worker before requests are answered with 429."
    )
    max_requests: int = Field(
        default=4096, ge=1, description="Requests open in a worker at once before further ones are answered with 429."
    )
    batch_wait_seconds: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="How long an idle worker waits for more rows before it runs the network. 0 runs at once.",
    )
    inline_seconds: float = Field(
        default=0.002,
        ge=0,
        description="A batch that takes longer than this, by the model's speed at warm-up, runs in a thread "
        "so that the worker answers other requests meanwhile.",
    )
    max_bulk_bytes: int = Field(
        default=64 * 2**20,
        ge=1024,
        description="Largest body of CSV, Arrow and Parquet, and of NDJSON with an answer in another format, in bytes. "
        "NDJSON that is answered in NDJSON has no limit.",
    )
    max_bulk_rows: int = Field(
        default=1_000_000, ge=1, description="Most rows in a body of CSV, Arrow, Parquet or NDJSON."
    )
    max_unpacked_bytes: int = Field(
        default=256 * 2**20, ge=1024, description="Largest body after gzip, zstd or Arrow's own compression is undone."
    )
    max_line_bytes: int = Field(default=1 * 2**20, ge=1024, description="Longest line of NDJSON, in bytes.")
    max_bulk_requests: int = Field(
        default=8,
        ge=1,
        description="Large requests and streams open in a worker at once before further ones are answered with 429.",
    )
    compress_bytes: int = Field(
        default=65_536,
        ge=0,
        description="An answer of at least so many bytes is compressed where the request's Accept-Encoding asks "
        "for it.",
    )
    deadline_seconds: float = Field(
        default=10.0, gt=0, description="Longest wait of a request in the queue before it is answered with 504."
    )
    header_seconds: float = Field(
        default=10.0, gt=0, description="Longest wait for the head of a request before its connection is closed."
    )
    body_seconds: float = Field(default=30.0, gt=0, description="Longest wait for the body of a request.")
    write_seconds: float = Field(
        default=30.0, gt=0, description="Longest wait for a client to read its answer before its connection is closed."
    )
    linger_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How long the rest of a refused body is read and dropped, so that the client can read the answer.",
    )
    drain_seconds: float = Field(
        default=2.0,
        ge=0,
        description="How long a worker goes on answering after SIGTERM before it closes; /readyz is 503 meanwhile.",
    )
    watch_seconds: float = Field(
        default=0.2, gt=0, le=2, description="How often a worker looks whether another version was promoted."
    )
    metrics_seconds: float = Field(
        default=0.1, gt=0, description="How often a worker writes its counts to where /metrics reads them."
    )
    grpc_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Port of all workers for the Open Inference Protocol over gRPC. If unset, there is no gRPC.",
    )
    grpc_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address of the gRPC port; 0.0.0.0 means all addresses, as in the image.",
    )
    warnings: Literal["warn", "ignore", "refuse"] = Field(
        default="warn",
        description="A value outside the training range or unseen in training is answered with a warning (warn), "
        "answered without one (ignore), or refused with 422 (refuse).",
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="Key that requests must bring as Authorization: Bearer KEY or X-API-Key: KEY. "
        "Commas separate several keys. If unset, requests need no key.",
    )
    api_key_file: Path | None = Field(
        default=None,
        description="A file with one API key a line, read when the service starts. Empty lines and lines that begin "
        "with # are skipped.",
    )
    open_paths: str | None = Field(
        default=None,
        description="Paths that need no key, separated by commas. If unset, the open paths in the table of routes. "
        "The page /docs asks for the key that its document needs.",
    )
    cors_origins: str | None = Field(
        default=None,
        description="Origins, separated by commas, whose pages may call the API from a browser; * for all. "
        "If unset, none.",
    )
    request_ids: bool = Field(
        default=True,
        description="Answer with the X-Request-ID of the request, or with a new one where it has none. "
        "The JSON log, the access log and spans carry it, and the W3C trace id.",
    )
    access_log: bool = Field(default=False, description="Log one line for each answer.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="Format of the workers' log: BentoML's lines, or one JSON object a line."
    )
    tracing: bool = Field(
        default=False,
        description="Make an OpenTelemetry span of each request, exported as BentoML's tracing configuration says.",
    )
    runtime_folder: Path | None = Field(
        default=None,
        description="Folder for this service's metrics and worker states; it is emptied at start. "
        "If unset, a new one among the system's temporary files.",
    )

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str | None) -> str | None:
        name, colon, version = (value or "").partition(":")
        if value and (not name or (colon and not version)):
            raise ValueError("expected NAME or NAME:VERSION")
        return value or None

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str | None) -> str | None:
        check_origins(cls.listed(value))
        return value

    @field_validator("open_paths")
    @classmethod
    def _check_paths(cls, value: str | None) -> str | None:
        check_paths(cls.listed(value))
        return value

    @field_validator("api_key", "api_key_file", "cors_origins", "runtime_folder", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _keys_are_there(self) -> Self:
        # A key file that cannot be read, or a key of blanks, must not open the service to everybody.
        if (self.api_key is not None or self.api_key_file is not None) and not self.keys():
            raise ValueError("expected at least one key. Received: none, but for blanks and comments")
        return self

    def keys(self) -> tuple[bytes, ...]:
        """The API keys from the variable and from the file; none where requests need no key."""
        lines = self.api_key.get_secret_value().split(",") if self.api_key is not None else []
        if self.api_key_file is not None:
            lines += key_lines(self.api_key_file)
        keys = [key.strip() for key in lines if key.strip()]
        if not all(key.isascii() and key.isprintable() for key in keys):
            raise ValueError("expected keys of printable ASCII. Received: one with other characters")
        return tuple(key.encode() for key in keys)

    @staticmethod
    def listed(value: str | None) -> tuple[str, ...]:
        """The parts of a setting whose value is separated by commas."""
        return tuple(part.strip() for part in (value or "").split(",") if part.strip())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # pydantic must not read the process's own environment: the caller passes one to from_environment.
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from an environment.

        Raises:
            DataError: a value is not allowed; the message names the variable.
        """
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): value for name, value in environ.items()}
        try:
            return cls(**source())
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:
                # Only the rule about keys concerns several settings. The received value is a secret: it is not logged.
                raise DataError(f"{PREFIX}API_KEY and {PREFIX}API_KEY_FILE: {rule(first['msg'], None)}") from None
            variable = PREFIX + "_".join(map(str, first["loc"])).upper()
            raise DataError(f"{variable}: {rule(first['msg'], first['input'])}") from error

    @classmethod
    def unknown(cls, environ: Mapping[str, str]) -> list[str]:
        """One sentence for each ``TRUELINE_`` variable that is no setting; it lists the settings, the nearest first."""
        names = [PREFIX + name.upper() for name in cls.model_fields]
        return [
            unknown_name("setting", name, names)
            for name in sorted(environ)
            if name.upper().startswith(PREFIX) and name.upper() not in names
        ]
