/*
 * feed_frame.h: the frames of a feed that are not events, as text; for feed.c alone.
 */
#ifndef DAPUR_FEED_FRAME_H
#define DAPUR_FEED_FRAME_H

#include "buf.h"
#include "feed.h"

/* Each appends one JSON object. topics: bits of bus_topics. */
void
frame_connected(struct buf *b, const struct position *at, const struct position *head,
    long heartbeat_ms, unsigned topics, const struct who *who);
void frame_reset(struct buf *b, enum hub_reset reason, const struct position *head);
void frame_heartbeat(struct buf *b, const struct position *at);
void
frame_disconnect(struct buf *b, const char *code, const char *message, bool reconnect);

#endif
