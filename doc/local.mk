# Documents that are shipped.
EXTRA_DIST += doc/mail.md
