"""leafnode.metrics: counters start at nothing and are plain numbers."""

from leafnode.metrics import Traffic


def test_traffic_starts_at_zero_and_counts_each_direction_apart() -> None:
    traffic = Traffic()

    traffic.in_msgs += 2
    traffic.out_bytes += 5

    assert (traffic.in_msgs, traffic.in_bytes, traffic.out_msgs, traffic.out_bytes) == (2, 0, 0, 5)
