/* What the in-memory providers keep. One lock, one arena, lists in the order of making; every file
   of this folder takes the lock for the length of a call and never waits under it. */
#ifndef PENNYPOST_PROVIDER_MEMORY_STORE_H
#define PENNYPOST_PROVIDER_MEMORY_STORE_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/metric.h"
#include "mail/address.h"
#include "provider/answer.h"
#include "provider/blob.h"
#include "provider/dkim_key.h"
#include "provider/domain.h"
#include "provider/folder.h"
#include "provider/group.h"
#include "provider/keyword.h"
#include "provider/mailbox.h"
#include "provider/message.h"
#include "provider/message_fact.h"
#include "provider/postoffice.h"
#include "provider/queue.h"
#include "provider/redirection.h"
#include "provider/scram.h"
#include "provider/setting.h"
#include "provider/trace.h"

struct m_postoffice {
	link_t link;
	int64_t id;
	slice name;
	enum postoffice_state state;
	usec made;
	link_t domains, mailboxes, addresses, groups;
};

struct m_domain {
	link_t link;
	struct m_postoffice *postoffice;
	slice name;
	enum domain_state state;
	slice abuse, postmaster, catch_all;
	struct m_domain *stands_for;
	link_t masks; /* in their order */
};

struct m_mask {
	link_t link;
	slice mask, target;
	int64_t place;
};

struct m_group {
	link_t link;
	struct m_postoffice *postoffice;
	int64_t id;
	slice name, folded, title;
	enum group_posting posting;
	link_t members; /* by key */
};

struct m_member {
	link_t link;
	group_member m;
};

struct m_entry {
	link_t link;
	entry e;
	int zone;
	usec saved;
	struct m_message *message;
};

struct m_gone { /* an entry that was expunged */
	link_t link;
	int64_t folder, modseq;
	usec at;
	struct m_entry e;
	bool back; /* moved, or undeleted: it cannot come back */
};

struct m_folder {
	link_t link;
	folder f; /* counts are kept in it */
	link_t entries, rights;
};

struct m_subscription {
	link_t link;
	slice name;
};

struct m_mailbox {
	link_t link;
	struct m_postoffice *postoffice;
	int64_t id;
	slice name, folded, password;
	enum mailbox_kind kind;
	enum mailbox_state state;
	int64_t quota, used, modseq;
	usec made, last_logon, pop3_logon;
	struct m_folder *inbox;
	link_t folders, subscriptions, gone, annotations; /* these by folder and name */
	int annotations_n;
	uint32_t uidvalidity; /* the last one given */
	struct keywords keywords;
	int64_t lock_token; /* 0 = not locked */
	bool paused;        /* other systems refused too much of its mail */
	usec lock_until;
	bool has_scram;
	struct scram_verifier scram;
	redirection *redirection; /* NULL = none */
	answer *answer;
};

struct m_address {
	link_t link;
	slice key;                 /* folded local@domain */
	struct m_mailbox *mailbox; /* or */
	struct m_group *group;
};

struct m_blob {
	link_t link;
	int64_t postoffice, id;
	slice body;
};

struct m_message {
	link_t link;
	message m;
	struct m_blob *blob;
	struct message_fact fact; /* as it was kept */
};

struct m_value { /* a setting that was set */
	link_t link;
	enum setting_id id;
	int64_t postoffice, mailbox;
	slice domain, value;
};

struct m_repeat {
	link_t link;
	slice key;
	int64_t id;
	usec until;
};

struct m_failures { /* failed logons under one key; see auth_throttle.h */
	link_t link;
	slice key;
	int64_t count;
	usec until;
};

struct m_queued { /* a recipient at another system */
	link_t link;
	queue_entry e;
};

struct m_grey { /* who was asked to come again */
	link_t link;
	int64_t postoffice;
	slice key;
	usec first, last;
	bool passed;
};

struct m_answered { /* who was told lately */
	link_t link;
	struct answer_right right;
	usec until;
};

struct m_dkim_key {
	link_t link;
	dkim_key k;
	int secret; /* file that the private key was kept under */
};

struct m_trace {
	link_t link;
	struct trace_row row;
};

