/*
 * http_method.h: the methods of requests; apart from http.h so that route rows need no libfcgi.
 */
#ifndef DAPUR_HTTP_METHOD_H
#define DAPUR_HTTP_METHOD_H

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER,
};

const char *http_method_name(enum http_method m);

#endif
