"""Store and forward: local streams published to the hub, exactly once, across any outage."""
