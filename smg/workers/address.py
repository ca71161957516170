"""Worker URLs: what is dialled (``base_url``) and what is only a name (``url``, with ``@rank``)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from smg.core.errors import InvalidRequestError
from smg.core.words import ConnectionMode

MAX_URL_CHARS = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
MODES = {
    "http": ConnectionMode.HTTP,
    "https": ConnectionMode.HTTP,
    "grpc": ConnectionMode.GRPC,
    "grpcs": ConnectionMode.GRPC,
}
_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<host>\[[^\[\]@/?#]*\]|[^:@/?#\[\]]*)(?::(?P<port>[^@/?#]*))?/?(?:@(?P<rank>[0-9]{1,5}))?/?"
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a worker listens.

    Attributes:
        scheme: ``http``, ``https``, ``grpc`` or ``grpcs``; empty until probed.
        host: Lower case; an IPv6 address stands in brackets.
        port: 1 to 65535.
        rank: Data-parallel rank; 0 is a rank, None is none.
    """

    scheme: str
    host: str
    port: int
    rank: int | None = None

    @property
    def mode(self) -> ConnectionMode | None:
        """How it is reached; None until probed."""
        return MODES.get(self.scheme)

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in {"https", "grpcs"}

    @property
    def target(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What is dialled; never holds a rank."""
        if not self.scheme:
            return self.target
        port = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    @property
    def url(self) -> str:
        """The worker's identity."""
        return self.base_url if self.rank is None else f"{self.base_url}@{self.rank}"


def parse_url(url: str) -> Address:
    """Read a worker URL: ``scheme://host[:port][@rank]``, or a bare ``host:port`` whose mode is to be probed.

    Raises:
        InvalidRequestError: With the reason; ``param`` is ``url``.
    """
    if len(url) > MAX_URL_CHARS or not url.isascii():
        raise _refused("must be ASCII, international host names in punycode")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise _refused("must be scheme://host:port, without user, path, query or fragment")
    scheme = (parts["scheme"] or "").lower()
    if scheme and scheme not in MODES:
        raise _refused("must start with http://, https://, grpc:// or grpcs://")
    rank = None if parts["rank"] is None else int(parts["rank"])
    return Address(scheme, _host(parts["host"].lower()), _port(parts["port"], scheme), rank)


def _host(host: str) -> str:
    if host.startswith("["):
        return f"[{_ip6(host[1:-1])}]"
    if not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise _refused("has no valid host name")
    if re.fullmatch(r"[0-9.]+", host) and not _is_ip4(host):
        raise _refused("has no valid IPv4 address")
    return host


def _ip6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError as error:
        raise _refused("has no valid IPv6 address") from error


def _is_ip4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _port(text: str | None, scheme: str) -> int:
    port = DEFAULT_PORTS.get(scheme) if text is None else int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
    if port is None:
        raise _refused("needs a port")
    if not 1 <= port <= 65_535:  # noqa: PLR2004
        raise _refused("needs a port from 1 to 65535")
    return port


def _refused(reason: str) -> InvalidRequestError:
    return InvalidRequestError(f"worker url {reason}", param="url")
