/* Rings of links. */
#include "base/list.h"

#include <criterion/criterion.h>

struct item {
	int n;
	link_t in;
};

Test(list, keeps_the_order_and_forgets_what_is_removed)
{
	link_t head;
	struct item item[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};

	list_init(&head);
	cr_expect(list_empty(&head));
	cr_expect_null(list_first(&head));
	list_append(&head, &item[2].in);
	list_append(&head, &item[3].in);
	list_prepend(&head, &item[1].in);
	list_prepend(&head, &item[0].in);
	list_remove(&item[2].in);
	list_remove(&item[2].in);
	for (int wanted = 0; wanted < 4; wanted += wanted == 1 ? 2 : 1) {
		link_t *first = list_first(&head);
		cr_assert_not_null(first);
		cr_assert_eq(LINK_OWNER(first, struct item, in)->n, wanted);
		list_remove(first);
	}
	cr_expect(list_empty(&head));
}
