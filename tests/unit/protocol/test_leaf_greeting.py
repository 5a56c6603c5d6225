"""JSON on the port for leafs. Source: nats-server 2.15.1, measured on its binary."""

from __future__ import annotations

import json

from leafnode.protocol.leaf_greeting import LeafServerInfo, encode_leaf_info, parse_claim
from leafnode.protocol.leaf_op import SubjectRulesInfo


def test_info_has_the_fields_of_nats_server_in_its_order() -> None:
    info = LeafServerInfo(
        server_id="NH",
        server_name="hub",
        version="2.15.1",
        proto=3,
        git_commit="",
        go="",
        host="127.0.0.1",
        port=7422,
        headers=True,
        auth_required=True,
        max_payload=1048576,
        ip="127.0.0.1:7422",
        client_id=5,
        connect_info=True,
        remote_account="$G",
        import_rules=SubjectRulesInfo(["in.>"], ["in.no"]),
        export_rules=SubjectRulesInfo(["out.>"]),
        api_lvl=5,
        info_on_connect=True,
        leafnode_urls=["127.0.0.1:7422"],
    )

    assert encode_leaf_info(info) == (
        b'INFO {"server_id":"NH","server_name":"hub","version":"2.15.1","proto":3,"git_commit":"",'
        b'"go":"","host":"127.0.0.1","port":7422,"headers":true,"auth_required":true,'
        b'"max_payload":1048576,"ip":"127.0.0.1:7422","client_id":5,"connect_info":true,'
        b'"remote_account":"$G","import":{"allow":["in.\\u003e"],"deny":["in.no"]},'
        b'"export":{"allow":["out.\\u003e"]},"api_lvl":5,"info_on_connect":true,'
        b'"leafnode_urls":["127.0.0.1:7422"]} \r\n'
    )


def test_a_claim_says_nothing_of_credentials() -> None:
    claim = parse_claim(json.dumps({"name": "x", "pass": "CANARY", "protocol": 3}).encode())

    assert "CANARY" not in repr(claim)
    assert claim.traces
