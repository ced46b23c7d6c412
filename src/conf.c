#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#include "banned.h"

#define LINE_CAP 4096 /* longest line of a settings file, bytes */
#define SECRET_MIN 32 /* characters; shorter ones can be guessed */

enum { SECRET = 1 };

struct setting {
	const char *name;
	bool is_text;
	bool secret;
	long min, max; /* of the number; max: of the text's bytes */
	const char *def_text;
	long def_number;
	const char *what;
	size_t offset;
};

static const struct setting settings[] = {
#define TEXT(n, mx, flags, def, wh) \
	{#n, true, (flags) == SECRET, 0, mx, def, 0, wh, offsetof(struct conf, n)},
#define NUMBER(n, mn, mx, def, wh) \
	{#n, false, false, mn, mx, NULL, def, wh, offsetof(struct conf, n)},
#include "conf.def"
#undef TEXT
#undef NUMBER
};

static char **
text_of(struct conf *c, const struct setting *s)
{
	return (char **)(void *)((char *)c + s->offset);
}

static long *
number_of(struct conf *c, const struct setting *s)
{
	return (long *)(void *)((char *)c + s->offset);
}

void
conf_defaults(struct conf *c)
{
	for (size_t i = 0; i < N_ELEMENTS(settings); i++) {
		if (settings[i].is_text)
			*text_of(c, &settings[i]) = xstrdup(settings[i].def_text);
		else
			*number_of(c, &settings[i]) = settings[i].def_number;
	}
}

void
conf_free(struct conf *c)
{
	for (size_t i = 0; i < N_ELEMENTS(settings); i++) {
		if (settings[i].is_text) {
			free(*text_of(c, &settings[i]));
			*text_of(c, &settings[i]) = NULL;
		}
	}
}

static const struct setting *
find(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(settings); i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

static int
set(struct conf *c, const struct setting *s, const char *value, struct err *e)
{
	char *end;
	long n;

	if (s->is_text) {
		if (strlen(value) > (size_t)s->max)
			return fail(e, E_INTERNAL, "%s is longer than %ld bytes", s->name,
			    s->max);
		free(*text_of(c, s));
		*text_of(c, s) = xstrdup(value);
		return 0;
	}
	errno = 0;
	n = strtol(value, &end, 10);
	if (errno || end == value || *end || n < s->min || n > s->max)
		return fail(e, E_INTERNAL, "%s must be a whole number from %ld to %ld",
		    s->name, s->min, s->max);
	*number_of(c, s) = n;
	return 0;
}

static char *
trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* One `key = value` line; comments and blank lines are none. */
static int
parse_line(struct conf *c, char *line, struct err *e)
{
	const struct setting *s;
	char *key = trim(line), *value;
	size_t len;

	if (!*key || *key == '#')
		return 0;
	value = strchr(key, '=');
	if (!value)
		return fail(e, E_INTERNAL, "expected `key = value`");
	*value++ = '\0';
	key = trim(key);
	value = trim(value);
	len = strlen(value);
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	s = find(key);
	if (!s)
		return fail(e, E_INTERNAL, "there is no setting \"%.40s\"", key);
	return set(c, s, value, e);
}

static int
check_whole(const struct conf *c, struct err *e)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	const char *host;
	size_t i;

	for (i = 0; i < N_ELEMENTS(levels) && strcmp(c->log_level, levels[i]) != 0; i++)
		;
	if (i == N_ELEMENTS(levels))
		return fail(e, E_INTERNAL,
		    "log_level must be debug, info, warn or error");
	if (c->secret[0] && strlen(c->secret) < SECRET_MIN)
		return fail(e, E_INTERNAL, "secret must have at least %d characters",
		    SECRET_MIN);
	if (strncmp(c->public_url, "http://", 7) != 0 &&
	    strncmp(c->public_url, "https://", 8) != 0)
		return fail(e, E_INTERNAL,
		    "public_url must begin with http:// or https://");
	host = strstr(c->public_url, "://") + 3;
	if (!*host || strchr(host, '/'))
		return fail(e, E_INTERNAL,
		    "public_url must be scheme://host[:port] without a path");
	if (c->base_path[0] != '/' || c->base_path[strlen(c->base_path) - 1] == '/')
		return fail(e, E_INTERNAL,
		    "base_path must begin with / and not end with one");
	return 0;
}

/* Names the place of a fault that parse_line() found. */
static int
fail_at(const char *name, unsigned line, struct err *e)
{
	char why[ERR_TEXT];

	snprintf(why, sizeof(why), "%s", e->text);
	return fail(e, E_INTERNAL, "%s:%u: %s", name, line, why);
}

int
conf_parse(struct conf *c, const char *name, FILE *f, struct err *e)
{
	char *line =
	    NULL; /* on the heap: a stream is a process, and keeps the pages of its deepest stack */
	size_t alloc = 0;
	ssize_t len;
	int rc = 0;

	for (unsigned n = 1; rc == 0 && (len = getline(&line, &alloc, f)) >= 0; n++) {
		if (len > LINE_CAP)
			rc = fail(e, E_INTERNAL, "the line is too long");
		else
			rc = parse_line(c, line, e);
		if (rc < 0)
			rc = fail_at(name, n, e);
	}
	free(line);
	if (rc < 0)
		return -1;
	if (ferror(f))
		return fail(e, E_INTERNAL, "%s: %s", name, strerror(errno));
	return check_whole(c, e);
}

int
conf_load(struct conf *c, const char *path, struct err *e)
{
	const char *name = path;
	FILE *f;
	int rc;

	if (!name)
		name = getenv("DAPUR_CONF");
	if (!name)
		name = SYSCONFDIR "/dapur/dapur.conf";
	conf_defaults(c);
	f = fopen(name, "re");
	if (!f) {
		rc = fail(e, E_INTERNAL, "%s: %s", name, strerror(errno));
		conf_free(c);
		return rc;
	}
	rc = conf_parse(c, name, f, e);
	fclose(f);
	if (rc < 0)
		conf_free(c);
	return rc;
}

void
conf_print(FILE *f)
{
	for (size_t i = 0; i < N_ELEMENTS(settings); i++) {
		const struct setting *s = &settings[i];

		if (s->is_text)
			fprintf(f, "%s\t%s\t%s\n", s->name, s->secret ? "" : s->def_text,
			    s->what);
		else
			fprintf(f, "%s\t%ld\t%s\n", s->name, s->def_number, s->what);
	}
}

bool
conf_https(const struct conf *c)
{
	return strncmp(c->public_url, "https://", 8) == 0;
}

bool
conf_origin_allowed(const struct conf *c, const char *origin)
{
	size_t len = strlen(origin);
	const char *p = c->allowed_origins;

	if (!len)
		return false;
	if (strcasecmp(origin, c->public_url) == 0)
		return true;
	while (*p) {
		size_t n;

		p += strspn(p, ", \t");
		n = strcspn(p, ", \t");
		if (n == len && strncasecmp(p, origin, n) == 0)
			return true;
		p += n;
	}
	return false;
}

bool
conf_origin_is_own(const struct conf *c, const char *origin, const char *host)
{
	bool secure = strncasecmp(origin, "https://", 8) == 0;
	const char *port;
	size_t len;

	if (!secure && (conf_https(c) || strncasecmp(origin, "http://", 7) != 0))
		return false;
	origin += secure ? 8 : 7;
	len = strlen(origin);
	if (!len || strncasecmp(origin, host, len) != 0)
		return false;
	/* an origin leaves its default port out, a host may name it; websocketd names 80 even behind https */
	port = host + len;
	return !*port || strcmp(port, ":80") == 0 ||
	    (secure && strcmp(port, ":443") == 0);
}
