"""A port belongs to one service alone, or the start is refused.

All workers of a service listen on its gRPC port with ``SO_REUSEPORT``. With this option the kernel would also let
another service listen there: either of the two would then answer a call.
"""

from __future__ import annotations

import errno
import os
import socket

from service.wire.errors import StartError

_REUSEPORT = getattr(socket, "SO_REUSEPORT", None)


def check(use: str, host: str, port: int) -> None:
    """Check that a port can be listened on.

    Args:
        use: what the port is for; the message begins with it.
        host: the address to listen on.
        port: number of the port, at least 1.

    Raises:
        StartError: another process listens there, or this process may not listen there.
    """
    _listen(use, host, port).close()


def reserve(use: str, host: str, port: int) -> socket.socket:
    """Reserve a port, until the socket is closed, for processes of this user that set ``SO_REUSEPORT``.

    The returned socket is bound and does not listen: it gets no connections. While it exists, a process that first
    tries to take the port without the option, as this function does, fails.

    Raises:
        StartError: another process listens there or holds the port, or this process may not listen there.
    """
    alone = _listen(use, host, port)
    if _REUSEPORT is None:  # then gRPC cannot share a port either
        return alone
    reservation = socket.socket(alone.family, socket.SOCK_STREAM)
    try:
        # The option is set only now: if it were set before the bind, this socket could share another service's port.
        alone.setsockopt(socket.SOL_SOCKET, _REUSEPORT, 1)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.setsockopt(socket.SOL_SOCKET, _REUSEPORT, 1)
        reservation.bind(alone.getsockname())
        # If SO_REUSEADDR stayed set, this socket, which does not listen, would keep no other process away.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        reservation.close()
        raise _refusal(use, host, port, error) from error
    finally:
        alone.close()
    return reservation


def _listen(use: str, host: str, port: int) -> socket.socket:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(address[0], socket.SOCK_STREAM)
    except OSError as error:
        raise _refusal(use, host, port, error) from error
    try:
        # Connections of an earlier process may still be closing. They are no obstacle, here and for the servers.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address[4])
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise _refusal(use, host, port, error) from error
    return listener


def _refusal(use: str, host: str, port: int, error: OSError) -> StartError:
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
    return StartError(f"{use}: Expected a port to listen on. Received: {where}, {reason}. {advice}")
