"""Every bound and default in one place: value, unit, source, and how the values relate.

A bound that a queue, cache or buffer uses is named in docs/memory.md together with what happens at
it.
"""

from __future__ import annotations

from typing import Final

from leafnode.clock import NS_PER_MS, NS_PER_S

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- client protocol; sources are nats-server 2.15.1 server/const.go unless said otherwise
MAX_CONTROL_LINE_BYTES: Final = 4096
MAX_PAYLOAD_BYTES: Final = MIB
MAX_PENDING_BYTES: Final = 64 * MIB
MAX_CONNECTIONS: Final = 65536
MAX_SUBSCRIPTIONS_PER_CONNECTION: Final = 0  # 0 = unlimited, as nats-server has it
# Ours: what a control line of the default length has room for; nats-server has no bound.
MAX_SUBJECT_TOKENS: Final = MAX_CONTROL_LINE_BYTES // 2
PING_INTERVAL_NS: Final = 120 * NS_PER_S
PING_MAX: Final = 2
WRITE_DEADLINE_NS: Final = 10 * NS_PER_S
AUTH_TIMEOUT_NS: Final = 2 * NS_PER_S  # absolute from accept, so that dripping bytes gains nothing
CALLOUTS_PENDING_MAX: Final = 1024  # logins that wait for an auth callout service
LOGIN_WATCH_NS: Final = 1 * NS_PER_S  # ours: whether who waits for its check is still there
READ_CHUNK_BYTES: Final = 64 * KIB  # one bounded read per connection and turn: fairness
READ_BULK_BYTES: Final = 4 * READ_CHUNK_BYTES  # the same, of one whose reads are soon handled
READ_QUICK_NS: Final = NS_PER_MS // 2  # what that means, for each 64 KiB
FREED_MEMORY_KEPT_BYTES: Final = 2 * MIB  # of the C library's heap, for the next turn
# What the bytes of one connection may cause in one turn, in units of about 0.1 us on a PC. Bytes on
# the wire are no measure of it: 15 of them can mean 10,000 deliveries. Counted is by whoever does
# it: the sublist what it finds and walks, `groups.pick` whom it asks, `route.build` what it builds,
# `emit` and `deliver` each receiver, the session each line, a part of the server what it does. It
# is counted as it is done, so the last message of a turn may go beyond.
TURN_WORK: Final = 32_768
# What all connections together are read for in one turn of the loop: with the read that goes beyond
# and one of those who wait, each TURN_WORK, it stays below 10 ms.
TURN_NS: Final = 3 * NS_PER_MS
UNKNOWN_COST_NS: Final = NS_PER_MS // 4  # a read of one that was read once: who is known goes first
UNREAD_WATCH_NS: Final = 100 * NS_PER_MS  # until it is asked again who is late: who, or we
READY_PER_TURN: Final = 128  # descriptors that the loop hears of at once; the others come next
RUN_WORK: Final = 16  # to give a run of messages to one receiver; each message in it costs 1
WORK_BYTES: Final = 512  # of payload, copied and sent for one receiver, cost 1
PUBLISH_WORK: Final = 32  # a message that no run carries
DELIVERY_WORK: Final = 16  # each receiver of such a one
FOUND_WORK: Final = 1  # a subscription that a look-up finds
MEMBER_WORK: Final = 4  # of a queue group, each that is looked at where few of them may receive
GROUP_WORK: Final = 4  # such a group, found or given its message where there are very many
ROUTE_WORK: Final = 32  # a route that is built
TARGET_WORK: Final = 16  # each subscription that it is built for
LINK_WORK: Final = 48  # a leaf link that is told of a subject's interest
LINK_BYTES_A_WORK: Final = 64  # so much of its subject and queue costs 1
# What is beyond these takes several turns, a message at a time: no route is kept for it.
RECEIVERS_MAX: Final = TURN_WORK // RUN_WORK  # of one subject; building for more takes 4 ms
FOUND_MAX: Final = TURN_WORK // FOUND_WORK  # the same, with all members of its queue groups
WALK_NODES_MAX: Final = 4096  # of patterns that one look-up visits, 2 ms
BACKLOG_MAX: Final = 64  # such messages of the server that wait in an account
BACKLOG_BYTES_MAX: Final = 16 * MIB  # the same
LEFT_BYTES_MAX: Final = 32 * MIB  # of such messages, of connections that are gone
LEFT_BYTES: Final = 4 * KIB  # what each of these counts for beside its message
GROUP_TARGETS_MAX: Final = 256  # of a larger queue group one member is chosen message by message
SERVICE_WORK: Final = 192  # a request or an answer that goes to another account
RELAYS_MAX: Final = TURN_WORK // SERVICE_WORK  # that one message goes through in a turn
OVERLAP_WORK: Final = 16  # a stream import that a subscription is held against
SHADOW_WORK: Final = 128  # its shadow that comes or goes
INTAKE_WAITING_MAX: Final = 16  # of one stream, who waits until all of that is made for it
HEADER_BYTES_A_WORK: Final = 24  # so much of a request's header, searched and copied, costs 1
HEADER_TURN_BYTES: Final = 64 * KIB  # of a request: beyond, each import may have a turn of its own
TOKEN_WORK: Final = 8  # of a subscription's subject that comes or goes, where it has many
MAPPED_WORK: Final = 8  # the source of a mapping that comes or goes, beside the links it is told
FREED_WORK: Final = 8  # something that is let go, of thousands
WALK_WORK: Final = 5  # a node of a trie of patterns, in a look-up that branches
RULE_WORK: Final = 20  # a step of making rules for a link: 0.4 to 3 us on a PC
HANDLER_WORK: Final = 24  # a message for a part of the server, which adds what it does
HANDLER_RUN_MAX: Final = 64  # messages that such a part gets at once
ACKS_AT_ONCE_BYTES: Final = 8 * KIB  # looked at for acknowledgements in a row
API_WORK: Final = 1024  # a request to the JetStream API
API_REQUEST_BYTES_MAX: Final = 64 * KIB  # ours: of one that configures nothing; 1 MB takes 65 ms
DIRECT_REQUEST_BYTES_MAX: Final = 2 * API_REQUEST_BYTES_MAX  # it may name 1,024 subjects
JSON_BYTES_A_WORK: Final = 4  # so much of it costs 1
ANSWER_BYTES_A_WORK: Final = 16  # so much of its answer costs 1
FILTERED_SUBJECT_WORK: Final = 2  # a subject of the stream that a new consumer may filter
TAKEN_OUT_PER_QUESTION: Final = 1024  # subjects of streams that went, at a create; 2 us each
OTHER_STREAM_WORK: Final = 2  # each that a new stream of its account is held against
REMOVED_WORK: Final = 32  # a message that a purge or a roll-up removes by itself
TRACE_WORK: Final = 2048  # a message that asks for a trace; each byte of its header costs 1
NOTE_WORK: Final = 64  # each step of it that is noted
SECONDS_SHOWN_MAX: Final = 256  # whose text is remembered; what is stored together is read so
DURATION_CHARS_MAX: Final = 8 * KIB  # of a Go duration; 4,000 of the shortest parts take 4 ms
CRON_CHARS_MAX: Final = 8 * KIB  # ours: of a schedule's pattern; 60 KB of ranges take 30 ms
JSON_VALUES_MAX: Final = 64  # ours: one after another in a body; 500,000 times {} take 0.5 s
CONSUMER_COMMAS_MAX: Final = 4096  # ours: of a consumer's body, outside strings; 90,000 take 77 ms
JSON_STEPS_MAX: Final = 16_384  # values of a text that is no JSON, until it is said what is wrong
TRANSFORM_BYTES_MAX: Final = 8 * KIB  # a transform's source, or destination; nats-server has none
STORED_WORK: Final = 48  # a message that is stored by itself
BATCHED_WORK: Final = 96  # each message of an atomic batch, when that is committed
ROLLUP_WORK: Final = 512  # one that removes others, beside those
REPLACED_WORK: Final = 64  # the oldest of its subject, which goes for it
PULL_WORK: Final = 512  # a request for messages, of a consumer
GET_WORK: Final = 256  # of a stream, Direct Get
CODED_TURN_BYTES: Final = MIB  # encrypted in one turn of the loop; 1 ms on a PC
WEBSOCKET_CODING: Final = 2  # framing a byte takes as long as encrypting so many
DEFLATE_CODING: Final = 16  # packing it
WRITE_TURN_BYTES: Final = 64 * KIB  # of what waits for a connection, given to the kernel in a turn
ROOM_WRITES_MAX: Final = 24  # of these at a deadline: a third of tcp_wmem, which it is silent about
WRITE_CHUNKS_MAX: Final = 256  # of one sendmsg; the kernel takes 1024 (IOV_MAX)
STALL_PENDING_BYTES: Final = 8 * MIB  # from here a producer that feeds a slow consumer is held back
STALL_NS: Final = 2 * NS_PER_MS
MAX_SIZE_DIGITS: Final = 9  # a longer number in a control line is refused before int() sees it
assert MAX_CONTROL_LINE_BYTES < READ_CHUNK_BYTES, "one read must hold one control line"
assert len(str(MAX_PAYLOAD_BYTES)) <= MAX_SIZE_DIGITS

