# Documents that are shipped; a line each, so that changes do not meet.
EXTRA_DIST += doc/commands.md
EXTRA_DIST += doc/logons.md
EXTRA_DIST += doc/mail.md
EXTRA_DIST += doc/net.md
EXTRA_DIST += doc/delivery.md doc/settings.md
EXTRA_DIST += doc/mail.md doc/net.md doc/task.md
EXTRA_DIST += doc/store.md
EXTRA_DIST += doc/task.md
