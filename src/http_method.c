#include "http_method.h"

#include "banned.h"

const char *
http_method_name(enum http_method m)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH",
	    "DELETE", "OPTIONS", "?"};

	return names[m];
}