# A full collection of garbage comes after so many of the middle generation (CPython 3.11 to 3.13;
# 3.14 collects in small steps and ignores it). 100,000 subscriptions take it 126 ms.
FULL_COLLECTION_EVERY: Final = 1000

# --- client connections
ALLOW_RESPONSES_MSGS: Final = 1  # server/const.go DEFAULT_ALLOW_RESPONSE_MAX_MSGS
ALLOW_RESPONSES_NS: Final = 120 * NS_PER_S
OPEN_REPLIES_MAX: Final = 65536  # ours: of one connection; nats-server has no bound
OPEN_REPLIES_BYTES_MAX: Final = 20 * MIB  # the same, of their subjects and what keeps them
# server/gateway.go defaultGatewayRecentSubExpiration: by then the interest in it is known here.
GATEWAY_REPLY_NS: Final = 2 * NS_PER_S
FIRST_PING_NS: Final = 2 * NS_PER_S  # after CONNECT, for the round trip; server/client.go
RTT_REFRESH_NS: Final = 3600 * NS_PER_S  # a busy client is pinged at least this often
PING_JITTER: Final = 0.2  # of the first ping, so that a fleet's pings spread out
CONTROL_LINES_PER_TURN: Final = 512  # SUB, UNSUB, PING … of one client before others have a turn
CONTROL_LINE_WORK: Final = TURN_WORK // CONTROL_LINES_PER_TURN
CONNECT_WORK: Final = 1024  # a CONNECT, beside its line
ENDING_WRITES_NS: Final = 5 * NS_PER_S  # ours, beside write_deadline: `docker stop` kills after 10
ENDING_WORK: Final = 512  # the end of a connection, beside its subscriptions; 64 of them in a turn
DROP_WORK: Final = 32  # a subscription of it
CLIENTS_HELD_PER_TURN: Final = 64  # to a reload, or to another JWT of their account; 0.3 ms each
PREPARATIONS_MAX: Final = 3  # of a change of accounts that others overtake; then it takes one turn
CLIENT_WORK: Final = TURN_WORK // CLIENTS_HELD_PER_TURN
JUDGE_WORK: Final = 32  # one of its subscriptions by its permissions
WITHDRAW_WORK: Final = 256  # one that it may not have any more: it is told, and the log
CROWD_PATIENCE_NS: Final = 1 * NS_PER_S  # ours: who is silent for longer may go for a newcomer
LOGINS_WAITING_MAX: Final = 4096  # ours: connections before their login, where one is required
AUTH_LOG_NS: Final = 1 * NS_PER_S  # one log line for all failed handshakes of a listener within
CLIENT_ERROR_LINES_MAX: Final = 10  # ours: log lines in a second on what clients do wrong
REFUSAL_SHOWN_CHARS_MAX: Final = 1 * KIB  # ours: of what a service says of a login
LAME_DUCK_DURATION_NS: Final = 120 * NS_PER_S
LAME_DUCK_GRACE_PERIOD_NS: Final = 10 * NS_PER_S
LAME_DUCK_STEP_NS: Final = NS_PER_S  # at most, between the ends of two connections
ACCEPT_BACKLOG: Final = 4096  # as Go has it, where the kernel allows as many
ACCEPTS_PER_TURN: Final = 16  # ours: new connections before others have a turn; 0.2 ms each
ACCEPTS_CHECKED_AFTER: Final = 64  # in a row: whether they are still there, 30 us instead of 0.4 ms
ACCEPT_PAUSE_NS: Final = 1 * NS_PER_S  # after running out of file descriptors

# --- the system account; intervals: nats-server server/events.go
ACCOUNT_CONNS_INTERVAL_NS: Final = 30 * NS_PER_S  # an account's connections, said again
STATSZ_FIRST_NS: Final = 250 * NS_PER_MS  # then twice as long each time, up to the interval
STATSZ_INTERVAL_NS: Final = 10 * NS_PER_S
STATSZ_QUIET_NS: Final = 1 * NS_PER_S  # never more often than this to everybody
SYSTEM_EVENTS_MAX: Final = 10_000  # within SYSTEM_EVENTS_NS; 40 us each on a PC
SYSTEM_EVENTS_NS: Final = 1 * NS_PER_S
SYSTEM_REQUESTS_MAX: Final = 512  # requests that wait for their turn
SYSTEM_REQUESTS_ACCOUNT_MAX: Final = 64  # of them of one account that is not the system account
SYSTEM_REQUESTS_OTHERS_MAX: Final = 256  # of them of all such accounts
SYSTEM_REQUESTS_TURN_NS: Final = 5 * NS_PER_MS  # of answering before others have a turn
TRACE_LOG_NS: Final = 1 * NS_PER_S  # one log line for all messages that cannot be traced
TRACE_HEADERS_MAX: Final = 1024  # ours: of a traced message, that its trace lists
TRACE_HEADER_BYTES_MAX: Final = 64 * KIB  # of all these
TRACE_PACKED_BYTES_MAX: Final = 64 * KIB  # a larger trace leaves as it is
TRACE_NOTES_MAX: Final = 1024  # ours: steps that it lists, beyond which receivers are left out
SYSTEM_REQUEST_BYTES_MAX: Final = 64 * KIB  # of one request's JSON
SYSTEM_REQUEST_OTHERS_BYTES_MAX: Final = 4 * KIB  # of one of another account; 3 ms on a PC
SYSTEM_REQUEST_HEADER_BYTES_MAX: Final = 4 * KIB  # a larger header is not looked at
SNAPPY_ANSWER_BYTES_MAX: Final = 64 * KIB  # a larger answer leaves as it is; 5 ms on a PC

