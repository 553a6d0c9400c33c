/* The DNS server of tests as a program: dns_server SCRIPT [PORT] says "port N" and serves until its
   standard input ends. A name there is answered by how often it was asked for. */
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	static char script[1 << 20];
	char name[256];
	FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;

	if (f == NULL) {
		fprintf(stderr, "usage: dns_server SCRIPT [PORT]\n");
		return 64;
	}
	script[fread(script, 1, sizeof script - 1, f)] = '\0';
	fclose(f);
	zone *z = zone_serve(script, argc > 2 ? (unsigned)atoi(argv[2]) : 0);
	printf("port %u\n", zone_port(z));
	fflush(stdout);
	while (fgets(name, sizeof name, stdin)) {
		name[strcspn(name, "\n")] = '\0';
		printf("%u\n", zone_asked(z, name));
		fflush(stdout);
	}
	zone_stop(&z);
	return 0;
}
