"""Numbers of the channel: messages, requests, answers, aliases. Not loaded by a board without them.

Knows no behaviour. Truth: docs/device-link.md, "The channel", which lists every number here.
"""

# Frame kinds. The body of each starts with epoch u8, number u16; the rest is named here.
REG = 0x0A  # device: alias u8, subject
SUB = 0x0B  # device: subscription u8, flags u8, subject with or without wildcards
UNSUB = 0x0C  # device: subscription u8
MSG = 0x0D  # gateway: subscription u8, subject size u8, subject, payload
REQ = 0x0E  # device: request u16, timeout_ms u16, subject size u8, subject, payload
#             gateway: request u16, subscription u8, subject size u8, subject, payload
REP = 0x0F  # both: request u16, status u8, payload
TAKEN = 0x10  # both: status u8. All up to this number is taken

CHANNEL_FORMAT = "<BH"
CHANNEL_BYTES = 3
REQUEST_FORMAT = "<HH"  # request u16, timeout_ms u16, of a device
REQUEST_BYTES = 4
REPLY_FORMAT = "<HB"  # request u16, status u8
REPLY_BYTES = 3

SUB_ANSWERS = 0x01  # flag of SUB: the device answers, so requests come as REQ

# How a request ended; of TAKEN: whether what it names is so.
STATUS_OK = 0
STATUS_NO_RESPONDERS = 1
STATUS_TIMEOUT = 2
STATUS_REFUSED = 3  # the gateway's configuration does not allow it
STATUS_BUSY = 4  # as many are open as may be
STATUS_TOO_LARGE = 5  # the reply does not fit the device's frame
STATUS_FAILED = 6  # whoever was asked said so
STATUS_LINK_LOST = 7  # never on the wire: nobody knows whether it was done

NUMBER_MASK = 0xFFFF
EPOCH_MAX = 255
MESSAGE_WINDOW_MAX = 8
SUBS_MAX = 16  # of one device at a gateway; further ones are refused
REQUESTS_MAX = 8  # open at once, in each direction; further ones are busy
ALIASES_MAX = 32  # of one device
TIMEOUT_MS_MAX = 60000
MESSAGES_MAX = 32  # that wait for a device at a gateway; the oldest gives way
MESSAGES_BYTES_MAX = 8192