# --- TLS, WebSocket and the PROXY protocol on listeners for clients
TLS_TIMEOUT_NS: Final = 2 * NS_PER_S  # from the first byte of a handshake to its end
TLS_IDLE_RECORDS: Final = 64  # ours: of records that bring nothing, beside those that bring some
TLS_RECORDS_AT_ONCE: Final = 64  # that OpenSSL gets, which works off all that it has: 1.2 ms
TLS_FALLBACK_NS: Final = 50 * NS_PER_MS  # handshake_first: auto; server/const.go
ENTRIES_MAX: Final = 4096  # ours: connections of a listener that are not through TLS or PROXY
HANDSHAKES_MAX: Final = 1024  # of them, whose handshake has begun; 50 KiB each, at worst 124 KiB
HANDSHAKE_RETRY_NS: Final = 20 * NS_PER_MS  # while there are as many, and one more waits
ENTRY_HELLO_BYTES_MAX: Final = 16 * KIB + 5  # what waits for its handshake: one record of TLS
ENTRIES_PER_TURN: Final = 16  # looked at for whose handshake is next; 0.1 ms each if gone
PROXY_TIMEOUT_NS: Final = 5 * NS_PER_S  # server/client_proxyproto.go proxyProtoReadTimeout
PROXY_HEADER_BYTES_MAX: Final = 4 * KIB  # ours: version 2 may hold 64 KiB of what we do not read
WEBSOCKET_ENTRIES_MAX: Final = 2048  # of a listener, within their WebSocket handshake
WEBSOCKET_HANDSHAKE_NS: Final = 2 * NS_PER_S  # ours: nats-server waits for ever by default
PROXY_ANSWER_BYTES_MAX: Final = 16 * KIB  # ours: an HTTP proxy's answer to CONNECT
WEBSOCKET_CLOSE_NS: Final = 1 * NS_PER_S  # ours: for the peer to answer our close frame
WEBSOCKET_HEAD_BYTES_MAX: Final = 32 * KIB  # request line and headers, cookies with JWTs in them
S2_BLOCK_BYTES_MAX: Final = 4 * MIB  # of one chunk, unpacked; the format's own
S2_GREETING_BYTES_MAX: Final = 128 * KIB  # ours: of one chunk, until somebody has logged in
S2_CODING: Final = 64  # packing a byte takes as long as encrypting so many
LAYER_TURN_BYTES_MAX: Final = 4 * READ_CHUNK_BYTES  # unpacked of one connection in one turn
WEBSOCKET_PACKED_FACTOR: Final = 8  # server/websocket.go wsMaxMsgPayloadMultiple
WEBSOCKET_PACKED_BYTES_MAX: Final = 64 * MIB  # server/websocket.go wsMaxMsgPayloadLimit
WEBSOCKET_DEFLATE_FROM_BYTES: Final = 65  # server/websocket.go wsCompressThreshold

# --- caches of the hot path; measured: docs/hot-path.md
SEEN_SUBJECTS: Final = 8192  # a power of two; a byte each, for each account
ROUTES_BYTES_MAX: Final = 8 * MIB  # of one connection; some 9,000 subjects of one receiver
ROUTES_ALL_BYTES_MAX: Final = 24 * MIB
MATCHES_BYTES_MAX: Final = 6 * MIB  # of one account; some 16,000 subjects
MATCHES_ALL_BYTES_MAX: Final = 8 * MIB
BELOW_BYTES_MAX: Final = MIB  # the same, of what lies below subjects
BELOW_CACHE_MAX: Final = 1024  # inboxes and consumers that answers and acks come for

# --- accounts; nats-server server/accounts.go unless a reason is given
RESPONSE_THRESHOLD_NS: Final = 120 * NS_PER_S  # for a service's answer; const.go
PENDING_RESPONSES_MAX: Final = 65_536  # ours: answers that one account waits for
PENDING_RESPONSES_EXPORT_MAX: Final = 32_768  # of them those of one service
PENDING_RESPONSES_REQUESTER_MAX: Final = 16_384  # and those of one connection
PENDING_RESPONSE_BYTES: Final = KIB  # of its subjects and headers; with more it counts as several
LATENCY_HEADERS_BYTES_MAX: Final = 4 * KIB  # kept of a request, until it is measured
SAME_HEADER_MAX: Final = 64  # ours: of a name that the server sets itself, in a message
RESPONSES_ENDED_PER_TURN: Final = 256  # ours: too late or nobody's any more; 3 us each
assert PENDING_RESPONSES_REQUESTER_MAX < PENDING_RESPONSES_EXPORT_MAX < PENDING_RESPONSES_MAX

# --- host names
LOOKUPS_MAX: Final = 64  # at a time, a thread each; what hangs cannot be stopped
LOOKUPS_UNPROVEN_MAX: Final = 56  # of them of names that did not answer quickly the last time
LOOKUPS_SLOW_MAX: Final = 32  # of them of names that were slow the last time
LOOKUP_SLOW_NS: Final = 1 * NS_PER_S
LOOKUP_KEPT_NS: Final = 30 * NS_PER_S  # an answer that nobody waited for any more
LOOKUP_NAMES_MAX: Final = 1024  # remembered
DIAL_LOOKUP_TIMEOUT_NS: Final = 4 * NS_PER_S  # of a hub's or a proxy's name, before it is dialed
assert LOOKUPS_SLOW_MAX < LOOKUPS_UNPROVEN_MAX < LOOKUPS_MAX

# --- leaf protocol; nats-server server/leafnode.go, measured on 2.15.1
LEAF_PORT: Final = 7422
LEAF_CONTROL_LINE_BYTES: Final = 16 * MAX_CONTROL_LINE_BYTES
LEAF_ANSWER_KEPT_BYTES: Final = 128 * KIB  # of one beyond max_payload: all that is before a payload
LEAF_DIAL_TIMEOUT_NS: Final = 1 * NS_PER_S
LEAF_FIRST_INFO_TIMEOUT_NS: Final = 1 * NS_PER_S
LEAF_CONNECT_INFO_TIMEOUT_NS: Final = 2 * NS_PER_S
AUTHORITIES_MAX: Final = 4096  # ours: that a hub names as trusted; 64 KiB have room for 1,000
LEAF_TLS_TIMEOUT_NS: Final = 2 * NS_PER_S
LEAF_FILES_TIMEOUT_NS: Final = 4 * NS_PER_S  # of a remote: credentials, or what its TLS needs
RELOAD_FILES_TIMEOUT_NS: Final = 30 * NS_PER_S  # of a reload: the configuration, or certificates
LEAF_FIRST_PING_NS: Final = 1 * NS_PER_S  # plus up to 20 %; then every ping_interval
LEAF_RECONNECT_NS: Final = 1 * NS_PER_S
LEAF_RECONNECT_MAX_NS: Final = 30 * NS_PER_S
LEAF_QUICK_DIALS: Final = 60  # a hub that restarts is back by then; later dials spread out
LEAF_OUTLIVED_NS: Final = 2 * NS_PER_S  # a link that is heard so long after an -ERR lives on
LEAF_STABLE_NS: Final = 5 * NS_PER_S  # a link that held this long clears the count of refusals
LEAF_LOG_INTERVAL_NS: Final = 60 * NS_PER_S  # the same failure of one remote: one line in this time
LEAF_LOG_LINES_MAX: Final = 60  # of all failures of one remote in that time
LEAF_LINES_PER_TURN: Final = 128  # LS+ and such; 25 us each on a PC, 4 ms before others have a turn
LEAF_LINE_WORK: Final = TURN_WORK // LEAF_LINES_PER_TURN
LEAF_REMOVE_SLICE: Final = 512  # subscriptions of a lost link taken out in one turn of the loop
# A PING that TCP did not get across for so long: the way is gone. TCP has tried four times by then.
LEAF_UNREACHED_NS: Final = 20 * NS_PER_S
# Ours: so long a PONG may stand behind what comes without a break, and a PING behind what leaves: 3
# MB on 40 kbit/s.
LEAF_UNANSWERED_NS: Final = 600 * NS_PER_S
LEAF_LOOP_DELAY_NS: Final = 30 * NS_PER_S
LEAF_MIN_VERSION_DELAY_NS: Final = 5 * NS_PER_S
LEAF_URLS_MAX: Final = 64  # announced URLs kept beside the configured ones
LEAF_INTEREST_MAX: Final = 100_000  # LS+ kept from one peer; a hub's flood beyond it ends the link
LEAF_INTEREST_BYTES_MAX: Final = 32 * MIB  # of their subjects and queues, each of up to 64 KiB
LEAF_NAME_CHARS_MAX: Final = 256  # ours: of each name in a leaf's CONNECT, which are kept
LEAFS_ACCEPTED_MAX: Final = 4096  # ours: nats-server has no bound of its own

