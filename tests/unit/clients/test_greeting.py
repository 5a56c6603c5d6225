"""leafnode.clients.greeting: what every client is told of the server."""

import msgspec

from leafnode.auth.identity import ConnectionType
from leafnode.clients.greeting import first_info, server_info
from leafnode.config.options import HostPort, JetStreamOptions, Options
from leafnode.protocol.info import ServerInfo


def info(options: Options) -> ServerInfo:
    return server_info(options, server_id="N1", server_name="edge", port=4333, auth_required=False)


def test_the_fields_of_a_plain_server_are_those_of_nats_server_and_one_of_ours() -> None:
    fields = msgspec.to_builtins(info(Options()))

    assert list(fields) == [
        *("server_id", "server_name", "version", "proto", "git_commit", "go", "host", "port"),
        *("headers", "max_payload", "client_id", "api_lvl", "leafnode_version"),
    ]


def test_where_it_listens_is_told_unless_another_address_is_advertised() -> None:
    plain = info(Options(host="0.0.0.0"))
    advertised = info(Options(client_advertise=HostPort("edge.example", 77)))
    host_alone = info(Options(client_advertise=HostPort("edge.example", 0)))

    assert (plain.host, plain.port) == ("0.0.0.0", 4333)
    assert (advertised.host, advertised.port) == ("edge.example", 77)
    assert (host_alone.host, host_alone.port) == ("edge.example", 4333)


def test_jetstream_and_its_domain_are_told() -> None:
    told = info(Options(jetstream=JetStreamOptions(domain="edge")))

    assert (told.jetstream, told.domain) == (True, "edge")


def test_headers_may_be_off() -> None:
    assert not info(Options(no_header_support=True)).headers


def test_a_no_auth_user_asks_for_nothing_in_the_first_info_but_over_websocket() -> None:
    options = Options(no_auth_user="guest")
    told = server_info(options, server_id="N", server_name="n", port=1, auth_required=True)

    def required(kind: ConnectionType) -> bool:
        return first_info(told, options, kind=kind, nonce=b"", is_tls=False).auth_required

    assert not required(ConnectionType.STANDARD)
    assert required(ConnectionType.WEBSOCKET)


def test_the_first_info_has_the_nonce_and_says_that_it_came_encrypted() -> None:
    told = server_info(Options(), server_id="N", server_name="n", port=1, auth_required=True)

    first = first_info(told, Options(), kind=ConnectionType.STANDARD, nonce=b"abc", is_tls=True)

    assert (first.nonce, first.tls_required, first.auth_required) == ("abc", True, True)
    assert (told.nonce, told.tls_required) == ("", False)
