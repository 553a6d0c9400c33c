# The only road to stored facts.
noinst_LIBRARIES += libprovider.a
libprovider_a_SOURCES = \
	src/provider/digest.c src/provider/digest.h
