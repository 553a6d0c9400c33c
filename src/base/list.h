/* Intrusive doubly linked lists: a link inside the struct, a ring with a head. Inserting and
   removing never allocates and never fails. */
#ifndef PENNYPOST_BASE_LIST_H
#define PENNYPOST_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct link {
	struct link *prev, *next;
} link_t;

#define LINK_OWNER(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

static inline void list_init(link_t *head)
{
	head->prev = head->next = head;
}
static inline bool list_empty(const link_t *head)
{
	return head->next == head;
}
static inline void list_append(link_t *head, link_t *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}
static inline void list_prepend(link_t *head, link_t *item)
{
	list_append(head->next, item);
}
/* Afterwards the item is a ring of its own, so removing it again is nothing. */
static inline void list_remove(link_t *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->prev = item->next = item;
}
/* The first item or NULL. */
static inline link_t *list_first(const link_t *head)
{
	return list_empty(head) ? NULL : head->next;
}

#endif
