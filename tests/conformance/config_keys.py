"""Every key that nats-server 2.15.1 reads from a file, by block, and what is done with it here.

Truth: server/opts.go, each `case` of each block; `test_config_keys.py` holds every row against this
server, and against the real one where it is installed. `docs/configuration.md` has the same table.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Verdict(Enum):
    """What becomes of a key."""

    WORKS = "works"
    TAKEN = "taken"  # and nothing comes of it, in silence or with a warning
    REFUSED = "refused"  # by name, with where to go instead


class Key(NamedTuple):
    """One key with its aliases, and a value that nats-server takes.

    Words between two @ are put in by the test.

    `beside` stands before it in its block, `outside` before the whole block.
    """

    names: str
    value: str
    verdict: Verdict = Verdict.WORKS
    beside: str = ""
    outside: str = ""

    @property
    def aliases(self) -> list[str]:
        return self.names.split()


WORKS, TAKEN, REFUSED = Verdict.WORKS, Verdict.TAKEN, Verdict.REFUSED

DIGEST: Final = "0" * 64
_FILE: Final = 'cert_file: "@dir@/cert.pem", key_file: "@dir@/key.pem"'
_TLS: Final = "{ " + _FILE + " }"
_USERS: Final = "[ { user: u, password: p } ]"
_MQTT: Final = (
    ("listen", '"127.0.0.1:1883"'),
    ("port", "1883"),
    ("host net", "localhost"),
    ("tls", _TLS),
    ("authorization authentication", "{ user: u, password: p }"),
    ("no_auth_user", "u"),
    ("ack_wait ackwait", "10s"),
    ("js_api_timeout api_timeout", "5s"),
    ("max_ack_pending max_pending max_inflight", "100"),
    ("js_domain", "d"),
    ("stream_replicas", "1"),
    ("consumer_replicas", "0"),  # -t there says that it is ignored
    ("consumer_memory_storage", "true"),
    ("consumer_inactive_threshold consumer_auto_cleanup", "5s"),
    ("reject_qos2_publish", "true"),
    ("downgrade_qos2_subscribe", "true"),
)
_CLUSTER: Final = (
    ("name", "c"),
    ("listen", '"127.0.0.1:6222"'),
    ("port", "6222"),
    ("host net", "localhost"),
    ("authorization", "{ user: u, password: p }"),
    ("routes", '["nats://127.0.0.1:6223"]'),
    ("tls", _TLS),
    ("cluster_advertise advertise", '"a:1"'),
    ("no_advertise", "true"),
    ("connect_retries", "1"),
    ("connect_backoff", "true"),
    ("permissions", "{ import: a, export: b }"),
    ("pool_size", "3"),
    ("accounts", "[A]"),
    ("compression", "off"),
    ("ping_interval", '"20s"'),
    ("ping_max", "2"),
    ("write_deadline", "1s"),
    ("write_timeout", "close"),
)
_GATEWAY: Final = (
    ("name", "g"),
    ("listen", '"127.0.0.1:7222"'),
    ("port", "7222"),
    ("host net", "localhost"),
    ("authorization", "{ user: u, password: p }"),
    ("tls", _TLS),
    ("advertise", '"a:1"'),
    ("connect_retries", "1"),
    ("connect_backoff", "true"),
    ("gateways", '[ { name: b, url: "nats://127.0.0.1:7223" } ]'),
    ("reject_unknown reject_unknown_cluster", "true"),
    ("write_deadline", "1s"),
    ("write_timeout", "close"),
)

# By the name of the block: how one entry of it makes a file, and its keys. `%s` is the entry.
BLOCKS: Final[dict[str, tuple[str, tuple[Key, ...]]]] = {
    "": (
        "%s",
        (
            Key("listen", '"127.0.0.1:4222"'),
            Key("client_advertise", '"a:4222"'),
            Key("port", "4222"),
            Key("server_name", "n"),
            Key("host net", "localhost"),
            Key("debug", "true"),
            Key("trace", "true"),
            Key("trace_verbose", "true"),
            Key("trace_headers", "true"),
            Key("logtime", "true"),
            Key("logtime_utc", "true"),
            Key("mappings maps", "{ a: b }"),
            Key("disable_sublist_cache no_sublist_cache", "true", TAKEN),
            Key("accounts", "{ A: { users: [ { user: u, password: p } ] } }"),
            Key("default_sentinel", '"x"', outside="@operator@"),
            Key("authorization", "{ user: u, password: p }"),
            Key("http", '"127.0.0.1:8222"'),
            Key("https", '"127.0.0.1:8222"', outside=f"tls {_TLS}"),
            Key("http_port monitor_port", "8222"),
            Key("https_port", "8222", outside=f"tls {_TLS}"),
            Key("http_base_path", '"/a"'),
            Key("cluster", "{ name: c }", REFUSED),
            Key("gateway", "{ name: g }", REFUSED),
            Key("leafnodes leaf", "{ reconnect: 1s }"),
            Key("store_dir storedir", '"/tmp/x"', outside="jetstream: enabled"),
            Key("jetstream", "enabled"),
            Key("logfile log_file", '"/tmp/x.log"'),
            Key("logfile_size_limit log_size_limit", "1MB"),
            Key("logfile_max_num log_max_num", "3"),
            Key("syslog", "true"),
            Key("remote_syslog", '"udp://localhost:514"'),
            Key("pidfile pid_file", '"/tmp/x.pid"'),
            Key("ports_file_dir", '"/tmp"'),
            Key("prof_port", "6060", TAKEN),
            Key("prof_block_rate", "1", TAKEN),
            Key("max_control_line", "4KB"),
            Key("max_payload", "1MB"),
            Key("max_pending", "64MB"),
            Key("proxy_protocol", "true"),
            Key("max_connections max_conn", "100"),
            Key("max_traced_msg_len", "100"),
            Key("max_subscriptions max_subs", "100"),
            Key("max_sub_tokens max_subscription_tokens", "16"),
            Key("ping_interval", '"20s"'),
            Key("ping_max", "2"),
            Key("tls", _TLS),
            Key("ocsp", "true", TAKEN),
            Key("allow_non_tls", "true"),
            Key("write_deadline", "1s"),
            Key("write_timeout", "close"),
            Key("lame_duck_duration", '"1m"'),
            Key("lame_duck_grace_period", "1s"),
            Key("operator operators roots root root_operators root_operator", '"@operator_file@"'),
            Key("resolver account_resolver accounts_resolver", "MEMORY"),
            Key("resolver_tls", _TLS),
            Key("resolver_preload", "{}", outside="resolver: MEMORY"),
            Key("resolver_pinned_accounts", "[@account_key@]"),
            Key("no_auth_user", "u", outside=f"authorization {{ users: {_USERS} }}"),
            Key("system_account system", "S", outside="accounts { S: {} }"),
            Key("no_system_account no_system no_sys_acc", "true"),
            Key("no_header_support", "true"),
            Key("trusted trusted_keys", "@operator_key@"),
            Key("connect_error_reports", "10", TAKEN),
            Key("reconnect_error_reports", "10", TAKEN),
            Key("websocket ws", "{ port: 9222, no_tls: true }"),
            Key("mqtt", "{ port: 1883 }", REFUSED),
            Key("server_tags", "[a, b]"),
            Key("server_metadata", "{ a: b }"),
            Key("feature_flags", "{ js_ack_fc_v2: false }", TAKEN),
            Key("default_js_domain", '{ "$G": d }'),
            Key("ocsp_cache", "false", TAKEN),
            Key("no_fast_producer_stall", "true"),
            Key("max_closed_clients", "100"),
            Key("proxies", "{ trusted: [ { key: @user_key@ } ] }"),
        ),
    ),
    "authorization": (
        "authorization { %s }",
        (
            Key("user username", "u", beside="password: p"),
            Key("pass password", "p", beside="user: u"),
            Key("token", "t"),
            Key("timeout", "1"),
            Key("users", _USERS),
            Key(
                "default_permission default_permissions permissions",
                "{ publish: a }",
                beside=f"users: {_USERS}",
            ),
            Key("auth_callout auth_hook", "@callout@", beside=f"users: {_USERS}"),
            Key("proxy_required", "true", beside="user: u, password: p"),
        ),
    ),
    "authorization.users": (
        "authorization { users: [ { %s } ] }",
        (
            Key("user username", "u", beside="password: p"),
            Key("pass password", "p", beside="user: u"),
            Key("nkey", "@user_key@"),
            Key("permission permissions authorization", "{ publish: a }", beside="@login@"),
            Key(
                "allowed_connection_types connection_types clients", "[STANDARD]", beside="@login@"
            ),
            Key("proxy_required", "true", beside="@login@"),
        ),
    ),
    "authorization.auth_callout": (
        "authorization { users: [ { user: u, password: p } ], auth_callout { %s } }",
        (
            Key("issuer", "@account_key@", beside="auth_users: [u]"),
            Key("account acc", '"$G"', beside="@issuer@, auth_users: [u]"),
            Key("auth_users users", "[u]", beside="@issuer@"),
            Key("xkey key", "@curve_key@", beside="@issuer@, auth_users: [u]"),
            Key(
                "allowed_accounts",
                "[A]",
                beside="@issuer@, auth_users: [u]",
                outside="accounts { A: {} }",
            ),
        ),
    ),
    "permissions": (
        "authorization { users: [ { user: u, password: p, permissions { %s } } ] }",
        (
            Key("pub publish import", "a"),
            Key("sub subscribe export", '"a q"'),
            Key("publish_allow_responses allow_responses", "true"),
        ),
    ),
    "permissions.publish": (
        "authorization { users: [ { user: u, password: p, permissions { publish { %s } } } ] }",
        (Key("allow", "[a]"), Key("deny", "a")),
    ),
    "permissions.allow_responses": (
        "authorization { users: [ { user: u, pass: p, permissions { allow_responses { %s } } } ] }",
        (
            Key("max max_msgs max_messages max_responses", "2"),
            Key("expires expiration ttl", '"1m"'),
        ),
    ),
    "accounts": (
        "accounts { A { %s } }",
        (
            Key("nkey", "@account_key@", TAKEN),
            Key("imports", "[ { stream { account: B, subject: b } } ]", outside="@exporter@"),
            Key("exports", "[ { stream: a } ]"),
            Key("jetstream", "enabled"),
            Key("users", _USERS),
            Key("default_permissions", "{ publish: a }"),
            Key("mappings maps", "{ a: b }"),
            Key("limits", "{ max_subs: 1 }"),
            Key("msg_trace trace_dest", "a"),
        ),
    ),
    "accounts.jetstream": (
        "accounts { A { jetstream { %s } } }",
        (
            Key("max_memory max_mem mem memory", "1MB"),
            Key("max_store max_file max_disk store disk", "1MB"),
            Key("max_streams streams", "1"),
            Key("max_consumers consumers", "1"),
            Key("max_bytes_required max_stream_bytes max_bytes", "true"),
            Key("mem_max_stream_bytes memory_max_stream_bytes", "1MB"),
            Key("disk_max_stream_bytes store_max_stream_bytes", "1MB"),
            Key("max_ack_pending", "1"),
            Key("cluster_traffic", "system", TAKEN),
        ),
    ),
    "accounts.limits": (
        "accounts { A { limits { %s } } }",
        (
            Key("max_connections max_conn", "1"),
            Key("max_subscriptions max_subs", "1"),
            Key("max_payload max_pay", "1"),
            Key("max_leafnodes max_leafs", "1"),
        ),
    ),
    "accounts.msg_trace": (
        "accounts { A { msg_trace { %s } } }",
        (Key("dest", "a"), Key("sampling", "50", beside="dest: a")),
    ),
    "accounts.mappings": (
        "accounts { A { mappings { a: [ { %s } ] } } }",
        (
            Key("dest destination", "b", beside="weight: 100"),
            Key("weight", "100", beside="destination: b"),
            Key("cluster", "c", beside="destination: b, weight: 50"),
        ),
    ),
    "accounts.exports": (
        "accounts { A { exports: [ { %s } ] } }",
        (
            Key("stream", "a"),
            Key("service", "a"),
            Key("response response_type", "stream", beside="service: a"),
            Key(
                "threshold response_threshold response_max_time response_time",
                '"1s"',
                beside="service: a",
            ),
            Key("accounts", "[B]", beside="stream: a", outside="@exporter@"),
            Key("latency", "b", beside="service: a"),
            Key("account_token_position", "1", beside='service: "*.a"'),
            Key("allow_trace", "true", beside="service: a"),
        ),
    ),
    "accounts.imports": (
        "accounts { A { imports: [ { %s } ] } }",
        (
            Key("stream", "{ account: B, subject: b }", outside="@exporter@"),
            Key("service", "{ account: B, subject: s }", outside="@exporter@"),
            Key("prefix", "p", beside="@imported@", outside="@exporter@"),
            Key("to", "c", beside="@imported@", outside="@exporter@"),
            Key(
                "share",
                "true",
                beside="service { account: B, subject: s }",
                outside="@exporter@",
            ),
            Key("allow_trace", "true", beside="@imported@", outside="@exporter@"),
        ),
    ),
    "jetstream.limits": (
        "jetstream { limits { %s } }",
        (
            Key("max_request_batch", "1"),
            Key("max_ack_pending", "1"),
            Key("max_ha_assets", "1", TAKEN),
            Key("duplicate_window", '"10s"'),
            Key("default_max_consumers", "1"),
            Key("batch", "{ max_msgs: 1 }"),
        ),
    ),
    "jetstream.limits.batch": (
        "jetstream { limits { batch { %s } } }",
        (
            Key("max_inflight_per_stream", "1"),
            Key("max_inflight_total", "1"),
            Key("max_msgs", "1"),
            Key("timeout", '"10s"'),
        ),
    ),
    "jetstream": (
        "jetstream { %s }",
        (
            Key("enabled enable", "true"),
            Key("strict", "true"),
            Key("store store_dir storedir", '"/tmp/x"'),
            Key("sync sync_interval", "10s", TAKEN),
            Key("max_memory_store max_mem_store max_mem", "1MB"),
            Key("max_file_store max_file", "1MB"),
            Key("domain", "d"),
            Key("key ek encryption_key", "k", REFUSED),
            Key("prev_key prev_ek prev_encryption_key", "k", REFUSED),
            Key("cipher", "aes", REFUSED),
            Key("extension_hint", "no_extend", TAKEN),
            Key("limits", "{ max_ack_pending: 1 }"),
            Key("tpm", "{ keys_file: x }", REFUSED),
            Key("unique_tag", "a", TAKEN),
            Key("max_outstanding_catchup", "1MB", TAKEN),
            Key("max_buffered_size", "1MB", TAKEN),
            Key("max_buffered_msgs", "100", TAKEN),
            Key("request_queue_limit", "100", TAKEN),
            Key("info_queue_limit", "100", TAKEN),
            Key("meta_compact", "1", TAKEN),
            Key("meta_compact_size", "1MB", TAKEN),
            Key("meta_compact_sync", "true", TAKEN),
            Key("max_concurrent_io", "8", TAKEN),
        ),
    ),
    "leafnodes": (
        "leafnodes { %s }",
        (
            Key("listen", '"127.0.0.1:7422"'),
            Key("port", "7422"),
            Key("host net", "localhost"),
            Key("authorization", "{ user: u, password: p }"),
            Key("remotes", '[ { url: "nats-leaf://localhost:7422" } ]'),
            Key("reconnect reconnect_delay reconnect_interval", "1s"),
            Key("dial_timeout", "1s"),
            Key("tls", _TLS),
            Key("leafnode_advertise advertise", '"a:1"'),
            Key("no_advertise", "true", TAKEN),
            Key("min_version minimum_version", '"2.8.0"'),
            Key("compression", "s2_auto"),
            Key("isolate_leafnode_interest isolate", "true"),
            Key("write_deadline", "1s", TAKEN),
            Key("write_timeout", "close", TAKEN),
        ),
    ),
    "leafnodes.authorization": (
        "accounts { A {} }\nleafnodes { port: 7422, authorization { %s } }",
        (
            Key("user username", "u"),
            Key("pass password", "p", beside="user: u"),
            Key("nkey", "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR"),
            Key("account", "A"),
            Key("timeout", "2"),
            Key("users", "[ { user: a, password: b } ]"),
            Key("proxy_required", "true"),
        ),
    ),
    "leafnodes.authorization.users": (
        "accounts { A {} }\nleafnodes { port: 7422, authorization { users: [ { %s } ] } }",
        (
            Key("user username", "u"),
            Key("pass password", "p", beside="user: u"),
            Key("account", "A", beside="user: u, password: p"),
            Key("proxy_required", "true", beside="user: u, password: p"),
        ),
    ),
    "leafnodes.remotes": (
        'leafnodes { remotes: [ { url: "nats-leaf://localhost:7422", %s } ] }',
        (
            Key("no_randomize dont_randomize", "true"),
            Key("url urls", '"nats-leaf://localhost:7423"'),
            Key("account local", '"$G"'),
            Key("creds credentials", '"/tmp/x.creds"'),
            Key("nkey seed", "@seed@"),
            Key("tls", "{ timeout: 1 }"),
            Key("hub", "true"),
            Key("deny_imports deny_import", "a"),
            Key("deny_exports deny_export", "[a]"),
            Key("ws_compress ws_compression websocket_compress websocket_compression", "true"),
            Key("ws_no_masking websocket_no_masking", "true"),
            Key("jetstream_cluster_migrate js_cluster_migrate", "true", TAKEN),
            Key("isolate_leafnode_interest isolate", "true"),
            Key("request_isolation", "true"),
            Key("compression", "{ mode: s2_fast }"),
            Key("first_info_timeout", "1s"),
            Key("dial_timeout", "1s"),
            Key("disabled", "true"),
            Key("proxy", '{ url: "http://localhost:1" }'),
            Key("ignore_discovered_servers", "true"),
        ),
    ),
    "leafnodes.remotes.tls": (
        'leafnodes { remotes: [ { url: "tls://localhost:7422", tls { %s } } ] }',
        (
            Key("cert_file", '"@dir@/cert.pem"', beside='key_file: "@dir@/key.pem"'),
            Key("key_file", '"@dir@/key.pem"', beside='cert_file: "@dir@/cert.pem"'),
            Key("ca_file", '"@dir@/cert.pem"'),
            Key("insecure", "true"),
            Key("verify", "true", TAKEN, beside='ca_file: "@dir@/cert.pem"'),
            Key("verify_and_map", "true", TAKEN, beside='ca_file: "@dir@/cert.pem"'),
            Key("verify_cert_and_check_known_urls", "false", REFUSED),
            Key("allow_insecure_cipher_suites", "true", TAKEN),
            Key("cipher_suites", "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"),
            Key("curve_preferences", "[CurveP256]"),
            Key("timeout", "1"),
            Key("connection_rate_limit", "1", TAKEN),
            Key("pinned_certs", f'["{DIGEST}"]'),
            Key("handshake_first first immediate", "true"),
            Key("ocsp_peer", "false", TAKEN),
            Key("certs certificates", "[ { " + _FILE + " } ]"),
            Key("min_version", '"1.3"'),
        ),
    ),
    "leafnodes.remotes.tls.certs": (
        'leafnodes { remotes: [ { url: "tls://localhost:7422", tls { certs: [ { %s } ] } } ] }',
        (
            Key("cert_file", '"@dir@/cert.pem"', beside='key_file: "@dir@/key.pem"'),
            Key("key_file", '"@dir@/key.pem"', beside='cert_file: "@dir@/cert.pem"'),
        ),
    ),
    "tls": (
        "tls { " + _FILE + ", %s }",
        (
            Key("cert_file", '"@dir@/cert.pem"'),
            Key("key_file", '"@dir@/key.pem"'),
            Key("ca_file", '"@dir@/cert.pem"'),
            Key("insecure", "true", TAKEN),
            Key("verify", "true", beside='ca_file: "@dir@/cert.pem"'),
            Key("verify_and_map", "true", beside='ca_file: "@dir@/cert.pem"'),
            Key("verify_cert_and_check_known_urls", "false", REFUSED),
            Key("allow_insecure_cipher_suites", "true"),
            Key("cipher_suites", "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"),
            Key("curve_preferences", "[CurveP256]"),
            Key("timeout", "1.5"),
            Key("connection_rate_limit", "10"),
            Key("pinned_certs", f'["{DIGEST}"]'),
            Key("handshake_first first immediate", "auto"),
            Key("ocsp_peer", "false", TAKEN),
            Key("min_version", '"1.3"'),
        ),
    ),
    "tls.certs": (
        "tls { certs: [ { %s } ] }",
        (
            Key("cert_file", '"@dir@/cert.pem"', beside='key_file: "@dir@/key.pem"'),
            Key("key_file", '"@dir@/key.pem"', beside='cert_file: "@dir@/cert.pem"'),
        ),
    ),
    "websocket": (
        "websocket { port: 9222, no_tls: true, %s }",
        (
            Key("listen", '"127.0.0.1:9222"'),
            Key("port", "9222"),
            Key("host net", "localhost"),
            Key("advertise", '"a:1"', TAKEN),
            Key("no_tls", "true"),
            Key("tls", _TLS),
            Key("same_origin", "true"),
            Key(
                "allowed_origins allowed_origin allow_origins allow_origin origins origin",
                '["https://a"]',
            ),
            Key("handshake_timeout", '"1s"'),
            Key("compress compression", "true"),
            Key("authorization authentication", "{ user: u, password: p }"),
            Key("jwt_cookie", "c", outside="@operator@"),
            Key("user_cookie", "c"),
            Key("pass_cookie", "c"),
            Key("token_cookie", "c"),
            Key("no_auth_user", "u", outside=f"authorization {{ users: {_USERS} }}"),
            Key("headers", "{ X-A: b }"),
            Key("ping_interval", '"20s"'),
        ),
    ),
    "websocket.authorization": (
        "websocket { port: 9222, no_tls: true, authorization { %s } }",
        (
            Key("user username", "u", beside="password: p"),
            Key("pass password", "p", beside="user: u"),
            Key("token", "t"),
            Key("timeout", "1"),
        ),
    ),
    "resolver": (
        'operator: "@operator_file@", resolver { %s }',
        (
            Key("type", "full", beside='dir: "@dir@/jwts"'),
            Key("dir", '"@dir@/jwts"', beside="type: full"),
            Key("allow_delete", "true", beside='type: full, dir: "@dir@/jwts"'),
            Key("hard_delete", "true", beside='type: full, dir: "@dir@/jwts", allow_delete: true'),
            Key("limit", "10", beside='type: cache, dir: "@dir@/jwts"'),
            Key("ttl", '"1h"', beside='type: cache, dir: "@dir@/jwts"'),
            Key("interval", '"1m"', beside='type: full, dir: "@dir@/jwts"'),
            Key("timeout", '"1s"', beside='type: full, dir: "@dir@/jwts"'),
        ),
    ),
    "proxies": (
        "proxies { %s }",
        (Key("trusted", "[ { key: @user_key@ } ]"),),
    ),
    "proxies.trusted": (
        "proxies { trusted: [ { %s } ] }",
        (Key("key public_key", "@user_key@"),),
    ),
    "mqtt": (
        "mqtt { %s }",
        tuple(Key(names, value, REFUSED) for names, value in _MQTT),
    ),
    "cluster": (
        "cluster { %s }",
        tuple(Key(names, value, REFUSED) for names, value in _CLUSTER),
    ),
    "gateway": (
        "gateway { %s }",
        tuple(Key(names, value, REFUSED) for names, value in _GATEWAY),
    ),
}


def table() -> str:
    """Return the lines of the table of docs/configuration.md."""
    lines = ["| block | works | taken without effect | refused by name |", "|---|---|---|---|"]
    for block, (_, keys) in BLOCKS.items():
        cells = [
            ", ".join(_shown(key) for key in keys if key.verdict is verdict) or " "
            for verdict in (WORKS, TAKEN, REFUSED)
        ]
        if all(key.verdict is REFUSED for key in keys):
            cells[2] = "the block as a whole"
        name = f"`{block}`" if block else "outermost"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines).replace("|   |", "| |")


def _shown(key: Key) -> str:
    first, *more = key.aliases
    aliases = " ".join(f"`{name}`" for name in more)
    return f"`{first}`" + (f" ({aliases})" if more else "")
