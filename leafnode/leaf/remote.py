"""One remote: dial, keep the link, say honestly how it is, and try again for ever.

Knows addresses, delays and credentials; not the protocol (protocol/leaf_session) nor routing. The
owner of `run` cancels it to stop; it returns only for a disabled remote. Truth: nats-server
2.15.1 server/leafnode.go connectToRemoteLeafNode, its delays measured; unlike it, a remote that
is refused again and again waits longer each time, so that a fleet does not hammer a hub.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from leafnode.clock import NS_PER_S
from leafnode.errors import LeafnodeError
from leafnode.files import FileReader
from leafnode.leaf.alert import in_words
from leafnode.leaf.handler import HubLink
from leafnode.leaf.login import Login, read_login
from leafnode.leaf.urls import HubUrl, UrlPool
from leafnode.limits import (
    LEAF_FILES_TIMEOUT_NS,
    LEAF_LOG_INTERVAL_NS,
    LEAF_LOG_LINES_MAX,
    LEAF_QUICK_DIALS,
    LEAF_RECONNECT_MAX_NS,
    LEAF_STABLE_NS,
    LEAF_TLS_TIMEOUT_NS,
)
from leafnode.net.dial import check_pinned
from leafnode.net.tcp import TLS_FAILED
from leafnode.net.transport import Target
from leafnode.protocol.leaf_dialer import LeafSettings
from leafnode.protocol.leaf_refusal import explain
from leafnode.tls.dialer import dialer_context

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from leafnode.config.options import LeafRemote
    from leafnode.leaf.terms import LeafEnvironment, LeafzRow
    from leafnode.protocol.leaf_op import LeafInfo
    from leafnode.routing.account import Account

T = TypeVar("T")

log = logging.getLogger(__name__)

# What OpenSSL says of bytes that are no TLS.
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_NO_TLS: Final = (
    "what answers speaks no TLS there, or INFO before it: is that the port for tls://, wss:// or "
    "handshake_first?"
)
_GROWTH_MAX: Final = 16  # doublings after which every delay has reached its bound


class RemoteState(Enum):
    """How a remote is, as monitoring and people read it."""

    DISABLED = "disabled"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting to try again"
    STOPPED = "stopped"


@dataclass(slots=True)
class RemoteStatus:
    """How a remote is. Times are wall time in nanoseconds, 0: never."""

    state: RemoteState = RemoteState.CONNECTING
    url: str = ""  # the address in use, without credentials
    hub_name: str = ""
    hub_domain: str = ""
    remote_account: str = ""
    connected_since_ns: int = 0
    connects: int = 0
    dials: int = 0
    slow_consumers: int = 0  # of links that are over; deadlines that passed count, too
    stale_connections: int = 0  # links ended because the hub did not answer PINGs
    last_error: str = ""  # kept after a success: what happened last
    last_error_ns: int = 0
    unserved: str = ""  # what the hub said of interest that it does not serve, on this link

    @property
    def reconnects(self) -> int:
        return max(0, self.connects - 1)


class Remote:
    """One entry of `leafnodes.remotes`."""

    def __init__(
        self,
        options: LeafRemote,
        account: Account,
        environment: LeafEnvironment,
        *,
        reconnect_ns: int,
        find_account: Callable[[], Awaitable[Account]] | None = None,
    ) -> None:
        """Raise ValueError for a URL that cannot be used; its text shows no credentials.

        With `find_account` it is asked before each dial until it returns the account instead of
        raising AuthError; `account` is a name until then.
        """
        self.options = options
        self.account = account
        self.status = RemoteStatus()
        if options.disabled:
            self.status.state = RemoteState.DISABLED
        self.link: HubLink | None = None
        self.on_linked: list[Callable[[], None]] = []  # called when messages can flow
        self.on_lost: list[Callable[[HubLink], None]] = []  # called when they no longer can
        self._environment = environment
        self._find_account = find_account
        self._reconnect_ns = reconnect_ns
        self._pool = UrlPool(
            options.urls, random=environment.random, randomize=not options.no_randomize
        )
        # Known from the start, so that nobody shows the configured URL with its credentials.
        self.status.url = str(self._pool.first)
        self._login = Login()
        self._files = FileReader()
        self._changed = asyncio.Event()
        self._failed_dials = 0  # in a row
        self._refusals = 0  # links in a row that did not last
        self._logged_error = ""
        self._logged_ns = 0
        self._suppressed = 0
        self._lines = self._lines_since_ns = 0  # of the log, and since when they are counted

    def adopt(self, environment: LeafEnvironment, *, reconnect_ns: int) -> None:
        """Go by what the server's options name now; so does the link that is there."""
        self._environment, self._reconnect_ns = environment, reconnect_ns
        if self.link is not None:
            self.link.adopt(environment)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        if self.options.disabled:
            return
        try:
            while True:
                delay_ns = await self._attempt_safely()
                self.status.state = RemoteState.WAITING
                await self._pause(delay_ns)
        finally:
            self.status.state = RemoteState.STOPPED

    def leafz(self) -> LeafzRow | None:
        """Return the connection as /leafz shows it, or None while there is none."""
        link = self.link
        return link.leafz() if link is not None and link.linked_ns else None

    # handler.LinkOwner

    def link_up(self, info: LeafInfo) -> None:
        status = self.status
        status.state = RemoteState.CONNECTED
        status.hub_name, status.hub_domain = info.server_name, info.domain
        status.remote_account = self.account.name_at_hub = info.remote_account
        status.connected_since_ns = self._environment.clock.wall_ns()
        status.connects += 1
        status.unserved = ""
        self._logged_error = ""
        log.info(
            "Leaf connected: url=%s hub=%s account=%s remote_account=%s",
            *(status.url, info.server_name, self.account.name, info.remote_account),
        )
        self._tell_domains(info)
        self.hub_info(info)
        for listener in self.on_linked:
            listener()

    def hub_info(self, info: LeafInfo) -> None:
        urls = info.ws_connect_urls if self._pool.first.websocket else info.leafnode_urls
        if urls and not self.options.ignore_discovered_servers:
            self._pool.announced(urls)

    def hub_error(self, text: str, cause: str) -> None:
        self._note_error(f"{text}: {cause}{self._expiry_hint()}")
        if not explain(text).ends:
            self.status.unserved = f"{text}: {cause}"

    def link_changed(self) -> None:
        self._changed.set()

    # one attempt

    async def _attempt_safely(self) -> int:
        try:
            return await self._attempt()
        except Exception:  # boundary: background job
            log.exception("Leaf remote failed by a fault of ours: url=%s", self.status.url)
            self._note_error("internal error, see the log")
            return self._refused_delay_ns()

    async def _attempt(self) -> int:
        """Dial once and stay until the link is over; return how long to wait then."""
        url = self._pool.next()
        status = self.status
        status.state, status.url = RemoteState.CONNECTING, str(url)
        status.dials += 1
        try:
            link = await self._dial(url)
            self._failed_dials = 0
            await self._follow(link, url)
        except (LeafnodeError, OSError, UnicodeError) as err:
            # UnicodeError: a host that is no name.
            self._note_error(_words(err))
            return self._failed_dial_delay_ns()
        finally:
            self._end_link()
        return self._lost_delay_ns(link)

    def _end_link(self) -> None:
        link, self.link = self.link, None
        if link is None:
            return
        link.drop("stopped")
        self.status.connected_since_ns = 0
        if link.linked_ns:
            for listener in self.on_lost:
                listener(link)

    async def _dial(self, url: HubUrl) -> HubLink:
        options = self.options
        self._changed.clear()
        if self._find_account is not None:
            self.account, self._find_account = await self._find_account(), None
        if options.credentials or options.nkey:
            self._login = await self._read(partial(read_login, options), _login_file(options))
        tls_first = options.tls is not None and options.tls.handshake_first
        if url.websocket:
            tls_first = url.tls or options.tls is not None
        target = await self._target(url, tls_first=tls_first)
        settings = self._settings(url, tls_first=tls_first)
        # Known before it is there: behind a WebSocket's handshake INFO may come at once.
        link = self.link = HubLink(self._environment, options, self.account, settings, self)
        below = None
        if options.compression.is_wanted:
            from leafnode.net.s2_layer import S2Layer

            below = link.packer = S2Layer()
        await self._environment.dial(target, link, below)
        return link

    async def _target(self, url: HubUrl, *, tls_first: bool) -> Target:
        """Return where to, by what way, and how long all of it may take."""
        options, proxy = self.options, self.options.proxy
        timeout_ns = options.dial_timeout_ns
        if proxy is not None:
            timeout_ns = proxy.timeout_ns or timeout_ns
        if tls_first:
            timeout_ns += self._tls_timeout_ns()
        request = None
        if url.websocket:
            from leafnode.net.websocket_request import WebSocketRequest

            timeout_ns += options.first_info_timeout_ns
            request = WebSocketRequest(
                str(url), f"{url.path}/leafnode", options.ws_compression, not options.ws_no_masking
            )
        return Target(
            url.host,
            url.port,
            timeout_ns,
            tls=await self._tls_context() if tls_first else None,
            server_hostname=self._pool.server_hostname(url),
            websocket=request,
            proxy=proxy,
            pinned_certs=options.pinned_certs,
        )

    def _settings(self, url: HubUrl, *, tls_first: bool) -> LeafSettings:
        environment, options, login = self._environment, self.options, self._login
        return LeafSettings(
            name=environment.server_name,
            server_id=environment.server_id,
            account=self.account.name,
            sign=lambda nonce: login.credentials(url, nonce),
            signs_nonce=login.signer is not None,
            domain=environment.domain,
            jetstream=environment.jetstream,
            deny_imports=options.deny_imports,
            traces=environment.traces,
            is_hub=options.hub,
            requests_isolation=options.requests_isolation,
            tls_wanted=url.tls or options.tls is not None,
            tls_first=tls_first,
            websocket=url.websocket,
            loop_subject=environment.loop_subjects.subject_of(self.account.name),
            first_info_timeout_ns=options.first_info_timeout_ns,
            ping_interval_ns=environment.ping_interval_of(is_websocket=url.websocket),
            ping_max=environment.ping_max,
            compression=options.compression,
            ping_jitter=environment.random.random(),
        )

    async def _follow(self, link: HubLink, url: HubUrl) -> None:
        """Return when the link is over; start TLS on the way if the hub asks for it."""
        while not link.over:
            if link.awaits_tls:
                await self._start_tls(link, url)
            else:
                await self._changed.wait()
                self._changed.clear()

    async def _start_tls(self, link: HubLink, url: HubUrl) -> None:
        assert link.transport is not None
        try:
            context = await self._tls_context()
            async with asyncio.timeout(self._tls_timeout_ns() / NS_PER_S):
                await link.transport.start_tls(context, self._pool.server_hostname(url))
            check_pinned(link.transport, self.options.pinned_certs)
        except (LeafnodeError, OSError) as err:
            link.drop(f"TLS: {_words(err).removeprefix('TLS: ')}", TLS_FAILED)
        else:
            link.tls_started()

    def _tls_timeout_ns(self) -> int:
        return self.options.tls.timeout_ns if self.options.tls else LEAF_TLS_TIMEOUT_NS

    async def _tls_context(self) -> ssl.SSLContext:
        return await self._read(partial(dialer_context, self.options.tls), "the files of tls")

    async def _read(self, work: Callable[[], T], what: str) -> T:
        """Do what blocks on files. Raises AuthError, TlsError, HungError."""
        return await self._files.run(work, what, LEAF_FILES_TIMEOUT_NS)

    # when to try again

    def _failed_dial_delay_ns(self) -> int:
        """A hub that restarts is dialed quickly; one that is away for long by and by less often."""
        self._failed_dials += 1
        rounds = self._failed_dials // len(self._pool) - LEAF_QUICK_DIALS
        jitter_ns = self._grown(self._reconnect_ns, rounds)
        return self._reconnect_ns + self._environment.random.randint(0, jitter_ns)

    def _lost_delay_ns(self, link: HubLink) -> int:
        lasted_ns = self._environment.clock.monotonic_ns() - link.linked_ns
        if link.linked_ns and (link.broke or lasted_ns >= LEAF_STABLE_NS):
            self._refusals = 0
        self.status.slow_consumers += link.slow
        self.status.stale_connections += link.session.stale
        if not link.session.refused_text:
            self._note_error(link.reason)
        return self._refused_delay_ns() + link.session.delay_ns

    def _refused_delay_ns(self) -> int:
        self._refusals += 1
        return self._grown(self._reconnect_ns, self._refusals - 1)

    def _grown(self, delay_ns: int, doublings: int) -> int:
        grown = delay_ns << max(0, min(doublings, _GROWTH_MAX))
        return max(delay_ns, min(grown, LEAF_RECONNECT_MAX_NS))

    async def _pause(self, delay_ns: int) -> None:
        over = asyncio.Event()
        timer = self._environment.clock.call_later(delay_ns, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    # what people get to know

    def _note_error(self, text: str) -> None:
        """Keep it for status; log it unless the same was logged a moment ago, or much else was."""
        clock, text = self._environment.clock, in_words(text)
        self.status.last_error, self.status.last_error_ns = text, clock.wall_ns()
        now_ns = clock.monotonic_ns()
        if now_ns - self._lines_since_ns >= LEAF_LOG_INTERVAL_NS:
            self._lines, self._lines_since_ns = 0, now_ns
        is_same = text == self._logged_error and now_ns - self._logged_ns < LEAF_LOG_INTERVAL_NS
        if is_same or self._lines >= LEAF_LOG_LINES_MAX:
            self._suppressed += 1
            return
        self._lines += 1
        log.warning(
            "Leaf link problem: url=%s account=%s problem=%s suppressed=%d",
            *(self.status.url, self.account.name, text, self._suppressed),
        )
        self._logged_error, self._logged_ns, self._suppressed = text, now_ns, 0

    def _tell_domains(self, info: LeafInfo) -> None:
        environment = self._environment
        if environment.jetstream and info.jetstream:
            if info.domain == environment.domain:
                log.warning(
                    "JetStream domains are equal, so neither side reaches the other's: domain=%s",
                    environment.domain or "(none)",
                )
            else:
                log.info(
                    "JetStream using domains: local=%s remote=%s", environment.domain, info.domain
                )
        if 0 < info.max_payload < environment.max_payload_bytes:
            log.warning(
                "The hub's max_payload is smaller than ours, a larger message ends the link: "
                "hub_bytes=%d local_bytes=%d",
                *(info.max_payload, environment.max_payload_bytes),
            )

    def _expiry_hint(self) -> str:
        login = self._login
        now_s = self._environment.clock.wall_ns() // NS_PER_S
        if not login.jwt_expires_s or login.jwt_expires_s > now_s:
            return ""
        return f" (the JWT in {login.jwt_file} has expired, or this machine's clock is wrong)"


def _login_file(options: LeafRemote) -> str:
    return options.credentials or "the file of nkey"  # which may be the seed itself


def _words(err: Exception) -> str:
    """Return an error's cause without Python's decoration."""
    if isinstance(err, TimeoutError):
        return str(err) if err.errno is None and str(err) else "no answer in time"
    if isinstance(err, ssl.SSLCertVerificationError):
        return f"the hub's certificate is not accepted: {err.verify_message}"
    if isinstance(err, ssl.SSLError) and err.reason is not None:
        return _NO_TLS if err.reason in _NOT_TLS else f"TLS: {err.reason.replace('_', ' ').lower()}"
    if isinstance(err, ConnectionError) and err.errno:
        return os.strerror(err.errno).lower()  # asyncio's own text has no cause
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(err) or type(err).__name__
