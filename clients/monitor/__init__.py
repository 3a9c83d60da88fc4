"""`echosieve monitor CONFIG.toml`: watches sources for hours, and reports.

config     what is to be watched, and who is told; from TOML
misfits    what does not fit together in it
addresses  what can be watched at all
claim      a folder is one monitor's at a time
keeping    a source that fails is tried again
reached    how far each file has been watched
streams    the sessions of what the monitor itself publishes, over its failures
sources    how each source becomes a session: a room, an address or file, a bot's websocket
bot        the websocket protocol of meeting bots
webhook    signed reports by HTTP, from an outbox
report     the record of a run, and its Markdown with a timeline
run        these together
bench      what it costs and finds, with a broker that is killed
"""
