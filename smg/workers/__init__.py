"""Workers: each owns its way to one inference engine; nothing else in the gateway opens a connection to one."""
