# Pure functions over slices: addresses, headers, dates, MIME.
noinst_LIBRARIES += libmail.a
libmail_a_SOURCES =
