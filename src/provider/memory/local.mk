# The same contracts kept in memory, for tests without PostgreSQL and for fuzzers. Programs link it instead of
# libprovider.a: what both share is in both.
noinst_LIBRARIES += libprovider_memory.a
libprovider_memory_a_SOURCES = $(provider_shared) \
	src/provider/memory/acl.c \
	src/provider/memory/address_map.c \
	src/provider/memory/annotation.c \
	src/provider/memory/answer.c \
	src/provider/memory/append.c \
	src/provider/memory/auth.c \
	src/provider/memory/ban_list.c \
	src/provider/memory/blob.c \
	src/provider/memory/deliver.c \
	src/provider/memory/dkim_key.c \
	src/provider/memory/folder.c \
	src/provider/memory/folder_tree.c \
	src/provider/memory/greylist.c \
	src/provider/memory/group.c \
	src/provider/memory/housekeep.c \
	src/provider/memory/keyword_store.c \
	src/provider/memory/mailbox.c \
	src/provider/memory/maildrop.c \
	src/provider/memory/memory.h \
	src/provider/memory/message.c \
	src/provider/memory/news_bell.c \
	src/provider/memory/postoffice.c \
	src/provider/memory/provider.c \
	src/provider/memory/queue.c \
	src/provider/memory/session.c \
	src/provider/memory/redirection.c \
	src/provider/memory/setting.c \
	src/provider/memory/srs_key.c \
	src/provider/memory/store.c \
	src/provider/memory/store.h \
	src/provider/memory/view_store.c
