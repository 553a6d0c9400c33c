# libpennypost, the public C library for programs that send mail.
