"""Decides where and how obstore calls S3: exactly where and as boto3 would, or not at all.

obstore reads other settings than boto3 does, and cannot honour all of boto3's. So it gets every setting from here, and where it
may understand a setting otherwise, this process reads and writes objects by boto3: `Unsuited` says why. Buckets of odd names,
such as those of access points and of S3 Express, are left to boto3 alone.
"""

from __future__ import annotations

import os.path
import re
import urllib.parse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from obstore.store import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, S3Config, S3Credential

# The variables of AWS that obstore is given in its own words, or that concern neither client. Lambda sets most of them.
_KNOWN = {
    *{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION"},
    *{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"},
    *{"AWS_EXECUTION_ENV", "AWS_ACCOUNT_ID", "AWS_SAM_LOCAL", "AWS_EC2_METADATA_DISABLED", "AWS_PAGER"},
    "AWS_CA_BUNDLE",  # which counts for TLS alone, and is looked at there
    *{"AWS_STS_REGIONAL_ENDPOINTS", "AWS_SDK_LOAD_CONFIG"},
    *{"AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"},  # `handler.aws` sets both itself
}
_KNOWN_BEGINNINGS = ("AWS_LAMBDA_", "AWS_XRAY_")
# The variables that botocore alone understands: it is asked for the credentials and the region if one of them is set.
_ASK_BOTOCORE = {
    *{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"},
    *{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"},
    *{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"},
    *{"AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"},
}
# boto3 trusts the authorities in such a file alone, and obstore would trust them besides its own, or knows no such variable.
_AUTHORITIES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

_PLAIN_REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)(-gov)?-(north|south|east|west|central)(east|west)?-\d")
_PLAIN_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?/?")
_PLAIN_PROXY = re.compile(r"http://[A-Za-z0-9.-]+(:\d+)?/?")
_PLAIN_BUCKET = re.compile(r"(?!xn--)(?!.*--)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)")

# Of one attempt, with the whole body of its answer. With retries, which begin for 3 s and pause for 1 s at most, a request
# takes less than `handler.obstore_calls.MAX_REQUEST_S`. The body of a large object takes as long as it does: it is given up.
_REQUEST_TIMEOUT, _BODY_TIMEOUT = "8s", "1h"

_CREDENTIALS_LIVE = timedelta(minutes=1)  # botocore renews them in time, and is asked again after this


Keys = tuple[str, str, str | None]


class Unsuited(Exception):
    """A setting that obstore cannot honour as boto3 does; the message names it."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """The way to S3: the endpoint `url` by the `proxy`, if there is one, with signatures for the `region`.

    `is_regional` is False if another endpoint than that of the region was configured. `credentials` returns the access key, the
    secret key and the token, None if there is none; `is_constant` is True if it always returns the same.
    """

    region: str
    url: str
    is_regional: bool
    proxy: str | None
    credentials: Callable[[], Keys]
    is_constant: bool


def connect(environ: Mapping[str, str], client: Callable[[], S3Client]) -> Connection:
    """Returns the connection that boto3 would use in this environment; asks its `client` only if it must.

    Raises:
        Unsuited: obstore cannot do as boto3 does here.
    """
    names = {name for name in environ if name.upper().startswith("AWS_")}
    odd = [name for name in names if not (_is_known(name) and environ[name])]
    if odd:
        raise Unsuited(f"obstore may understand {', '.join(sorted(odd))} otherwise")
    has_keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= names and not names & _ASK_BOTOCORE
    if has_keys and not _has_files():
        keys = (environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN"))
        region, credentials = environ.get("AWS_DEFAULT_REGION", "us-east-1"), lambda: keys
        url = _configured_endpoint(environ) or regional_endpoint(region)
    else:
        region, url, credentials = _ask(client())
    is_regional = url == regional_endpoint(region)
    _require_plain(region, url, is_regional=is_regional)
    authorities = [name for name in _AUTHORITIES if environ.get(name)]
    if authorities and url.startswith("https:"):
        raise Unsuited(f"obstore would trust other authorities besides those of {', '.join(authorities)}")
    return Connection(
        region=region,
        url=url.rstrip("/"),
        is_regional=is_regional,
        proxy=_proxy(environ, url),
        credentials=credentials,
        is_constant=has_keys,
    )


def regional_endpoint(region: str) -> str:
    """Returns the endpoint by which boto3 reaches S3 in a region."""
    return "https://s3.amazonaws.com" if region == "us-east-1" else f"https://s3.{region}.amazonaws.com"


class Stores(msgspec.Struct, frozen=True):
    """obstore's stores of one bucket: `brief` ends each request, with its whole answer, by itself, and `lasting` reads on."""

    brief: S3Store
    lasting: S3Store


class Buckets:
    """obstore's store of each bucket, all by one connection; each keeps up to `concurrency` connections to S3 open."""

    def __init__(self, connection: Connection, concurrency: int) -> None:
        self._connection = connection
        self._concurrency = concurrency
        self._stores: dict[str, Stores | None] = {}

    def of(self, bucket: str) -> Stores | None:
        """Returns the stores of a bucket; None if only boto3 is to read and write it."""
        if bucket not in self._stores:
            is_plain = _PLAIN_BUCKET.fullmatch(bucket)
            stores = Stores(self._store(bucket, _REQUEST_TIMEOUT), self._store(bucket, _BODY_TIMEOUT)) if is_plain else None
            self._stores.setdefault(bucket, stores)  # another thread may have been faster
        return self._stores[bucket]

    @property
    def can_wait(self) -> bool:
        """True if nothing but obstore's own time-outs decides how long a request takes: no provider of credentials is asked."""
        return self._connection.is_constant

    def leave(self, bucket: str) -> None:
        """Leaves a bucket to boto3 from now on."""
        self._stores[bucket] = None

    def _store(self, bucket: str, timeout: str) -> S3Store:
        it = self._connection
        has_host = it.is_regional and "." not in bucket  # no certificate holds for the host of a bucket with a dot
        url = it.url.replace("//", f"//{bucket}.") if has_host else it.url
        config: S3Config = {
            "region": it.region,
            "endpoint": url,
            "aws_endpoint_url_s3": url,  # it would be taken from the environment otherwise, and precede
            "virtual_hosted_style_request": has_host,
            "skip_signature": False,
            "unsigned_payload": False,
        }
        provider: dict[str, Any] = {} if it.is_constant else {"credential_provider": self._lent_credentials}
        if it.is_constant:
            config["access_key_id"], config["secret_access_key"], token = it.credentials()
            if token:
                config["session_token"] = token
        return S3Store(
            bucket,
            config=config,
            client_options=self._options(url, timeout),
            # As many attempts as boto3 makes, as long as they fail soon; boto3 makes those after that. obstore repeats a PUT
            # only if S3 answered it or the connection broke.
            retry_config={
                "max_retries": 3,
                "retry_timeout": timedelta(seconds=3),
                "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=1), "base": 2},
            },
            **provider,
        )

    def _options(self, url: str, timeout: str) -> ClientConfig:
        options: ClientConfig = {
            "connect_timeout": "2s",
            "read_timeout": "5s",
            "timeout": timeout,
            "allow_http": url.startswith("http:"),
            "pool_max_idle_per_host": str(self._concurrency),
            "user_agent": "coatcheck",
        }
        # The environment's proxy would be used otherwise, by other rules than boto3's.
        options["proxy_url"] = self._connection.proxy or "http://127.0.0.1:9"
        if not self._connection.proxy:
            options["proxy_excludes"] = str(urllib.parse.urlsplit(url).hostname)
        return options

    def _lent_credentials(self) -> S3Credential:
        key, secret, token = self._connection.credentials()
        return {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_LIVE,
        }


def _is_known(name: str) -> bool:
    return name in _KNOWN or name in _ASK_BOTOCORE or name.startswith(_KNOWN_BEGINNINGS)


def _has_files() -> bool:
    # As botocore looks for them: without a home, which `Path.expanduser` would not forgive, there are no files.
    return any(Path(os.path.expanduser(f"~/.aws/{name}")).exists() for name in ("config", "credentials"))  # noqa: PTH111


def _configured_endpoint(environ: Mapping[str, str]) -> str | None:
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")


def _ask(client: S3Client) -> tuple[str, str, Callable[[], Keys]]:
    """Returns the region, the endpoint and the credentials by which boto3's client calls S3."""
    config: Any = client.meta.config
    odd = [name for name in ("s3", "use_dualstack_endpoint", "use_fips_endpoint", "proxies") if getattr(config, name)]
    if odd or config.signature_version != "s3v4":
        raise Unsuited(f"obstore may understand {', '.join(odd or ['signature_version'])} in the files of AWS otherwise")
    inside: Any = client
    is_bundle = inside._endpoint.http_session._verify is not True  # noqa: SLF001  # told nowhere else
    if is_bundle and client.meta.endpoint_url.startswith("https:"):
        raise Unsuited("obstore would trust other authorities besides those of ca_bundle")
    held = inside._request_signer._credentials  # noqa: SLF001  # told nowhere else, and made for this very client
    if held is None:
        raise Unsuited("boto3 finds no credentials")

    def credentials() -> Keys:
        frozen = held.get_frozen_credentials()
        return frozen.access_key, frozen.secret_key, frozen.token

    return client.meta.region_name, client.meta.endpoint_url, credentials


def _require_plain(region: str, url: str, *, is_regional: bool) -> None:
    if is_regional and not _PLAIN_REGION.fullmatch(region):
        raise Unsuited(f"obstore may not know the endpoint of the region {region}")
    if not _PLAIN_ENDPOINT.fullmatch(url):
        raise Unsuited(f"obstore may understand the endpoint {url} otherwise")


def _proxy(environ: Mapping[str, str], url: str) -> str | None:
    """Returns the proxy by which botocore calls `url`; it asks `urllib`, and so does this."""
    if not any(name.lower().endswith("_proxy") and value for name, value in environ.items()):
        return None
    import urllib.request  # late, since it takes 20 ms, and few need it

    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy and not _PLAIN_PROXY.fullmatch(proxy):
        raise Unsuited("obstore may understand the proxy of the environment otherwise")
    return proxy