struct store {
	arena a;
	link_t postoffices, blobs, messages, values, repeats, failures, traces, queue, dkim_keys,
		greylist, answered;
	uint64_t routing_revision;
	status deliver_fail, deliver_lose;
	const char *unhealthy;
	slice scram_salt;
	int srs_rotations;
	int secret; /* memory_secret() */
	bool busy, full, unsure, faults;
};

/* The store, locked, also for who holds it already; each taking has its giving. */
struct store *store_take(void);
void store_give(void);
/* The database would be asked now: whether it is to seem busy. */
bool store_refuses(const struct store *s);

struct m_postoffice *store_postoffice(struct store *s, int64_t id);
struct m_postoffice *store_postoffice_named(struct store *s, slice folded);
struct m_domain *store_domain(struct store *s, slice name);
struct m_mailbox *store_mailbox(struct store *s, int64_t postoffice, int64_t id);
struct m_mailbox *store_mailbox_named(const struct m_postoffice *po, slice folded);
struct m_address *store_address(struct store *s, slice key);
struct m_message *store_message(struct store *s, int64_t postoffice, int64_t id);
struct m_blob *store_blob(struct store *s, int64_t postoffice, int64_t id);
void store_address_add(struct store *s, struct m_mailbox *m, slice key);
/* The domain whose addresses count: itself, or the one it stands for. */
struct m_domain *store_own_domain(struct m_domain *d);
struct m_group *store_group(struct m_postoffice *po, int64_t id);
struct m_group *store_group_named(struct m_postoffice *po, slice folded);
void store_queue(struct store *s, const struct queue_envelope *e, const struct queue_recipient *to,
	const struct m_message *m);
/* Folders: made, found by canonical name or id (NULL). */
struct m_folder *store_folder_add(struct store *s, struct m_mailbox *m, slice name);
struct m_folder *store_folder_named(const struct m_mailbox *m, slice name);
struct m_folder *store_folder(const struct m_mailbox *m, int64_t id);
/* A change of a folder begins: gives its modseq. */
int64_t store_modseq(struct m_mailbox *m, struct m_folder *f);
/* The last of the folder's, with what uid, flags and dates say; counts and quota go along. */
struct m_entry *store_entry_add(struct store *s, struct m_mailbox *m, struct m_folder *f,
	struct m_message *message, int64_t modseq, int64_t flags, usec received, int zone);
/* Gone at this modseq; `moved`: it is elsewhere and cannot come back. */
void store_entry_remove(struct store *s, struct m_mailbox *m, struct m_folder *f, struct m_entry *e,
	int64_t modseq, bool moved);
/* The folder is gone, and its annotations with it. */
void store_annotations_drop(struct m_mailbox *m, int64_t folder);
/* What rights given and denied leave a reader who is not its owner. */
unsigned store_rights(struct store *s, const struct m_folder *f, struct m_mailbox *reader);
/* A folder that was made takes over the rights of the one above it. */
void store_rights_inherit(struct store *s, struct m_folder *f, const struct m_folder *above);
void store_flags(struct m_folder *f, struct m_entry *e, int64_t flags, int64_t modseq);

/* What its owner wants, as a route tells it. */
unsigned store_handling(const struct m_mailbox *m);
/* Who was told, and may not be told again for now; NULL: he may. */
struct m_answered *store_answered(struct store *s, const struct answer_right *r);
void store_answered_add(struct store *s, const struct answer_right *r);

/* Where a target of the post office (A15-A17, G6) leads: a mailbox's or group's name, or an
   address. */
struct m_target {
	struct m_mailbox *mailbox;
	struct m_group *group; /* or */
};
struct m_target store_target(struct store *s, struct m_postoffice *po, slice target);

/* What a writer gathered so far. */
slice blob_writer_body(const blob_writer *w);

/* postmaster and abuse get no address of their own: the domain's targets say where they go (A15,
   A16). */
bool store_is_special(slice folded);

#define EACH(type, head, name)                                                                     \
	for (type *name = LINK_OWNER((head)->next, type, link), *name##_next;                      \
		&name->link != (head) &&                                                           \
		(name##_next = LINK_OWNER(name->link.next, type, link), true);                     \
		name = name##_next)

#endif
