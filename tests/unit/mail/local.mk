# Unit tests of src/mail.
check_PROGRAMS += unit_mail
TESTS += unit_mail
unit_mail_SOURCES =
unit_mail_LDADD = $(floor_mail) $(CRITERION_LIBS)
