/*
 * prog.h: what every program does first: -c FILE, -h and -V, the settings read, the log opened.
 *
 * The exit codes of a bad command line and of bad settings are decided here alone. For mains only.
 */
#ifndef DAPUR_PROG_H
#define DAPUR_PROG_H

#include "base.h"
#include "conf.h"

#include <stdio.h>

enum { PROG_OPTIONS_MAX = 8 };

/* A long option of one program: `--name`, or `--name=VALUE` when text is set. */
struct prog_option {
	const char *name; /* without dashes; NULL ends a table */
	const char **text;
	bool *flag;
};

struct prog {
	const char *name;      /* as -V shows it */
	const char *usage;     /* whole lines */
	void (*more)(FILE *f); /* writes more lines of it; NULL: there are none */
	const struct prog_option *options; /* at most PROG_OPTIONS_MAX; NULL: none */
};

/*
 * Reads the options and returns -c's FILE, NULL when there was none; the words begin at optind. -h and -V end the
 * program with 0, an unknown option with the usage on stderr and EXIT_USAGE.
 */
const char *prog_options(const struct prog *p, int argc, char **argv);

/* Says on stderr how the program is called, and exits EXIT_USAGE. */
void prog_refuse(const struct prog *p) NORETURN;

/* Opens the log under log_name, reads the settings and sets the log's level. Bad settings are logged: exits EXIT_USAGE. */
void prog_settings(struct conf *ret, const char *log_name, const char *path);

#endif
