/* Metrics: counting in several processes, histograms, and the text others read. */
#include "base/metric.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static bool holds(const text *t, const char *part)
{
	return strstr(t->at, part) != NULL;
}

/* Runs `work` in a child that uses slot `slot`. */
static void in_child(unsigned slot, void (*work)(void))
{
	pid_t child = fork();

	if (child == 0) {
		metric_slot(slot);
		work();
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void two_conversations(void)
{
	metric_add(M_conversations, SERVICE_SMTP, 2);
	metric_add(M_conversations_open, SERVICE_SMTP, 2);
	metric_time(M_db_seconds, SERVICE_SMTP, 3 * USEC_MS);
}

Test(metric, adds_up_per_service)
{
	metric_add(M_commands, SERVICE_POP3, 3);
	metric_add(M_commands, SERVICE_POP3, 4);
	metric_add(M_commands, SERVICE_SMTP, 1);
	cr_expect_eq(metric_value(M_commands, SERVICE_POP3), 7);
	cr_expect_eq(metric_value(M_commands, SERVICE_SMTP), 1);
	cr_expect_eq(metric_value(M_commands, SERVICE_IMAP), 0);
	metric_add(M_conversations_open, SERVICE_SMTP, 2);
	metric_add(M_conversations_open, SERVICE_SMTP, -1);
	cr_expect_eq(metric_value(M_conversations_open, SERVICE_SMTP), 1);
}

Test(metric, without_services_is_one_number)
{
	metric_add(M_db_errors, SERVICE_SMTP, 1);
	metric_add(M_db_errors, SERVICE_POP3, 1);
	cr_expect_eq(metric_value(M_db_errors, SERVICE_NONE), 2);
}

Test(metric, is_shared_and_gauges_die_with_their_owner)
{
	metric_share();
	in_child(1, two_conversations);
	in_child(2, two_conversations);
	cr_expect_eq(metric_value(M_conversations, SERVICE_SMTP), 4);
	cr_expect_eq(metric_value(M_conversations_open, SERVICE_SMTP), 4);
	metric_slot_clear(1);
	cr_expect_eq(metric_value(M_conversations, SERVICE_SMTP), 4, "counters stay");
	cr_expect_eq(metric_value(M_conversations_open, SERVICE_SMTP), 2, "gauges do not");
	cr_expect_eq(metric_value(M_db_seconds, SERVICE_NONE), 2, "latencies stay");
	in_child(1, two_conversations);
	cr_expect_eq(metric_value(M_conversations, SERVICE_SMTP), 6, "a successor goes on");
}

static void *count_often(void *unused)
{
	for (int i = 0; i < 100000; i++)
		metric_add(M_commands, SERVICE_HTTP, 1);
	return unused;
}

Test(metric, loses_nothing_between_threads)
{
	pthread_t other;

	pthread_create(&other, NULL, count_often, NULL);
	count_often(NULL);
	pthread_join(other, NULL);
	cr_expect_eq(metric_value(M_commands, SERVICE_HTTP), 200000);
}

Test(metric, prints_counters_and_gauges)
{
	text t = TEXT_INIT;

	metric_add(M_conversations, SERVICE_SMTP, 5);
	metric_add(M_conversations_open, SERVICE_SMTP, 1);
	metric_add(M_tasks, SERVICE_NONE, 12);
	metric_print(&t, false);
	cr_expect(holds(&t, "# TYPE pennypost_conversations counter\n"
			    "# HELP pennypost_conversations Conversations accepted\n"
			    "pennypost_conversations_total{service=\"smtp\"} 5\n"
			    "pennypost_conversations_total{service=\"submission\"} 0\n"));
	cr_expect(holds(&t, "# TYPE pennypost_conversations_open gauge\n"));
	cr_expect(holds(&t, "\npennypost_conversations_open{service=\"smtp\"} 1\n"));
	cr_expect(holds(&t, "\npennypost_tasks 12\n"));
	cr_expect(holds(&t, "\npennypost_db_errors_total 0\n"));
	cr_expect_not(holds(&t, "service=\"none\""));
	cr_expect_not(holds(&t, "postoffice"));
	cr_expect_not(holds(&t, "# EOF"));
	text_free(&t);
}

Test(metric, counts_commands_under_the_names_that_were_given)
{
	static const char noop[] = "NOOP", uid[] = "UID FETCH", stray[] = "MADE UP";
	text t = TEXT_INIT;

	metric_print(&t, false);
	cr_expect(holds(&t, "# TYPE pennypost_commands_by_name counter\n"));
	cr_expect_not(holds(&t, "command=\""), "services without names have no rows");
	text_free(&t);
	metric_command_name(SERVICE_IMAP, noop);
	metric_command_name(SERVICE_IMAP, uid);
	metric_command_name(SERVICE_IMAP, noop);
	metric_command(SERVICE_IMAP, uid);
	metric_command(SERVICE_IMAP, uid);
	metric_command(SERVICE_IMAP, NULL);
	metric_command(SERVICE_IMAP, stray);
	metric_command(SERVICE_POP3, noop);
	cr_expect_eq(metric_command_value(SERVICE_IMAP, noop), 0);
	cr_expect_eq(metric_command_value(SERVICE_IMAP, uid), 2);
	cr_expect_eq(metric_command_value(SERVICE_IMAP, NULL), 2);
	cr_expect_eq(metric_command_value(SERVICE_POP3, NULL), 1);
	metric_print(&t, false);
	cr_expect(holds(&t,
		"\npennypost_commands_by_name_total{service=\"imap\",command=\"NOOP\"} 0\n"
		"pennypost_commands_by_name_total{service=\"imap\",command=\"UID FETCH\"} 2\n"
		"pennypost_commands_by_name_total{service=\"imap\",command=\"other\"} 2\n"));
	cr_expect_not(holds(&t, "MADE UP"));
	text_free(&t);
}

Test(metric, prints_work_of_no_service_where_there_was_some)
{
	text t = TEXT_INIT;

	metric_add(M_tls_failures, SERVICE_NONE, 1);
	metric_print(&t, false);
	cr_expect(holds(&t, "\npennypost_tls_failures_total{service=\"none\"} 1\n"));
	cr_expect_not(holds(&t, "pennypost_commands_total{service=\"none\"}"));
	text_free(&t);
}

Test(metric, prints_histograms_whose_buckets_add_up)
{
	static const usec took[] = {
		0, -5, USEC_MS, USEC_MS + 1, 40 * USEC_MS, 60 * USEC_S, 61 * USEC_S};
	text t = TEXT_INIT;

	for (size_t i = 0; i < sizeof took / sizeof *took; i++)
		metric_time(M_delivery_seconds, SERVICE_SMTP, took[i]);
	metric_time(M_db_seconds, SERVICE_POP3, 1500000);
	cr_expect_eq(metric_value(M_delivery_seconds, SERVICE_SMTP), 7);
	metric_print(&t, false);
	cr_expect(holds(&t, "# TYPE pennypost_delivery_seconds histogram\n"));
	cr_expect(holds(&t, "# UNIT pennypost_delivery_seconds seconds\n"));
	static const char *const wanted[] = {
		"_bucket{service=\"smtp\",le=\"0.001\"} 3\n",
		"_bucket{service=\"smtp\",le=\"0.0025\"} 4\n",
		"_bucket{service=\"smtp\",le=\"0.025\"} 4\n",
		"_bucket{service=\"smtp\",le=\"0.05\"} 5\n",
		"_bucket{service=\"smtp\",le=\"30.0\"} 5\n",
		"_bucket{service=\"smtp\",le=\"60.0\"} 6\n",
		"_bucket{service=\"smtp\",le=\"+Inf\"} 7\n",
		"_count{service=\"smtp\"} 7\n",
		"_sum{service=\"smtp\"} 121.042001\n",
	};
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		char line[128];
		snprintf(line, sizeof line, "\npennypost_delivery_seconds%s", wanted[i]);
		cr_expect(holds(&t, line), "%s", line);
	}
	cr_expect(holds(&t, "\npennypost_db_seconds_bucket{le=\"2.5\"} 1\n"));
	cr_expect(holds(&t, "\npennypost_db_seconds_count 1\npennypost_db_seconds_sum 1.500000\n"));
	text_free(&t);
}

Test(metric, counts_post_offices_apart_and_the_late_ones_together)
{
	text t = TEXT_INIT;
	char line[128];

	for (int64_t po = 1; po <= 5000; po++)
		metric_postoffice(po << 22, MPO_DELIVERED, po);
	metric_postoffice(1 << 22, MPO_BYTES, 4711);
	metric_print(&t, true);
	for (int64_t po = 1; po <= 4096; po++) {
		snprintf(line, sizeof line,
			"\npennypost_postoffice_delivered_total{postoffice=\"%lld\"} %lld\n",
			(long long)(po << 22), (long long)po);
		cr_assert(holds(&t, line), "%s", line);
	}
	snprintf(line, sizeof line, "_delivered_total{postoffice=\"0\"} %lld\n",
		(4097LL + 5000) * (5000 - 4096) / 2);
	cr_expect(holds(&t, line), "%s", line);
	cr_expect_not(holds(&t, "{postoffice=\"17188257792\"}"), "the 4,098th has no row");
	cr_expect(holds(&t, "# TYPE pennypost_postoffice_delivered_bytes counter\n"));
	cr_expect(holds(
		&t, "\npennypost_postoffice_delivered_bytes_total{postoffice=\"4194304\"} 4711\n"));
	text_free(&t);
}

Test(metric, times_post_offices_where_that_is_wanted)
{
	text with = TEXT_INIT, without = TEXT_INIT;

	metric_postoffice_time(7, MPL_DELIVERY, 3 * USEC_MS);
	metric_postoffice_time(7, MPL_DELIVERY, 40 * USEC_MS);
	metric_postoffice_time(8, MPL_LOGON, 61 * USEC_S);
	metric_print(&with, true);
	metric_print(&without, false);
	static const char *const wanted[] = {
		"# TYPE pennypost_postoffice_delivery_seconds histogram\n",
		"# UNIT pennypost_postoffice_delivery_seconds seconds\n",
		"\npennypost_postoffice_delivery_seconds_bucket{postoffice=\"7\",le=\"0.0025\"} 0\n",
		"\npennypost_postoffice_delivery_seconds_bucket{postoffice=\"7\",le=\"0.005\"} 1\n",
		"\npennypost_postoffice_delivery_seconds_bucket{postoffice=\"7\",le=\"+Inf\"} 2\n",
		"\npennypost_postoffice_delivery_seconds_count{postoffice=\"7\"} 2\n",
		"\npennypost_postoffice_delivery_seconds_sum{postoffice=\"7\"} 0.043000\n",
		"\npennypost_postoffice_logon_seconds_bucket{postoffice=\"8\",le=\"60.0\"} 0\n",
		"\npennypost_postoffice_logon_seconds_count{postoffice=\"8\"} 1\n",
	};
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		cr_expect(holds(&with, wanted[i]), "%s", wanted[i]);
	cr_expect_not(
		holds(&with, "delivery_seconds_count{postoffice=\"8\"}"), "8 delivered nothing");
	cr_expect_not(holds(&without, "postoffice"));
	text_free(&with);
	text_free(&without);
}

Test(metric, names_every_service)
{
	for (int s = 0; s < SERVICE_COUNT; s++)
		for (int other = 0; other < s; other++)
			cr_expect_str_neq(
				service_name((enum service)s), service_name((enum service)other));
	cr_expect_str_eq(service_name(SERVICE_SUBMISSION), "submission");
}
