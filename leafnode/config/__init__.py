"""nats.conf: lexer, parser and the frozen options they end in. Knows not what options do."""
