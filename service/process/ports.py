"""Ports that are taken by one service alone, or refused.

All workers of a service listen on its gRPC port by ``SO_REUSEPORT``, by which the kernel would let another service in
as well: each call would then be answered by one or the other.
"""

from __future__ import annotations

import errno
import os
import socket

from service.wire.errors import StartError

_REUSEPORT = getattr(socket, "SO_REUSEPORT", None)


def check(what: str, host: str, port: int) -> None:
    """Check that a port can be listened on.

    Args:
        what: the port's use, as a sentence begins with it.
        host: the address to listen on.
        port: from 1 on.

    Raises:
        StartError: another process listens there, or this one may not.
    """
    _listen(what, host, port).close()


def hold(what: str, host: str, port: int) -> socket.socket:
    """Keep a port for this process and those of its user that ask for it by ``SO_REUSEPORT``, until it is closed.

    The socket that comes back is bound and does not listen: it gets no connection, and keeps every process away that
    would first have the port for itself, as this function does.

    Raises:
        StartError: another process listens there or holds the port, or this one may not.
    """
    alone = _listen(what, host, port)
    if _REUSEPORT is None:  # then gRPC's own attempt is all there is
        return alone
    held = socket.socket(alone.family, socket.SOCK_STREAM)
    try:
        # Only now, for with it at first the kernel would have let another service's port be shared.
        alone.setsockopt(socket.SOL_SOCKET, _REUSEPORT, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, _REUSEPORT, 1)
        held.bind(alone.getsockname())
        # With it a socket that does not listen would keep nobody away.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        held.close()
        raise _refused(what, host, port, error) from error
    finally:
        alone.close()
    return held


def _listen(what: str, host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(found[0], socket.SOCK_STREAM)
    except OSError as error:
        raise _refused(what, host, port, error) from error
    try:
        # Connections of a former process that are not quite closed do not count, as they don't for the servers.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise _refused(what, host, port, error) from error
    return listener


def _refused(what: str, host: str, port: int, error: OSError) -> StartError:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        reason, advice = "which another process uses", "End that one, or choose another port."
    elif error.errno in (errno.EACCES, errno.EPERM):
        reason, advice = "which this user may not use", "Choose a port from 1024 on."
    else:
        reason = f"where it cannot listen ({(os.strerror(error.errno) if error.errno else str(error)).lower()})"
        if isinstance(error, socket.gaierror):
            reason = "which is no address of this machine"
        advice = "Choose an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them."
    return StartError(f"{what}: Expected a port to listen on. Received: {where}, {reason}. {advice}")
