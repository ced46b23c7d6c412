#include "prog.h"

#include <assert.h>
#include <getopt.h>
#include <stdlib.h>

#include "log.h"

#include "banned.h"

enum { FIRST_OF_LONGS = 1 << 8 }; /* behind every character */

static void
usage(const struct prog *p, FILE *f)
{
	fputs(p->usage, f);
	if (p->more)
		p->more(f);
}

/* What was asked for could not be written: that is no success. */
static void NORETURN
written(void)
{
	exit(fflush(stdout) == 0 ? 0 : EXIT_SYSTEM);
}

void
prog_refuse(const struct prog *p)
{
	usage(p, stderr);
	exit(EXIT_USAGE);
}

static void
take_long(const struct prog_option *o)
{
	if (o->text)
		*o->text = optarg;
	else
		*o->flag = true;
}

const char *
prog_options(const struct prog *p, int argc, char **argv)
{
	struct option longs[PROG_OPTIONS_MAX + 3] = {
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	};
	const char *path = NULL;
	int opt;

	for (int i = 0; p->options && p->options[i].name; i++) {
		assert(i < PROG_OPTIONS_MAX);
		longs[i + 2] = (struct option){p->options[i].name,
		    p->options[i].text ? required_argument : no_argument, NULL,
		    FIRST_OF_LONGS + i};
	}
	while ((opt = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1) {
		if (opt >= FIRST_OF_LONGS) {
			take_long(&p->options[opt - FIRST_OF_LONGS]);
			continue;
		}
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			usage(p, stdout);
			written();
		case 'V':
			printf("%s " PACKAGE_VERSION "\n", p->name);
			written();
		default:
			prog_refuse(p);
		}
	}
	return path;
}

void
prog_settings(struct conf *ret, const char *log_name, const char *path)
{
	static struct err e; /* a large thing */

	log_open(log_name, LOG_INFO);
	if (conf_load(ret, path, &e) < 0) {
		log_event(LOG_ERROR, "settings", "detail", e.text, NULL);
		exit(EXIT_USAGE);
	}
	log_open(log_name, log_level(ret->log_level));
}
