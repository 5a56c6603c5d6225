"""The language of configuration files: what one server takes, the other takes.

A file that both take has the same tree: the digest says so. `TAKEN_HERE` and `REFUSED_HERE` are
what docs/configuration.md says of the differences. Truth: nats-server 2.15.1, `-t`.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from leafnode.config.bind import load
from leafnode.errors import ConfigError
from tests.hub.process import nats_server_path

if TYPE_CHECKING:
    from pathlib import Path

CHECK_S = 60  # how long one `nats-server -t` may take on a busy machine
CASES: Final[dict[str, str | bytes]] = {
    "empty": "",
    "blank": "  \n\n",
    "comment only": "# a",
    "bom": "\ufeffport: 4222",
    "crlf": "port: 4222\r\ndebug: true\r\n",
    "cr only": "port: 4222\rdebug: true\r",
    "semi": "port: 4222; debug: true",
    "semi end": "port: 4222;",
    "dbl semi": "port: 4222;; debug: true",
    "comma top": "port: 4222, debug: true",
    "comma end": "port: 4222,",
    "json": '{"port": 4222, "debug": true}',
    "json nl": '{\n"port": 4222,\n"debug": true\n}\n',
    "json trailing comma": '{"port": 4222,}',
    "json nested": '{"authorization": {"user": "a", "password": "b"}}',
    "json after": '{"port": 4222}\n x',
    "json comment": '{"port": 4222} # hi',
    "brace no json": "{ port: 4222 }",
    "quoted key": '"port": 4222',
    "single quoted key": "'port': 4222",
    "quoted key space": '"server_name" : "a"',
    "eq": "port = 4222",
    "space": "port 4222",
    "colon tight": "port:4222",
    "eq tight": "port=4222",
    "tab": "port\t4222",
    "colon newline": "port:\n4222",
    "key newline": "port\n4222",
    "upper": "PORT: 4222",
    "mixed": "Server_Name: a",
    "comment end": "port: 4222 # c",
    "comment slash": "port: 4222 // c",
    "comment tight": "port: 4222#c",
    "comment tight slash": "server_name: a//b",
    "comment in map": "authorization { # c\n user: a # d\n // e\n password: b }",
    "comment after brace": "authorization {user: a, password: b} # c",
    "comment in array": "server_tags: [ a # c\n b // d\n ]",
    "comment before colon": "port # c\n : 4222",
    "single slash": "/ a",
    "slash comment no nl": "// a",
    "size k": "max_payload: 1k",
    "control line large": "max_control_line: 1MB",
    "store dir alone": "store_dir: x",
    "sentinel empty": 'default_sentinel: ""',
    "trusted empty": "trusted_keys: []",
    "jetstream off with more": "jetstream { enabled: false, store_dir: x, domain: d }",
    "js domain empty": "default_js_domain {}",
    "block then semi": "authorization {}; port: 4222",
    "block then comma": "authorization {}, port: 4222",
    "block then key": "authorization {} port: 4222",
    "array then key": "server_tags: [a] port: 4222",
    "user at": "authorization { user: u@x.org, password: x }",
    "password signs": "authorization { user: a, password: abc^&*% }",
    "password dollar within": "authorization { user: a, password: pass$word }",
    "password dollar first": "authorization { user: a, password: $word }",
    "size K": "max_payload: 1K",
    "size kb": "max_payload: 1kb",
    "size KB": "max_payload: 1KB",
    "size kib": "max_payload: 1kib",
    "size KiB": "max_payload: 1KiB",
    "size ki": "max_payload: 1ki",
    "size m": "max_payload: 1m",
    "size MB": "max_payload: 1MB",
    "size mib": "max_payload: 1MiB",
    "size g": "max_pending: 1g",
    "size gb": "max_pending: 1GB",
    "size t": "jetstream{max_file: 1t}",
    "size tb": "jetstream{max_file: 1TB}",
    "size p": "jetstream{max_file: 1p}",
    "size e": "jetstream{max_file: 1e}",
    "size eb": "jetstream{max_file: 1EB}",
    "size big": "jetstream{max_file: 9EB}",
    "size x": "max_payload: 1x",
    "size kk": "max_payload: 1kk",
    "size space": "max_payload: 1 k",
    "size neg": "max_subs: -1k",
    "float size": "max_payload: 1.5k",
    "quoted size": 'max_payload: "1k"',
    "leading zero": "port: 04222",
    "00": "max_subs: 00",
    "plus": "port: +4222",
    "hex": "port: 0x10",
    "underscore": "port: 4_222",
    "neg": "port: -1",
    "neg zero": "max_subs: -0",
    "big int": "max_subs: 99999999999999999999",
    "float": "authorization{timeout: 1.5}",
    "a long login": "authorization{timeout: 60}",
    "too long a login": "authorization{timeout: 61}",
    "too long a login of leafs": "leafnodes{port: 7422, authorization{timeout: 90s}}",
    "a long login over websocket": "websocket{port: 1, no_tls: true, authorization{timeout: 90s}}",
    "float .5": "authorization{timeout: .5}",
    "float 5.": "authorization{timeout: 5.}",
    "exp": "authorization{timeout: 1e3}",
    "dash": "server_name: -",
    "dash word": "server_name: -a",
    "date": "server_name: 2016-01-02T03:04:05Z",
    "date bad": "server_name: 2016-13-02T03:04:05Z",
    "date short": "server_name: 2016-01-02",
    "date unused": "$x: 1\nport: 4222",
    "bool yes": "debug: yes",
    "bool ON": "debug: ON",
    "bool True": "debug: True",
    "bool t": "debug: t",
    "bool 1": "debug: 1",
    "off": "debug: off",
    "No": "debug: No",
    "str dq": 'server_name: "a"',
    "str sq": "server_name: 'a'",
    "str esc": 'server_name: "a\\tb"',
    "str x": 'server_name: "\\x41"',
    "str badesc": 'server_name: "\\q"',
    "str u": 'server_name: "\\u0041"',
    "sq esc": "server_name: 'a\\tb'",
    "dq nl": 'server_name: "a\nb"',
    "sq nl": "server_name: 'a\nb'",
    "unterminated": 'server_name: "a',
    "unterminated sq": "server_name: 'a",
    "dq quote": 'server_name: "a\\"b"',
    "bare quote mid": "server_name: it's",
    "bare dq mid": 'server_name: it"s',
    "str concat": 'server_name: "a" "b"',
    "str after": 'server_name: "a"b',
    "block": "server_name: (\na\n)",
    "block inline": "server_name: (a)",
    "block nested": "server_name: (\na(b)\n)",
    "block end indent": "server_name: (\na\n  )",
    "block crlf": "server_name: (\r\na\r\n)\r\n",
    "block then": "server_name: (\na\n)\nport: 4222",
    "block unterminated": "server_name: (\na",
    "unicode": 'server_name: "héé"',
    "unicode bare": "server_name: héé",
    "unicode key": '"pört": 1',
    "emoji": 'server_name: "😀"',
    "nbsp": "port:\xa04222",
    "bad utf8": b'server_name: "\xff"',
    "nul": b'server_name: "a\x00b"',
    "dup": "port: 4222\nport: 4223",
    "dup block": "authorization {user: a, password: b}\nauthorization {user: c, password: d}",
    "dup alias": "host: a\nnet: b",
    "dup in map": "authorization {user: a, user: b, password: c}",
    "unknown": "foo: 1",
    "unknown nested": "authorization { foo: 1 }",
    "unknown deep": "authorization { users: [ { user: a, password: b, foo: 1 } ] }",
    "unknown block": "foo { bar: 1 }",
    "unknown js": "jetstream { foo: 1 }",
    "two unknown": "foo: 1\nbar: 2",
    "var": "p: 4222\nport: $p",
    "var quoted": 'p: "a"\nserver_name: $p',
    "var undefined": "port: $nope_x",
    "var after": "port: $p\np: 4222",
    "var scope inner": "authorization { u: a\n user: $u, password: b}",
    "var scope outer": "u: a\nauthorization { user: $u, password: b }",
    "var scope sibling": "a { u: x }\nserver_name: $u",
    "var shadow": "u: a\nauthorization { u: b\n user: $u, password: c }",
    "var map": "m: {user: a, password: b}\nauthorization: $m",
    "var array": "t: [a,b]\nserver_tags: $t",
    "var in array": "t: a\nserver_tags: [$t, b]",
    "var in quotes": 't: a\nserver_name: "$t"',
    "var chain": "a: b\nc: $a\nserver_name: $c",
    "var self": "server_name: $server_name",
    "var unused": "u: a\nport: 4222",
    "var bcrypt": "authorization {user: a, password: $2a$11$ooo}",
    "var bcrypt2b": "authorization {user: a, password: $2b$11$ooo}",
    "var dollar": "server_name: $",
    "var partial": "t: a\nserver_name: $t.b",
    "var case": "T: a\nserver_name: $t",
    "missing value": "port:",
    "missing value nl": "port:\ndebug: true",
    "no sep": "port",
    "open brace": "authorization {",
    "close brace": "}",
    "extra close": "port: 4222 }",
    "open array": "server_tags: [",
    "array": "server_tags: [a, b]",
    "array nl": "server_tags: [\na\nb\n]",
    "array trailing": "server_tags: [a, b,]",
    "array space": "server_tags: [a b]",
    "array semi": "server_tags: [a; b]",
    "array nums": "server_tags: [1, 2]",
    "array nested": "server_tags: [[a]]",
    "array maps": "authorization { users: [ {user: a, password: b} {user: c, password: d} ] }",
    "array maps comma": "authorization { users: [ {user: a, pass: b}, {user: c, pass: d}, ] }",
    "map tight": "authorization{user:a,password:b}",
    "map eq": "authorization = {user: a, password: b}",
    "map colon": "authorization: {user: a, password: b}",
    "map semi": "authorization {user: a; password: b;}",
    "map nl": "authorization\n{\nuser: a\npassword: b\n}",
    "map comma nl": "authorization {\nuser: a,\npassword: b,\n}",
    "empty map": "authorization {}",
    "empty array": "server_tags: []",
    "quoted string num": 'port: "4222"',
    "ip bare": "host: 127.0.0.1",
    "hostport bare": "listen: 127.0.0.1:4222",
    "listen port": "listen: 4222",
    "listen colon": "listen: :4222",
    "ipv6": 'listen: "[::1]:4222"',
    "url bare": "leafnodes {remotes: [{url: nats://a:1}]}",
    "dur bare": "leafnodes {reconnect: 1s}",
    "dur ms": "leafnodes {reconnect: 100ms}",
    "dur 1.5s": "leafnodes {reconnect: 1.5s}",
    "dur neg": "leafnodes {reconnect: -1s}",
    "dur 1h": "lame_duck_duration: 1h",
    "dur 1m": "lame_duck_duration: 1m",
    'dur "1m"': 'lame_duck_duration: "1m"',
    "dur 1m30s": "lame_duck_duration: 1m30s",
    "path bare": "pid_file: ./x",
    "path abs": "pid_file: /tmp/x",
    "path tilde": "pid_file: ~/x",
    "server name star": "server_name: a*",
    "paren in bare": "server_name: a(b",
    "equals in val": "server_name: a=b",
    "colon in val": "server_name: a:b",
    "comma in val": "server_name: a,b",
    "brace in val": "server_name: a}b",
    "bracket in val": "server_name: a]b",
    "at": "server_name: @a",
    "backslash": "server_name: a\\tb",
    "percent": "server_name: %a",
    "deep": "a { b { c { d { e { f: 1 } } } } }",
    "sub quotes": 'accounts { A { exports: [ {stream: "a.>"} ] } }',
    "sub bare": "accounts { A { exports: [ {stream: a.>} ] } }",
    "gt": "authorization {users: [{user: a, password: b, permissions {publish: >}}]}",
    "star": "authorization {users: [{user: a, password: b, permissions {publish: *}}]}",
    "include missing": "include nope.conf",
    "include quoted": 'include "inc.conf"',
    "include bare": "include inc.conf",
    "include single": "include 'inc.conf'",
    "include ./": "include ./inc.conf",
    "include colon": "include: inc.conf",
    "include eq": "include = inc.conf",
    "include in map": "authorization { include auth.conf }",
    "include semi": "include inc.conf; port: 4222",
    "include empty": "include empty.conf\nport: 4222",
    "include upper": "INCLUDE inc.conf",
    "include var uses outer": "v: 1\ninclude usesv.conf",
    "include defines": "include defs.conf\nserver_name: $dn",
    "include twice": "include inc.conf\ninclude inc.conf",
    "include bad": "include bad.conf",
    "include abs": 'include "@dir@/inc.conf"',
    "include in array": "server_tags: [ include inc.conf ]",
    "include map": "authorization: include auth.conf",
    "include json": "include j.conf",
    "env": "server_name: $ENV_A",
    "env num": "port: $ENV_N",
    "env bool": "debug: $ENV_B",
    "env quoted": "server_name: $ENV_Q",
    "env empty": "server_name: $ENV_E",
    "env space": "server_name: $ENV_S",
    "env map": "authorization: $ENV_M",
    "env array": "server_tags: $ENV_L",
    "env size": "max_payload: $ENV_K",
    "env dollar": "server_name: $ENV_D",
    "env nested": "authorization {user: $ENV_A, password: $ENV_A}",
    "env braces": "server_name: ${ENV_A}",
    "env dur": "leafnodes {reconnect: $ENV_T}",
    "env bcrypt": "authorization {user: a, password: $ENV_H}",
    "env neg": "port: $ENV_G",
    "env comment": "server_name: $ENV_C",
    "env nl": "server_name: $ENV_NL",
    "brace no end": "{ port: 4222",
    "brace no end nl": "{\nport: 4222\n",
    "brace no end comma": "{ server_name: a,",
    "brace no end semi": "{ server_name: a;",
    "brace no end comment": "{ server_name: a # c",
    "brace no end comment line": "{ server_name: a\n# c",
    "brace no end block": "{ authorization {user: a, password: b}\n",
    "brace no end inner": "{ authorization {user: a, password: b",
    "brace no end include": "{ include inc.conf\n",
    "brace no end empty": "{\n",
    "brace and one more": "{ server_name: a\n}}",
    "brace and one more apart": "{ server_name: a } }",
    "brace and one more line": "{ server_name: a\n}\n}\n",
    "nothing semi": "server_name:;",
    "nothing semi then": "server_name:;debug: true",
    "nothing semi blank": "server_name ; debug: true",
    "nothing semi line": "server_name\n;",
    "nothing semi marked line": "server_name:\n;",
    "nothing semi twice": "server_name:;;",
    "nothing comma": "server_name:,",
    "nothing comma then": "server_name ,debug: true",
    "nothing at all": "server_name:",
    "nothing at all eq": "server_name = ",
    "nothing at all unmarked": "server_name ",
    "nothing brace": "server_name:}",
    "nothing brace in braces": "{ server_name:}",
    "nothing brace inner": "authorization { user: a, password:}",
    "nothing in map": "accounts { A { default_permissions:; } }",
    "nothing in array": "server_tags: [;]",
    "nothing number": "port:;",
    "nothing bool": "debug:;",
    "nothing list": "server_tags:;",
    "nothing block": "tls:;",
    "nothing accounts": "accounts:;",
    "nothing files": "pid_file:; store_dir:;",
    "nothing system": "system_account:; no_auth_user:;",
    "accounts text": 'accounts: "text"',
    "accounts word": "accounts: A",
    "accounts number": "accounts: 3",
    "accounts bool": "accounts: yes",
    "accounts names": "accounts: [A, B]",
    "accounts numbers": "accounts: [1]",
    "an account that is a text": 'accounts { A: "x" }',
    "mappings text": 'mappings: "x"',
    "number bracket": "server_name=1]",
    "number quote": "server_name: 1'",
    "number backslash": "server_name: 1\\x",
    "number bracket more": "server_name: 1]2",
    "size bracket": "server_name: 1k]",
    "size digits": "server_name: 1k5",
    "size two units": "server_name: 1kbb",
    "size no unit": "server_name: 1kx",
    "minus junk": "server_name: -5x",
    "minus size": "server_name: -5kx",
    "address junk": "server_name: 1.2.3.4x",
    "address port": "server_name: 1.2.3.4:5-6",
    "float bracket": "server_tags: [1.5]",
    "minus bracket": "server_tags: [-1]",
    "quote ends": "server_name: it'",
    "quote ends a word": "server_name: true' # c",
    "quote ends a variable": "server_name: $t'",
    "braces value on the next line": "{port:\n4222}",
    "braces value on the next line unmarked": "{port\n4222}",
    "braces in braces": "{{debug : false # c\n",
    "braces in braces ended": "{{ debug: true }}",
    "braces in braces apart": "{{ debug: true } { trace: true }}",
    "braces in braces comma": "{{ debug: true }, { trace: true }\n; port: 1}",
    "braces in braces comment": "{{ debug: true } # c\n trace: true }",
    "braces in braces slash": "{{ debug: true } / \n }",
    "braces in braces end": "{{ debug: true }",
    "braces then": "{}trace yes\n}",
    "braces then more": "{port: 1} debug: true",
    "braces behind": "debug: true\n{ trace: true }",
    "braces empty": "{}{}",
    "nothing brace unmarked": "debug: yes\nserver_name\t}",
    "nothing brace unmarked in braces": "{ server_name }",
    "slash first in an array": "server_tags: [ /a, b ]",
    "slash first in an array later": "server_tags: [ b, /a ]",
    "slash first in an array quoted": "server_tags: [ '/a' ]",
    "minus address": "server_name: -1.2.3.4:5",
    "slash": "debug: true /",
    "slash then": "debug: true / trace: true",
    "slash in braces": "{ debug: true /\n}",
    "slash in a block": "authorization { user: a / password: b }",
    "slash in an array": "server_tags: [ a / b ]",
    "comma on the next line": "debug: true\n, trace: true",
    "comma on the next line of an array": "server_tags: [a\n, b]",
    "comma on the next line of a block": "authorization { user: a\n, password: b }",
    "two commas in a block": "authorization { user: a,, password: b }",
    "comma for nothing in a block": "server_metadata { a , }",
    "other blanks": "debug: true\n\v\f\x85\xa0\u2003trace: true",
    "other blanks behind": 'server_name: "a"\xa0',
    "no blank": "debug: true\n\x1ctrace: true",
    "other blank in a word": "server_metadata { a: a\xa0b }",
    "include number": "include 1.conf",
    "include minus": "include -a.conf",
    "include next line": "include\ninc.conf",
    "include comma": "include inc.conf, debug: true",
    "include quote": "include inc.conf'",
    "block crlf end": "server_metadata {\na (\nb\n)\r\n}",
    "block in a block": "server_metadata {\na (\nb\n)\n}",
    "env next line": "server_name: $ENV_BEFORE",
    "env semi": "server_name: $ENV_SEMI",
    "other digits": "client_advertise: \u0663",
    "other digits two": "server_name: 1\u0663",
    "other digits minus": "server_name: -\u0663",
    "other digits size": "server_name: \u0663k",
    "other digits float": "server_name: 1.\u0663",
    "other digits word": "server_name: \u0663a",
    "other digits within": "server_name: a\u0663:5",
    "other digits raised": "server_name: 1\u00b2",
    "other digits percent": 'accounts {A {exports: [{service: a, latency: {sampling: "\u0663"}}]}}',
}
FILES: Final = {
    "inc.conf": "server_tags: [x]\n",
    "auth.conf": "user: a\npassword: b\n",
    "empty.conf": "",
    "usesv.conf": "server_name: $v\n",
    "defs.conf": "dn: abc\n",
    "bad.conf": "port: [",
    "j.conf": '{"server_tags": ["x"]}',
}
ENVIRONMENT: Final = {
    "ENV_A": "abc",
    "ENV_N": "4333",
    "ENV_B": "true",
    "ENV_Q": '"a b"',
    "ENV_E": "",
    "ENV_S": "a b",
    "ENV_M": "{user: a, password: b}",
    "ENV_L": "[a,b]",
    "ENV_K": "1k",
    "ENV_D": "$ENV_A",
    "ENV_T": "2s",
    "ENV_H": "'$2a$11$ooo'",
    "ENV_G": "-1",
    "ENV_C": "a # b",
    "ENV_NL": "a\nport: 4",
    "ENV_BEFORE": "\na",
    "ENV_SEMI": "a;",
}
TAKEN_HERE: Final = frozenset(["var bcrypt2b", "include abs", "env array"])
REFUSED_HERE: Final = frozenset(
    [
        "size neg",
        "str esc",
        "dq nl",
        "sq nl",
        "block",
        "block nested",
        "block then",
        "block in a block",
        "bad utf8",
        "server name star",
        "backslash",
        "env nl",
    ]
)


def _written(name: str, directory: Path) -> Path:
    for file, content in FILES.items():
        (directory / file).write_text(content)
    case = CASES[name]
    text = case if isinstance(case, bytes) else case.encode()
    path = directory / "x.conf"
    path.write_bytes(text.replace(b"@dir@", str(directory).encode()))
    return path


def _digest_here(path: Path) -> str:
    """Return the digest of a file that is taken, else nothing."""
    try:
        options = load(str(path), ENVIRONMENT)
    except ConfigError:
        return ""
    return "" if options.deprecated else options.config_digest


@pytest.mark.parametrize("name", CASES)
def test_a_text_is_taken_by_both_servers_or_by_none(name: str, tmp_path: Path) -> None:
    program = nats_server_path()
    if program is None:
        pytest.skip("nats-server is not installed")
    path = _written(name, tmp_path)

    here = _digest_here(path)
    done = subprocess.run(
        [program, "-t", "-c", str(path)],
        capture_output=True,
        check=False,
        timeout=CHECK_S,
        env={**os.environ, **ENVIRONMENT},
    )

    there = done.stderr.decode().rpartition("(")[2].strip(")\n") if not done.returncode else ""
    if name in TAKEN_HERE:
        assert here
        assert not there, "it is no difference any more"
    elif name in REFUSED_HERE:
        assert there
        assert not here, "it is no difference any more"
    else:
        assert here == there, done.stderr


# What both refuse when they start, and only this server at `-t`: with nats-server's words.
AT_THE_START: Final = {
    "system_account: NONE": "error resolving system account: account missing",
    "accounts { A {} }\nsystem_account: NONE": "error resolving system account: account missing",
    "no_auth_user: nobody": 'no_auth_user: "nobody" present, but users/nkeys are not defined',
    "authorization { users [{user: a, password: b}] }\nno_auth_user: nobody": (
        'no_auth_user: "nobody" not present as user or nkey in authorization block or account '
        "configuration"
    ),
    "max_pending: 1000\nmax_payload: 2000": (
        "max_payload (2000) cannot be higher than max_pending (1000)"
    ),
    "max_payload: 100MB": ("max_payload (104857600) cannot be higher than max_pending (67108864)"),
    'client_advertise: "h:\u0663"': "",
    'leafnodes { port: -1, advertise: "h:\u0663" }': "",
    'websocket { port: -1, no_tls: true, advertise: "h:\u0663" }': "",
}


@pytest.mark.parametrize("text", AT_THE_START)
def test_what_no_server_starts_with_is_refused_here_at_the_check_already(
    text: str, tmp_path: Path
) -> None:
    program = nats_server_path()
    if program is None:
        pytest.skip("nats-server is not installed")
    path = tmp_path / "x.conf"
    path.write_text(f"listen: 127.0.0.1:-1\n{text}\n")

    checked, started = (
        subprocess.run(
            [program, *flags, "-c", str(path)],
            capture_output=True,
            check=False,
            timeout=CHECK_S,
            cwd=tmp_path,
        )
        for flags in (["-t"], [])
    )

    assert checked.returncode == 0
    assert started.returncode == 1
    assert AT_THE_START[text] in started.stderr.decode()
    with pytest.raises(ConfigError) as caught:
        load(str(path), {})
    assert AT_THE_START[text] in str(caught.value)
