#include "feed_frame.h"

#include <string.h>

#include "bus_keys.h"

#include "banned.h"

static void
add_text(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "\"%s\":", name);
	buf_add_json(b, value, strlen(value));
}

static void
add_position(struct buf *b, const char *name, const struct position *p)
{
	char text[POSITION_CAP];

	position_text(text, p);
	buf_printf(b, ",\"%s\":\"%s\"", name, text);
}

void
frame_connected(struct buf *b, const struct position *at, const struct position *head,
    long heartbeat_ms, unsigned topics, const struct who *who)
{
	const char *comma = "";

	buf_adds(b, "{\"type\":\"connected\"");
	add_position(b, "position", at);
	add_position(b, "head", head);
	buf_printf(b, ",\"heartbeatMs\":%ld,\"topics\":[", heartbeat_ms);
	for (size_t i = 0; i < BUS_TOPICS; i++) {
		if (!(topics & 1u << i))
			continue;
		buf_printf(b, "%s\"%s\"", comma, bus_topics[i]);
		comma = ",";
	}
	buf_adds(b, "],\"user\":{");
	add_text(b, "id", who->user_id);
	buf_addc(b, ',');
	add_text(b, "name", who->name);
	buf_addc(b, ',');
	add_text(b, "role", who->role);
	buf_addc(b, ',');
	add_text(b, "sppgId", who->sppg_id);
	buf_adds(b, "}}");
}

void
frame_reset(struct buf *b, enum hub_reset reason, const struct position *head)
{
	static const char *const names[] = {
	    [HUB_TOO_OLD] = "TOO_OLD",
	    [HUB_EPOCH] = "EPOCH",
	    [HUB_AHEAD] = "AHEAD",
	    [HUB_INVALID] = "INVALID",
	};

	buf_printf(b, "{\"type\":\"reset\",\"reason\":\"%s\"", names[reason]);
	add_position(b, "head", head);
	buf_addc(b, '}');
}

void
frame_heartbeat(struct buf *b, const struct position *at)
{
	buf_adds(b, "{\"type\":\"heartbeat\"");
	add_position(b, "position", at);
	buf_addc(b, '}');
}

void
frame_disconnect(struct buf *b, const char *code, const char *message, bool reconnect)
{
	buf_printf(b, "{\"type\":\"disconnect\",\"code\":\"%s\",", code);
	add_text(b, "message", message);
	buf_printf(b, ",\"reconnect\":%s}", reconnect ? "true" : "false");
}

void
feed_refuse(const struct feed_sink *sink, void *arg, const struct err *e)
{
	struct buf b = {0};
	struct feed_frame frame = {.kind = FEED_DISCONNECT,
	    .code = err_info(e->code)->name,
	    .message = e->text,
	    .final = e->code != E_UNAVAILABLE};

	frame_disconnect(&b, frame.code, e->text, e->code == E_UNAVAILABLE);
	frame.text = b.bytes;
	frame.len = b.len;
	sink->write(arg, &frame);
	buf_free(&b);
	if (sink->end)
		sink->end(arg);
}