# --- store and JetStream; docs/store.md
COMMIT_ROWS_MAX: Final = 4096
COMMIT_INTERVAL_MAX_NS: Final = 2 * NS_PER_S  # publishers wait that long for their PubAck
COMMIT_BYTES_MAX: Final = 4 * MIB
HERD_ROWS_MAX: Final = 256  # a batch of so many waits for nobody
HERD_WAIT_MAX_NS: Final = 5 * NS_PER_MS  # for those who were just answered; half a commit at most
HERD_REST_COMMITS: Final = 16  # after such a wait in vain none waits
STAGED_ROWS_MAX: Final = 65536  # waiting for the committer; beyond it publishes get 429
STAGED_BYTES_MAX: Final = 64 * MIB
SEGMENT_ROWS_MAX: Final = 16384
SEGMENT_BYTES_MAX: Final = 4 * MIB
WAL_PREGROW_BYTES: Final = 8 * MIB
STORE_RESERVE_BYTES: Final = 8 * MIB
TAIL_CACHE_BYTES: Final = 4 * MIB  # newest committed messages of all streams, for readers
HOT_CACHE_BYTES: Final = 4 * MIB  # older ones that were asked for one by one: keys of a bucket
READ_BATCH_MSGS: Final = 256
READS_AT_ONCE: Final = 64  # reads of one message that the reader thread does in one go
SEGMENT_SPAN_MAX: Final = 4 * SEGMENT_ROWS_MAX  # sequences, so that one bit for each stays small
SUBJECTS_COUNTED_MAX: Final = 1024  # of a sealed segment, 6 bytes each; with more it is read
LISTS_COUNTED_MAX: Final = 16  # ours: lists of patterns of such a segment, 150 bytes each
SUBJECT_ROWS_COUNTED: Final = 64  # of one with more subjects those with as many rows are counted
SEGMENT_CACHE_BYTES: Final = 16 * MIB  # columns of sealed segments, one cache for all streams
SUBJECT_FILTERS_MAX: Final = 64  # pattern lists of one stream whose subjects are remembered
NEWEST_NEAR: Final = 2048  # messages at the end that are looked at before every subject is
NEWEST_LOOKED_AT: Final = 8192  # messages that came since a pattern's newest was known, 0.1 us each
MATCHED_PER_STEP: Final = 8192  # subjects held against such a list in one step, 0.2 us each
FORGOTTEN_PER_STEP: Final = 4096  # subjects of which those without messages go, 0.5 us each
LISTED_PER_STEP: Final = 4096  # subjects whose newest message is asked for in one step; 0.3 us each
SIFTED_PER_STEP: Final = 1024  # listed messages held against other filters in one step; 5 us each
DELETE_SEGMENTS: Final = 4  # of a stream that is deleted or purged, in one transaction
DELETE_SUBJECTS: Final = 10_000  # likewise
LET_GO_MSGS: Final = 2048  # of a stream in memory that is deleted, in one turn; 2 us each
SCANNED_PER_TURN: Final = 8192  # messages of a stream in memory that a read looks at; 0.4 us each
READS_WAITING_MAX: Final = 4096  # requests for the reader thread; beyond it StoreBusy
READS_AHEAD_MAX: Final = 1024  # of them: beyond it consumers ask for the next message alone
STORE_RETRY_NS: Final = 500 * NS_PER_MS  # full disk back with room, or failed disk, to the next try
STORE_RETRY_MAX_NS: Final = 30 * NS_PER_S
STORE_START_CHECK_BYTES: Final = 16 * MIB  # of open segments, read through before the start ends
# The scrub: what is stored is read through once a day, as slowly as `scrub_rate` says.
STORE_SCRUB_BYTES: Final = 64 * 1024  # of one read
STORE_SCRUB_RATE: Final = 64 * 1024  # bytes a second, default: 5.5 GB a day
STORE_SCRUB_STEP_NS: Final = 50 * NS_PER_MS  # between two reads, however small
STORE_SCRUB_PAUSE_NS: Final = 1 * NS_PER_S  # while others read
STORE_SCRUB_START_NS: Final = 60 * NS_PER_S  # after the start of the server
STORE_SCRUB_ROUND_NS: Final = 24 * 3600 * NS_PER_S  # from the start of one to the next
STORE_CLOSE_NS: Final = 10 * NS_PER_S  # last commit at shutdown; systemd kills later than that
CONSUMER_FLUSH_NS: Final = 250 * NS_PER_MS
POSITION_ENCODED_MAX: Final = 4096  # messages of a position that the loop encodes itself: 1 ms
DEDUPE_IDS_MAX: Final = 1_000_000
DEDUPE_EXPIRED_TURN: Final = 64  # ids whose window has passed go with each id that comes
DEDUPE_ERASED_MAX: Final = 65_536  # ids written down for one removal, 70 ms; a purge may reach all
DEDUPE_RECORD_IDS: Final = 16_384  # of them in one record: as many as a segment has messages
MAX_HEADER_BYTES: Final = 65535
STREAM_NAME_MAX: Final = 255
MAX_WAITING: Final = 512
MAX_ACK_PENDING: Final = 1000
ACK_WAIT_NS: Final = 30 * NS_PER_S
INACTIVE_THRESHOLD_NS: Final = 5 * NS_PER_S
DUPLICATE_WINDOW_NS: Final = 120 * NS_PER_S
API_LEVEL: Final = 5

