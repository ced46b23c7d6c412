/*
 * relay_stale.h: the relay's part in revocation: Redis unlearns the sessions that dapur.session_stale lists.
 *
 * Triggers list them, whoever ended a session or changed what its cached line says. Our own programs tell Redis by
 * themselves, at once; this is for other writers, and for a Redis that was away. Each row is told at least once: it
 * counts as told when Redis took it, and telling twice does no harm.
 */
#ifndef DAPUR_RELAY_STALE_H
#define DAPUR_RELAY_STALE_H

#include "bus.h"
#include "db.h"

/* Tells everything that is untold. Fails E_UNAVAILABLE; what is left then is told by the next call. */
int relay_stale_tell(struct db *db, struct bus *bus, struct err *e) MUST_CHECK;

/* Redis may be as it was a while ago: what it was told since is untold again. Fails E_UNAVAILABLE. */
int relay_stale_again(struct db *db, struct err *e) MUST_CHECK;

#endif
