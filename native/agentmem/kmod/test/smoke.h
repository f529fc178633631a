/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls of agentmem_ioctl.h, one function each, and the lines of the guest protocol. For one program:
 * everything here is its own.
 */
#ifndef SMOKE_H
#define SMOKE_H

#include "agentmem_ioctl.h"

#include "agentmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static int failed;

static void line(const char *name, int ok, const char *text)
{
	printf("NEXUS-KERNEL kmod_%s: %s %s\n", name, ok ? "ok" : "FAIL", text);
	fflush(stdout);
	failed |= !ok;
}

#define CHECK(name, truth) line(name, (truth), #truth)
#define START(what) { .head = { .bytes = sizeof(what), .abi = AGENTMEM_ABI } }

static int call(int fd, unsigned long number, void *ask)
{
	struct agentmem_head *head = ask;

	head->status = 0x7fff;
	return ioctl(fd, number, ask) ? -errno : head->status;
}

static int client(const char *realm, const char *agent)
{
	int fd = open(AGENTMEM_DEVICE, O_RDWR | O_CLOEXEC);
	struct agentmem_attach ask = START(ask);

	strcpy(ask.realm, realm);
	strcpy(ask.agent, agent);
	ask.importance = 50;
	if (fd < 0 || call(fd, AGENTMEM_ATTACH, &ask)) {
		perror("attach");
		exit(1);
	}
	return fd;
}

static int publish(int fd, int type, const void *data, size_t length, unsigned int flags,
		   struct agentmem_placed *placed)
{
	struct agentmem_publish ask = START(ask);
	int status;

	ask.data = (unsigned long)data;
	ask.length = length;
	ask.type = type;
	ask.form = AM_RAW;
	ask.flags = flags;
	status = call(fd, AGENTMEM_PUBLISH, &ask);
	if (!status)
		*placed = ask.placed;
	return status;
}

static int acquire(int fd, const void *id, struct agentmem_placed *placed)
{
	struct agentmem_acquire ask = START(ask);
	int status;

	memcpy(ask.id, id, 32);
	status = call(fd, AGENTMEM_ACQUIRE, &ask);
	if (!status)
		*placed = ask.placed;
	return status;
}

static int owned(int fd, unsigned long long after, struct agentmem_owned *page)
{
	*page = (struct agentmem_owned)START(*page);
	page->after = after;
	return call(fd, AGENTMEM_OWNED, page);
}

static int give_back(int fd, unsigned int reference)
{
	struct agentmem_release ask = START(ask);

	ask.reference = reference;
	return call(fd, AGENTMEM_RELEASE, &ask);
}

static int on_unit(int fd, unsigned long number, const void *id, unsigned int importance)
{
	struct agentmem_unit ask = START(ask);

	memcpy(ask.id, id, 32);
	ask.importance = importance;
	return call(fd, number, &ask);
}

static int state(int fd, unsigned int to)
{
	struct agentmem_state ask = START(ask);

	ask.state = to;
	ask.importance = AGENTMEM_LEAVE;
	return call(fd, AGENTMEM_STATE, &ask);
}

static struct agentmem_stats stats(int fd)
{
	struct agentmem_stats ask = START(ask);

	if (call(fd, AGENTMEM_STATS, &ask))
		exit(1);
	return ask;
}

#endif