# --- JetStream; sources are nats-server 2.15.1 unless a reason is given
DESCRIPTION_BYTES_MAX: Final = 4 * KIB
METADATA_BYTES_MAX: Final = 128 * KIB
CONSUMERS_PER_STREAM_MAX: Final = 1000  # default_max_consumers
STREAM_SUBJECTS_MAX: Final = 1024  # ours: they are compared with all others, on the loop
CONSUMER_FILTERS_MAX: Final = 256  # ours, for the same reason; priority groups, backoffs, too
MAX_WAITING_MAX: Final = 4096  # ours: a consumer's own max_waiting, 1 KiB for each request
NAMES_PAGE: Final = 1024
LIST_PAGE: Final = 256
SUBJECTS_PAGE: Final = 100_000
SUBJECTS_PER_STEP: Final = 2048  # listed or looked at in one step of an answer, up to 1 us each
INFOS_PER_STEP: Final = 256  # streams and origins told of in one step of a list, 1 to 8 us each
DELETED_PER_STEP: Final = 32_768  # sequences looked through for deleted_details in one step
DIRECT_BATCHES_MAX: Final = 1024  # answers of several messages of one account that wait their turn
REQUESTS_WAITING_MAX: Final = 1024  # of one account, behind one about the stream in turns
REQUESTS_WAITING_BYTES: Final = 4 * MIB  # of those
DIRECT_SUBJECTS_MAX: Final = 1024  # of one Direct Get with multi_last; nats-server getDirectMulti
DELETED_PAGE: Final = 100_000  # ours: deleted_details lists no more sequences than this
GIVEN_UP_MAX: Final = 16384  # ours: messages a consumer remembers that are out of attempts
ACK_PENDING_MAX: Final = 65536  # ours: what max_ack_pending -1 means, about 15 MiB of bookkeeping
PULL_HEARTBEAT_MIN_NS: Final = 10 * NS_PER_MS  # ours: nats-server sends as fast as it can
ANSWERS_WAITING_MAX: Final = (
    2 * STAGED_ROWS_MAX
)  # ours: to publishers, of all streams, for a COMMIT
CONFIRMATIONS_MAX: Final = 65536  # ours: replies to acks that wait for one COMMIT; a client repeats
FLOW_WINDOW_BYTES: Final = 2 * MIB  # of a push consumer with flow control, at first
FLOW_WINDOW_BYTES_MAX: Final = 32 * MIB
FLOW_WINDOW_BYTES_MIN: Final = 16 * KIB  # ours: where it follows the answers; 3 s at 40 kbit/s
FLOW_ANSWER_QUICK_NS: Final = NS_PER_S  # ours: such a window may grow
FLOW_ANSWER_SLOW_NS: Final = 3 * NS_PER_S  # ours: such a window is too large
ATOMIC_MSGS_MAX: Final = 1000  # of one atomic batch; limits.batch.max_msgs
ATOMIC_MSGS_HARD_MAX: Final = STAGED_ROWS_MAX // 2  # ours: whatever limits.batch.max_msgs says
ATOMIC_OPEN_MAX: Final = 50  # atomic batches of one stream; limits.batch.max_inflight_per_stream
ATOMIC_OPEN_TOTAL_MAX: Final = 1000  # of all streams; limits.batch.max_inflight_total
ATOMIC_OPEN_BYTES: Final = 32 * MIB  # ours: of one stream's, they are in memory until committed
ATOMIC_OPEN_TOTAL_BYTES: Final = 64 * MIB  # ours: of all streams', with what each message takes
ATOMIC_IDLE_NS: Final = 10 * NS_PER_S  # then a batch is given up; limits.batch.timeout
FAST_OPEN_MAX: Final = 1000  # fast batches of one stream; nats-server stream.go
FAST_OPEN_TOTAL_MAX: Final = 50_000  # of all streams; likewise
FAST_IDLE_NS: Final = ATOMIC_IDLE_NS  # then a fast batch is over
COUNTER_DIGITS_MAX: Final = 4000  # ours: of one increment; Python reads 4,300 digits as a number
SCHEDULE_LOOK_NS: Final = 60 * NS_PER_S  # ours: a wall clock that was moved is noticed this soon
PAUSE_LOOK_NS: Final = SCHEDULE_LOOK_NS  # so is one by the end of a consumer's pause
SCHEDULES_STALE_MAX: Final = 64  # ours: times of schedules that were replaced, beside as many again
TTLS_STALE_MAX: Final = 4096  # ours: of messages that are gone, beside twice those that are there
TTLS_BEFORE_LOOK: Final = 256  # messages with a TTL from one look at how many there are to the next
SCHEDULE_RETRY_NS: Final = 50 * NS_PER_MS  # ours: after the store refused a scheduled message
STREAM_SOURCES_MAX: Final = 256  # ours: each has a reader of its own
ORIGINS_PER_TURN: Final = 8  # ours: sources begun in one turn, 0.2 to 0.5 ms each
ORIGIN_TRANSFORMS_MAX: Final = 256  # ours, of one origin: they are its consumer's filters
STREAM_TRANSFORMS_MAX: Final = 1024  # ours, of all origins: made and compared on the loop
ORIGIN_WAIT_NS: Final = 30 * NS_PER_S  # for an origin's answer; nats-server srcConsumerWaitTime
ORIGIN_RESET_WAIT_NS: Final = (
    5 * NS_PER_S
)  # of a consumer that is there; srcDurableConsumerWaitTime
ORIGIN_SILENCE_NS: Final = 10 * NS_PER_S  # then it is asked anew; sourceHealthCheckInterval
ORIGIN_HEARTBEAT_NS: Final = NS_PER_S
ORIGIN_RETRY_NS: Final = 2 * NS_PER_S  # an origin is asked no more often than that
ORIGIN_BACKOFF_NS: Final = 10 * NS_PER_S  # and later by this with each failure
ORIGIN_BACKOFF_MAX_NS: Final = 120 * NS_PER_S
ORIGIN_REFUSED_MAX_NS: Final = 600 * NS_PER_S  # ours: where what it sends cannot be stored
ORIGIN_JITTER_NS: Final = 100 * NS_PER_MS
ORIGIN_REPEATS: Final = 10  # ours: of a question of flow control, in heartbeats behind its answer
ORIGIN_LOOK_NS: Final = NS_PER_S  # ours: how often it is looked whether another way leads to one
# Ours: messages that an origin elsewhere sends before it waits for an answer.
ORIGIN_AT_ONCE: Final = 4  # at first; of 1 KB: 1 s at 40 kbit/s
ORIGIN_AT_ONCE_MIN: Final = 2
ORIGIN_AT_ONCE_MAX: Final = 1024  # who sends so many quickly sends as it likes
ORIGIN_AT_ONCE_STEP: Final = 8  # times more, after a window that came as quickly as this
ORIGIN_QUICK_NS: Final = NS_PER_S // 2
ORIGIN_GROWS_NS: Final = 60 * NS_PER_S  # after one that took long no more is tried for so long
PIN_NS: Final = 120 * NS_PER_S  # priority_timeout of a pinned client
PREFETCH_BYTES: Final = 256 * KIB  # read ahead for one consumer
GETS_IN_FLIGHT: Final = 64  # single messages asked of the store at once by one consumer
GETS_REACH: Final = 16_384  # sequences that these lie within: of two segments at most
DELIVER_TURN_MSGS: Final = 1024  # delivered by one consumer before the loop gets its turn
ORIGIN_TURN_MSGS: Final = DELIVER_TURN_MSGS // 4  # where a mirror or source stores each, 25 us
PASSED_OVER_PER_MSG: Final = 64  # who waits and is passed over for one: 0.1 us each
GIVE_UP_COST: Final = 4  # of such a turn, each that is out of attempts: 10 us, for its advisory
RECOVERED_PER_TURN: Final = 16  # streams and consumers read back or opened; 0.2 ms each on a PC
PENDING_PER_STEP: Final = 256  # of a consumer's messages that are out; so many more are one more
STREAMS_COUNTED_PER_TURN: Final = 512  # for monitoring, of about 2 us each on a PC
PURGE_TURN_ROWS: Final = 16_384  # at the front of a stream on disk: one segment, 0.3 to 4 ms
PURGE_TURN_PLACES: Final = 2  # segments that a purge reads into memory in a turn, 1.5 ms each
ERRANDS_MAX: Final = 256  # purges and roll-ups of a stream that take several turns; each has a note
SURPLUS_TURN_ROWS: Final = 4096  # looked at for what of their subjects goes, in a turn; 1 us each
PURGE_TURN_MSGS: Final = 1024  # removed one by one by purges, limits and ages in a turn; 17 us each
MARKED_TURN_MSGS: Final = PURGE_TURN_MSGS // 4  # and where each may leave a marker
ACKED_TURN_MSGS: Final = 8192  # that one acknowledgement covers, in a turn; 1 us each
EXPIRED_TURN: Final = 8192  # ack waits of a consumer that end together, in a turn; 0.5 us each
EXPIRE_GAP_NS: Final = 10_000  # for each that is out, to the next look, of 0.2 us for each
DELIVER_RETRY_NS: Final = 50 * NS_PER_MS  # ours: after the store refused a read; doubles
DELIVER_RETRY_MAX_NS: Final = 5 * NS_PER_S
TAKEN_APART_NS: Final = 2 * DELIVER_RETRY_MAX_NS  # a deleted stream: its retries are over by then
SNAPSHOT_CHUNK_BYTES: Final = 128 * KIB  # jetstream_api.go defaultSnapshotChunkSize
SNAPSHOT_CHUNK_BYTES_MIN: Final = KIB
SNAPSHOT_CHUNK_BYTES_MAX: Final = MIB
SNAPSHOT_WINDOW_BYTES: Final = 8 * MIB  # sent and not acknowledged
SNAPSHOT_WINDOW_BYTES_MAX: Final = 32 * MIB
SNAPSHOT_INTEREST_NS: Final = 2 * NS_PER_S  # for somebody to listen for the chunks
SNAPSHOT_ACK_NS: Final = 5 * NS_PER_S  # for an acknowledgement; defaultSnapshotAckTimeout
SNAPSHOT_TURN_CHUNKS: Final = 64  # ours: sent before the loop gets its turn
RESTORE_IDLE_NS: Final = 5 * NS_PER_S  # for the next chunk; processStreamRestore activityInterval
RESTORE_WAITING_BYTES: Final = 4 * MIB  # ours: chunks that were sent without waiting for the answer
RESTORE_UNCOMMITTED_BYTES: Final = MIB  # ours: of one restore, staged before the next chunk comes
RESTORE_SPANS_MAX: Final = 16_384  # ours: each may take a table of the store: SEGMENT_SPAN_MAX
RESTORE_TURN_MSGS: Final = 128  # ours: stored before the loop gets its turn
TRANSFERS_ACCOUNT_MAX: Final = 8  # ours: snapshots and restores of one account at a time
TRANSFERS_MAX: Final = 16  # ours: of all accounts
ARCHIVE_FRAME_BYTES_MAX: Final = MIB  # of a stream's archive; S2 takes 16 MiB less one
ARCHIVE_RECORD_BYTES_MAX: Final = 4 * MIB  # what describes a stream, or one consumer
ARCHIVE_CONSUMERS_BYTES_MAX: Final = 32 * MIB  # what describes all of its consumers
TROUBLE_LOG_NS: Final = 60 * NS_PER_S  # what the store refuses one stream or consumer: one line
QUOTA_COUNT_NS: Final = NS_PER_S  # what other accounts stored meanwhile is noticed this soon
QUOTA_REFUSED_NS: Final = 60 * NS_PER_S  # ours: an account is full so long where less is stored
EXPIRY_GRANULARITY_NS: Final = 250 * NS_PER_MS
CLOCK_JUMP_NS: Final = 24 * 3600 * NS_PER_S  # ours: a wall clock that moves so far pauses expiry
EXPIRY_PAUSE_NS: Final = 3600 * NS_PER_S  # for as long
CLOCK_STAMP_NS: Final = 3600 * NS_PER_S  # ours: so often a time that is believed goes to disk
CLOCK_DOUBT_STAMP_NS: Final = 60 * NS_PER_S  # ours: and one that is in doubt: 60 times at most
assert COMMIT_ROWS_MAX <= STAGED_ROWS_MAX
assert COMMIT_BYTES_MAX <= STAGED_BYTES_MAX

