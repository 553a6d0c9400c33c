/* The scribe: the one process of a node that writes log files. It reads what workers record
   (base/record.h), puts each line into its file, and begins another file when period or size ask
   for it: FOLDER/STEM-YYMMDD.log, then FOLDER/STEM-YYMMDD-2.log. A disk that is slow or full is its
   matter alone: it drops lines, counts them, and goes on when there is room. */
#ifndef PENNYPOST_PROGRAM_SCRIBE_H
#define PENNYPOST_PROGRAM_SCRIBE_H

#include "base/text.h"
#include "provider/bootstrap.h"

typedef struct scribe scribe;

/* `folder` is made when the first line comes; `syslog` is the path of the machine's socket. */
scribe *scribe_open(slice folder, const char *syslog);
/* Whole lines as on the pipe, each with its line feed. */
void scribe_take(scribe *s, slice lines);
uint64_t scribe_lost(const scribe *s); /* lines that no file or socket took */
void scribe_close(scribe **s);

/* The process: reads `pipe` to its end. Its exit code. */
int scribe_run(int pipe, const struct bootstrap *boot);

#endif
