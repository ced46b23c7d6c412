/*
 * hello.c: the least that a FastCGI program can do, to compare with; also as a plain CGI.
 */
#include <fcgiapp.h>
#include <stdio.h>

#define REPLY \
	"Content-Type: application/json\r\n\r\n{\"success\":true,\"data\":\"hello\"}"

int
main(void)
{
	FCGX_Request r;

	FCGX_Init();
	if (FCGX_IsCGI())
		return fputs(REPLY, stdout) < 0;
	FCGX_InitRequest(&r, 0, 0);
	while (FCGX_Accept_r(&r) == 0) {
		FCGX_FPrintF(r.out, REPLY);
		FCGX_Finish_r(&r);
	}
	return 0;
}