# --- serial
FRAME_BYTES_MAX: Final = KIB  # a frame without an end costs no more than this
PORT_REOPEN_NS: Final = 200 * NS_PER_MS
PORT_REOPEN_MAX_NS: Final = 5 * NS_PER_S
PORT_POLL_NS: Final = NS_PER_S  # for a device that is not there: back well within 2 s
PORT_LENDERS_MAX: Final = 8  # requests for one port that wait until it is closed
READINGS_UNCOMMITTED_MAX: Final = 1024  # per port, between the wire and the COMMIT
READINGS_UNCOMMITTED_BYTES: Final = MIB  # the same bound in bytes; one reading always fits
READINGS_BURST_MAX: Final = 128  # published in one turn of the loop, so one COMMIT takes them all
READINGS_BURST_BYTES: Final = 256 * KIB
READING_ACK_TIMEOUT_NS: Final = 10 * NS_PER_S  # without a PubAck: published again under the same id
READING_RETRY_NS: Final = 200 * NS_PER_MS
READING_RETRY_MAX_NS: Final = 5 * NS_PER_S
SERIAL_READ_BYTES: Final = 4 * KIB  # one read of a port per turn; a tty's line buffer holds as much
PORT_STABLE_NS: Final = 5 * NS_PER_S  # open for this long: the next reopen starts at PORT_REOPEN_NS
PORT_CLOSE_TIMEOUT_NS: Final = 2 * NS_PER_S
BRIDGE_LOG_INTERVAL_NS: Final = 60 * NS_PER_S  # one line per kind and port in this time
DEVICE_LOGS_MAX: Final = 20  # lines of a port's boards in that time; the rest is counted
BOARD_ANSWER_NS: Final = 5 * NS_PER_S  # for a board to answer a request; `messages { timeout }`
RESUME_TIMEOUT_NS: Final = 2 * NS_PER_S  # for the question what of a board is stored already
assert READINGS_BURST_MAX <= COMMIT_ROWS_MAX, "a burst must fit into one COMMIT"
assert READINGS_BURST_BYTES <= COMMIT_BYTES_MAX
assert READINGS_BURST_MAX <= READINGS_UNCOMMITTED_MAX

