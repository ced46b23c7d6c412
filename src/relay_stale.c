#include "relay_stale.h"

#include <stdlib.h>
#include <string.h>

#include "bus_keys.h"
#include "log.h"
#include "mem.h"

#include "banned.h"

enum {
	/* A line that was cached before the revocation lives no longer; some more for a slow look. */
	AGAIN_S = BUS_SESSION_TTL_S + 60,
};

typedef int drop_fn(struct bus *b, const char *sppg_id, const char *const *hashes,
    size_t n, struct err *e);

/* hashes: separated by spaces, maybe none */
static int
drop(struct bus *bus, drop_fn *fn, const char *sppg_id, const char *hashes, struct err *e)
{
	char *copy = xstrdup(hashes), *rest = copy;
	const char **list = xcalloc(strlen(hashes) / 2 + 1, sizeof(*list));
	size_t n = 0;
	int rc;

	while (rest && *rest)
		list[n++] = strsep(&rest, " ");
	rc = fn(bus, sppg_id, list, n, e);
	free(list);
	free(copy);
	return rc;
}

static int
tell_page(struct db *db, struct bus *bus, bool *ret_more, struct err *e)
{
	struct db_rows rows, told;
	struct db_tx tx;
	int rc;

	db_begin_alone(db, &tx);
	rc = db_run(&tx, Q_RELAY_STALE, PARAMS("500"), &rows, e);
	*ret_more = rc == 0 && db_n_rows(&rows) > 0;
	for (size_t i = 0; rc == 0 && i < db_n_rows(&rows); i++) {
		const char *sppg_id = db_text(&rows, i, 0), *ended = db_text(&rows, i, 1),
			   *doubted = db_text(&rows, i, 2);

		rc = drop(bus, bus_session_drop, sppg_id, ended, e);
		if (rc == 0)
			rc = drop(bus, bus_session_doubt, sppg_id, doubted, e);
		if (rc == 0)
			rc = db_run(&tx, Q_RELAY_STALE_TOLD, PARAMS(db_text(&rows, i, 3)),
			    &told, e);
		if (rc == 0)
			log_event(LOG_INFO, "revoked", "sppg", sppg_id, NULL);
	}
	db_end(&tx);
	return rc;
}

int
relay_stale_tell(struct db *db, struct bus *bus, struct err *e)
{
	bool more;

	do
		if (tell_page(db, bus, &more, e) < 0)
			return -1;
	while (more);
	return 0;
}

int
relay_stale_again(struct db *db, struct err *e)
{
	char seconds[24];
	struct db_rows rows;
	struct db_tx tx;
	int rc;

	bus_number(AGAIN_S, seconds);
	db_begin_alone(db, &tx);
	rc = db_run(&tx, Q_RELAY_STALE_AGAIN, PARAMS(seconds), &rows, e);
	db_end(&tx);
	return rc;
}
