"""Every message on every surface: HTTP bodies, server-sent events, data channel events.

What comes in is refused when it holds a field we do not know (`Incoming`); what goes out may gain
fields later, so a reader of it ignores those it does not know (`Outgoing`). Times ending in `_s`
are seconds on the session clock (0 = the first packet of the stream), `_ms` are durations, `_at`
are Unix seconds.

This package imports neither torch nor a media stack: the page, the SDK and bots stand on it alone.
A message stands in the file of its surface; whatever is added there is part of the package.
"""

from session.wire.access import *
from session.wire.channel import *
from session.wire.events import *
from session.wire.extensions import *
from session.wire.http import *
from session.wire.nouns import *
from session.wire.realtime import *
from session.wire.watching import *