# --- uplink
UPLINK_WINDOW_BYTES: Final = (
    256 * KIB
)  # unacknowledged by the hub; below one retransmission timeout
UPLINK_WINDOW_MSGS: Final = 256
UPLINK_SENDS_PER_TURN: Final = 64  # of one stream, of about 20 us each on a PC
UPLINK_READS_PER_TURN: Final = 32  # newest first, of about 80 us each on a PC
UPLINK_ACK_TIMEOUT_NS: Final = 5 * NS_PER_S
UPLINK_ACK_WAIT_NS: Final = (
    2 * NS_PER_S
)  # after a kill -9 the predecessor's window comes back this soon
UPLINK_GIVEN_BEFORE_NS: Final = 2 * UPLINK_ACK_WAIT_NS  # longer than that is told
UPLINK_PULL_EXPIRES_NS: Final = 30 * NS_PER_S
UPLINK_API_TIMEOUT_NS: Final = 5 * NS_PER_S  # one request to the local JetStream
UPLINK_ASK_NS: Final = 500 * NS_PER_MS  # first wait for the hub's answer; doubles
UPLINK_ASK_MAX_NS: Final = 8 * NS_PER_S
UPLINK_ASK_ANEW: Final = 4  # of the questions that are not answered, at each further attempt
UPLINK_ASK_PAUSES: Final = 4  # times the pause between two answers, then it is asked anew
UPLINK_ASK_YIELDS: Final = 2  # attempts, 1.5 s, then less urgent streams go on meanwhile
UPLINK_ASK_PATIENCE: Final = 3  # attempts, 3.5 s, then silence is told; it is asked on all the same
UPLINK_ASK_ATTEMPTS: Final = 6  # 23.5 s in all, then only the hub's duplicate window protects
UPLINK_AMID_NS: Final = 600 * NS_PER_S  # so long a message that is still coming is no silence
UPLINK_QUESTIONS_MAX: Final = 1024  # subjects that the hub is asked about one by one
UPLINK_DURABLES_MAX: Final = 16  # consumers of a stream that are called like an uplink's
UPLINK_LEFT_MAX: Final = 256  # consumers of former uplinks that are shown
UPLINK_LEFT_LOOK_NS: Final = 10 * NS_PER_S  # after a change: uplinks have theirs by then
UPLINK_WAYS_MAX: Final = 4  # prefixes and transforms under which messages of a stream went
UPLINK_RENAMINGS_MAX: Final = 2  # what the hub was seen to make of subjects
UPLINK_PROBES_AT_ONCE: Final = 32  # of those
UPLINK_PROBES_MAX: Final = 1024  # hub messages looked at after a cut; more: resent instead
UPLINK_TOLD_MAX: Final = (
    8192  # of a longer part of the hub's stream it is not worked out: 2 ms on a PC
)
UPLINK_PARTING_TIMES: Final = 16  # as many questions newest first, which goes on by nothing else
UPLINK_PARTING_AGAIN_NS: Final = 3600 * NS_PER_S  # then, if it found nothing
UPLINK_TOLD_NO_NS: Final = 60 * NS_PER_S  # until one that says no, or nothing of use, is asked
UPLINK_TOLD_NO_MAX_NS: Final = 3600 * NS_PER_S
UPLINK_TOLD_NO_TIMES: Final = 150  # by one that has answered; 24 to 54 s each: an hour or two
UPLINK_TOLD_NO_BEFORE: Final = 20  # by one that has answered a run before this one alone
UPLINK_CLOCKS_APART_NS: Final = 60 * NS_PER_S  # the hub's and this machine's, mostly
UPLINK_PARTING_SUBJECTS_MAX: Final = 256  # of which it is found where a restored copy parts
UPLINK_NEXTS_MAX: Final = 4096  # answers of the hub that such a search keeps
UPLINK_PASSED_MAX: Final = 64  # gaps that others were given something in, and not acknowledged
UPLINK_RETRY_NS: Final = 250 * NS_PER_MS
UPLINK_RETRY_MAX_NS: Final = 30 * NS_PER_S
UPLINK_STRAY_NS: Final = 60 * NS_PER_S  # where another stream stores it, and none can be asked
UPLINK_STRAY_MAX_NS: Final = 3600 * NS_PER_S
UPLINK_REFUSED_NS: Final = 1 * NS_PER_S  # between two attempts with what the hub refuses; doubles
UPLINK_REFUSED_MAX_NS: Final = 60 * NS_PER_S
UPLINK_LAG_REFRESH_NS: Final = 3 * NS_PER_S
UPLINK_SAY_NS: Final = 1 * NS_PER_S  # between two looks for what to say on $LEAFNODE.UPLINK.>
UPLINK_OVERDUE_TIMES: Final = 4  # ack timeouts for one message while others are acknowledged
UPLINK_LOST_NS: Final = 250 * NS_PER_MS  # after one was passed: its answer may come another way
UPLINK_LOST_TIMES: Final = 2  # then so for another reason, and ack_timeout ends it
UPLINK_FLOW_BYTES_MIN: Final = 8 * KIB  # on the way at once, however slow the link is
UPLINK_FLOW_TARGET_NS: Final = 1 * NS_PER_S  # more than this much queued: the window is halved
UPLINK_SLOWEST_NS: Final = NS_PER_S // 300  # for a byte: 2.4 kbit/s; slower is no link
UPLINK_LINE_BYTES: Final = 64  # about: what a message costs on the wire besides itself
UPLINK_ANSWER_BYTES: Final = 160  # what a PubAck is expected to cost, until one cost more
UPLINK_GATE_CHECK_NS: Final = 60 * NS_PER_S  # a closed window is looked at again: clocks are set
UPLINK_COALESCE_BYTES: Final = 64 * KIB  # so much is not kept back any longer
UPLINK_CEILING_STRIKES: Final = 2  # links that a hub closes for the size of the same message
UPLINK_CEILING_ROUNDS: Final = 3  # of those, with a wait between: then nothing else is to blame
UPLINK_CEILING_NS: Final = 3600 * NS_PER_S  # then that size is tried again
UPLINK_CEILING_DOUBT_NS: Final = 60 * NS_PER_S  # so soon where others may be to blame; doubled
UPLINK_UNTAKEN_NS: Final = 60 * NS_PER_S  # then what nobody at the hub wants is a dead letter
UPLINK_UNTAKEN_MAX: Final = 256  # such subjects, remembered for as long as the link is up
UPLINK_UNTAKEN_LOOK_MAX: Final = 64  # of those that wait behind the first of them
UPLINK_SILENT_TIMES: Final = 4  # so often the hub answered others and not one that it does not have
UPLINK_SILENT_NS: Final = 60 * NS_PER_S  # and for so long: then it never will
# nats-server's raft: a leader looks each 10 s whether it has heard its followers for 10 s; one that
# has not steps down. Longer than both, and what it had proposed is committed or gone.
UPLINK_QUORUM_NS: Final = 30 * NS_PER_S
UPLINK_ADRIFT_NS: Final = 60 * NS_PER_S  # what a dead link was given may arrive for so long
UPLINK_SILENT_MAX: Final = 256  # subjects of which that is known
UPLINK_KNOCK_BYTES: Final = 8 * KIB  # of one message to ask with; and about so many of all
UPLINK_KNOCK_SUBJECTS_MAX: Final = 4  # of so many subjects one that was acknowledged
UPLINK_KNOCK_LOOK_MAX: Final = 256  # subjects in flight: does the hub ask for one of them?
UPLINK_DEAD_BYTES: Final = 64 * MIB  # the stream of dead letters, where we make it
UPLINK_BLOCK_MSGS: Final = 64  # of a backlog that is sent newest first: ascending among themselves
UPLINK_RANGES_MAX: Final = 16  # gaps of such a backlog; then the newest one is filled first
UPLINK_RANGES_READ_MAX: Final = 1024  # on a message at the hub
UPLINK_POLL_NS: Final = 500 * NS_PER_MS  # whether such a stream has something new
UPLINK_LEDGER_SUBJECTS_MAX: Final = 64  # in one day; the rest is one line
UPLINK_LEDGER_DAYS_MAX: Final = 40  # in memory
UPLINK_LEDGER_BYTES: Final = 4 * MIB  # the bucket that keeps the ledger
UPLINK_LEDGER_AGE_NS: Final = 400 * 86_400 * NS_PER_S
UPLINK_LEDGER_WRITE_NS: Final = 60 * NS_PER_S
UPLINK_LEDGER_UNKEPT_BYTES: Final = 4 * KIB  # with a cap; more is written down before more is sent
assert UPLINK_WINDOW_MSGS <= UPLINK_PROBES_MAX

