"""leafnode.protocol.errors: the exact bytes that go out."""

from leafnode.protocol import errors


def test_wire_line_quotes_the_literal_text() -> None:
    line = errors.wire_line(errors.MaxPayloadViolation())

    assert line == b"-ERR 'Maximum Payload Violation'\r\n"


def test_an_error_without_a_text_closes_without_a_word() -> None:
    assert errors.wire_line(errors.ParserError()) == b""
    assert errors.ParserError.closes


def test_permissions_violation_names_subject_and_queue() -> None:
    plain = errors.PermissionsViolation(b"Publish", b"y")
    queue = errors.PermissionsViolation(b"Subscription", b"y", b"q")

    assert errors.wire_line(plain) == b"-ERR 'Permissions Violation for Publish to \"y\"'\r\n"
    assert errors.wire_line(queue) == (
        b'-ERR \'Permissions Violation for Subscription to "y" using queue "q"\'\r\n'
    )
    assert not plain.closes
