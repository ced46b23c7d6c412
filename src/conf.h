/*
 * conf.h: the settings of one installation.
 *
 * One table (conf.def) names every setting; an unknown key or a bad value refuses to start, so a typing
 * error is never a silent default. Process lifetime. It must never print a secret.
 */
#ifndef DAPUR_CONF_H
#define DAPUR_CONF_H

#include "base.h"
#include "err.h"

#include <stdio.h>

struct conf {
#define TEXT(name, max, flags, def, what) char *name;
#define NUMBER(name, min, max, def, what) long name;
#include "conf.def"
#undef TEXT
#undef NUMBER
};

/*
 * Fills c from the defaults, then from the file: path, else $DAPUR_CONF, else SYSCONFDIR/dapur/dapur.conf. Lines are `key = value`; `#` begins a comment line; a value may
 * stand in double quotes. Fails E_INTERNAL with file, line and reason in text.
 */
int conf_load(struct conf *c, const char *path, struct err *e) MUST_CHECK;
int conf_parse(struct conf *c, const char *name, FILE *f, struct err *e) MUST_CHECK;
void conf_defaults(struct conf *c);
void conf_free(struct conf *c);

/* The table for people: `key<TAB>default<TAB>what` a line; a secret's default is left empty. */
void conf_print(FILE *f);

bool conf_https(const struct conf *c); /* public_url is https */
bool conf_origin_allowed(const struct conf *c,
    const char *origin); /* exact scheme://host[:port] */

/* Whether a page of origin came from host, the host[:port] that it asks now; where public_url is https, from its https. */
bool conf_origin_is_own(const struct conf *c, const char *origin, const char *host);

#endif