# --- a reload
TASK_END_NS: Final = 5 * NS_PER_S  # for what is not configured any more; then it goes on without
assert TASK_END_NS > PORT_CLOSE_TIMEOUT_NS

# --- auth
NONCE_BYTES: Final = 11  # 15 characters of base64url, as nats-server has it
CREDENTIALS_FILE_BYTES_MAX: Final = 64 * KIB  # a .creds or seed file; a JWT has a few KiB
RESOLVER_INTERVAL_NS: Final = 60 * NS_PER_S  # nats-server accounts.go NewDirAccResolver
ACCOUNT_FETCH_TIMEOUT_NS: Final = 1_900_000_000  # as nats-server: below the deadline of a login
CERTIFICATE_SHOWN_BYTES_MAX: Final = 8 * KIB  # of a client's chain, which nobody verified whole
OID_BYTES_MAX: Final = 64  # of an attribute's name in a certificate
HTTP_GETS_MAX: Final = 10  # for one account, redirected from one to the next, as Go has it
JETSTREAM_LOGIN_WAIT_NS: Final = 1 * NS_PER_S  # for the account's streams to be read back
KEEPERS_LOOKUP_NS: Final = 5 * NS_PER_S  # at start, for all accounts that have streams
ACCOUNT_LOOKUPS_MAX: Final = 64  # accounts being fetched at a time; beyond it logins are refused
SYSTEM_ACCOUNT_FETCH_NS: Final = 1 * NS_PER_S  # between two tries; server/server.go Start
ACCOUNT_RENEWAL_NS: Final = 1 * NS_PER_S  # between two fetches of an expired one, as nats-server
ACCOUNT_JWTS_MAX: Final = 10_000  # files of a full resolver without a limit of its own
CACHED_ACCOUNT_JWTS_MAX: Final = 1_000  # files of a cache resolver, as nats-server has it
CACHE_RECHECK_MAX_NS: Final = 60 * NS_PER_S  # for what a cache resolver has had too long; as there
CACHE_RECHECK_MIN_NS: Final = NS_PER_S // 10  # ours
CLAIMS_REQUESTS_BYTES_MAX: Final = 8 * MIB  # of requests about account JWTs that wait their turn
CLAIMS_REQUEST_BYTES: Final = 512  # of it for each, beside its body
# Nodes that a check of imports and exports may pass, and more for each question (a thousand each).
PATTERN_WALK_NODES: Final = 65_536
PATTERN_WALK_NODES_EACH: Final = 128
CLAIMS_PROBLEMS_SHOWN_MAX: Final = 16  # of what is wrong with one account JWT
JWT_CHARS_MAX: Final = MIB  # an account's with thousands of exports; a user's is bound by CONNECT
JWT_DEPTH_MAX: Final = 32
IMPORTS_ORDERED_PER_TURN: Final = 8192  # of accounts fetched together, by whom they are of
IMPORTS_PER_TURN: Final = 64  # of account JWTs, that are looked at before others have a turn
LARGE_JWT_CHARS: Final = 16 * KIB  # an account's beyond it is read in a thread: 1 ms and more
SHOWN_JWT_CHARS_MAX: Final = 4 * KIB  # of a user's, kept for /connz; what max_control_line allows
TEMPLATE_SUBJECTS_AT_ONCE: Final = 128  # of a login, worked out on the loop; more in a thread
TEMPLATE_FIELDS_AT_ONCE: Final = 128  # of the same, looked up on the loop, 10 us each
TEMPLATE_TAGS_AT_ONCE: Final = 2048  # of an account, arranged on the loop, once; more in a thread
TEMPLATE_CHARS_AT_ONCE: Final = 16 * KIB  # of its template, and of what comes of it
TEMPLATE_SUBJECTS_MAX: Final = 4096  # nats-server auth.go maxPermTemplateSubjectExpansions
BCRYPT_THREADS_MAX: Final = 4  # ours: of the cores, all but the one of the loop
BCRYPT_PENDING_MAX: Final = LOGINS_WAITING_MAX  # waiting for a thread; beyond it refused
BCRYPT_PENDING_ADDRESS_MAX: Final = BCRYPT_PENDING_MAX // 2  # of them from one address
EXPIRY_RECHECK_NS: Final = 60 * NS_PER_S  # how late a clock that jumps may make an expiry

# --- the log
SYSLOG_LINE_CHARS_MAX: Final = 2048  # RFC 5424 6.1: what every receiver should take
SYSLOG_CONNECT_NS: Final = 2 * NS_PER_S

# --- the trace of the protocol in the log (-V)
TRACED_BYTES_MAX: Final = 256  # shown of one payload or one line that the server wrote
TRACED_READ_BYTES: Final = 4 * KIB  # handled in one turn where all is logged; 6 ms of short PUBs

# --- monitoring
MAX_CLOSED_CLIENTS: Final = 10_000  # nats-server DEFAULT_MAX_CLOSED_CLIENTS
CLOSED_BYTES_MAX: Final = 8 * MIB  # of these, packed; ours
CLOSED_SUBSCRIPTIONS_MAX: Final = 256  # listed of one that is closed; ours
HTTP_CONNECTIONS_MAX: Final = 64
HTTP_HEAD_BYTES_MAX: Final = 16 * KIB  # request line and headers; what Apache and IIS take in all
HTTP_HEADERS_MAX: Final = 64
HTTP_BODY_BYTES_MAX: Final = 16 * KIB  # of a request, which nobody reads
HTTP_REQUESTS_MAX: Final = 1000  # on one connection, then it is closed
HTTP_DEADLINE_NS: Final = 5 * NS_PER_S  # from accept, or from the last answer, to a whole request
HTTP_PENDING_BYTES_MAX: Final = MIB  # answers a peer did not take: no further request is read
MONITOR_LIMIT_MAX: Final = 10_000  # connections in one answer; the default is 1024
MONITOR_SUBSCRIPTIONS_MAX: Final = 10_000  # in one answer

# --- configuration: a file is written by people; these stop a mistake or a bomb, not a real file
CONFIG_BYTES_MAX: Final = 64 * MIB  # of a file and all that it includes, twice if it does so twice
CONFIG_DEPTH_MAX: Final = 64  # blocks within blocks
CONFIG_INCLUDE_DEPTH_MAX: Final = 32
CONFIG_FILES_MAX: Final = 10_000  # included in total, counted alike
CONFIG_WARNINGS_MAX: Final = 20  # slips told one by one; the rest is left out
HOST_CHARS_MAX: Final = 253  # RFC 1035 2.3.4
CONFIG_NODES_MAX: Final = 4_000_000  # values, variables put in: $A: [$B, $B] doubles; 10 us each

# --- relations: whoever waits for a COMMIT must wait longer than batches are gathered
assert COMMIT_INTERVAL_MAX_NS < READING_ACK_TIMEOUT_NS
assert COMMIT_INTERVAL_MAX_NS < UPLINK_API_TIMEOUT_NS
