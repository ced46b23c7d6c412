/*
 * act_stream.c: what a client needs to open a stream.
 */
#include "act.h"

#include <string.h>

#include "page.h"

#include "banned.h"

static const char *const topics[] = {"production", "menu", "program", "staff"};

/* Characters of an id as a JSON string, in the arena. */
static const char *
json_string(struct arena *a, const char *s)
{
	struct buf b;
	char *copy;

	buf_init(&b, 0);
	buf_add_json(&b, s, strlen(s));
	copy = arena_strndup(a, b.bytes, b.len);
	buf_free(&b);
	return copy;
}

static int
stream_info(struct action *a, struct err *e)
{
	const struct site *site = a->site;
	char ticket[WHO_TICKET_LEN + 1] = "";
	const char *sppg, *host = strstr(site->public_url, "://") + 3;
	struct db_rows rows;
	struct buf b;

	if (db_run_last(a->tx, Q_STREAM_INFO, PARAMS(a->session_hash), &rows, e) < 0)
		return -1;
	if (db_n_rows(&rows) == 0)
		return fail(e, E_UNAUTHORIZED, NULL);
	if (site->secret[0])
		who_ticket_new(ticket, a->session_hash, site->secret, a->now_s);
	sppg = db_text(&rows, 0, 0);
	buf_init(&b, 0);
	buf_printf(&b,
	    "{\"wsUrl\":\"%s://%s%s/ws\",\"sppgId\":%s,\"userId\":%s,\"channels\":[",
	    site->https ? "wss" : "ws", host, site->base_path,
	    json_string(a->arena, sppg), json_string(a->arena, db_text(&rows, 0, 1)));
	for (size_t i = 0; i < N_ELEMENTS(topics); i++)
		buf_printf(&b, "%s%s", i ? "," : "",
		    json_string(a->arena,
			arena_printf(a->arena, "%s:updates:%s", topics[i], sppg)));
	buf_printf(&b,
	    "],\"token\":%s%s%s,\"config\":{\"heartbeatMs\":%ld,\"tokenTtlMs\":%d,\"topics\":[",
	    ticket[0] ? "\"" : "", ticket[0] ? ticket : "null", ticket[0] ? "\"" : "",
	    site->heartbeat_ms, WHO_TICKET_TTL_S * 1000);
	for (size_t i = 0; i < N_ELEMENTS(topics); i++)
		buf_printf(&b, "%s\"%s\"", i ? "," : "", topics[i]);
	buf_adds(&b, "]}}");
	a->answer.data = arena_strndup(a->arena, b.bytes, b.len);
	a->answer.data_len = b.len;
	buf_free(&b);
	a->answer.position = db_text(&rows, 0, 2);
	a->answer.session_hash = a->session_hash;
	a->answer.session_line = db_text(&rows, 0, 3);
	return 0;
}

static const struct field events_fields[] = {
    {"after", IN_QUERY, FIELD_TEXT, 0, 1, 64, NULL, NULL},
    {"topics", IN_QUERY, FIELD_TEXT, 0, 1, 200, NULL, NULL},
    {"limit", IN_QUERY, FIELD_INT, 0, 1, PAGE_EVENTS_MAX, NULL, NULL},
    {"wait", IN_QUERY, FIELD_INT, 0, 0, PAGE_WAIT_MAX_S, NULL, NULL},
    {"token", IN_QUERY, FIELD_TEXT, 0, 1, 200, NULL, NULL},
    {0},
};

/* The row is for readers of the table: the feed is events.fcgi's, which carries many at once. */
static int
stream_events(struct action *a, struct err *e)
{
	(void)a;
	return fail_detail(e, E_UNAVAILABLE,
	    "the web server must give this path to events.fcgi: see dapur(8)");
}

const struct route act_stream[] = {
    {HTTP_GET, "/ws", PERM_READ, TX_READ, NULL, stream_info, NULL,
	"where and how to open the stream; the same path upgrades to WebSocket"},
    {HTTP_GET, "/events", PERM_READ, TX_READ, events_fields, stream_events, NULL,
	"the feed: Server-Sent Events, a JSON page or a long poll"},
    {0},
};
