# Documents that are shipped.
EXTRA_DIST += doc/logons.md doc/mail.md doc/net.md
EXTRA_DIST += doc/settings.md
EXTRA_DIST += doc/mail.md doc/net.md doc/task.md
EXTRA_DIST += doc/store.md
