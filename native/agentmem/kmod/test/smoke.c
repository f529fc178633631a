/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module must do before any larger test makes sense, in the guest: every call once, every
 * promise of agentmem_ioctl.h on errors, sharing, tiers, mappings and deaths. Prints the lines of
 * the guest protocol; status 1 when one failed. Knows nothing of libagentmem.
 */
#define _GNU_SOURCE
#include "smoke.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *text(size_t bytes, unsigned int seed)
{
	static const char *const words[] = { "agent ", "memory ", "tool ", "result ", "{\"role\": ",
					     "\"user\"}, ", "content ", "kernel\n" };
	char *room = malloc(bytes + 16);
	size_t at = 0;

	while (at < bytes) {
		seed = seed * 1103515245 + 12345;
		at += (size_t)sprintf(room + at, "%.*s", (int)(bytes - at), words[seed >> 16 & 7]);
	}
	return room;
}

static unsigned long proc_value(const char *key)
{
	char line_of[256];
	unsigned long value = ~0ul;
	size_t n = strlen(key);
	FILE *file = fopen("/proc/agent_stats", "r");

	while (file && fgets(line_of, sizeof(line_of), file))
		if (!strncmp(line_of, key, n) && line_of[n] == ' ')
			value = strtoul(line_of + n, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

static void test_errors(void)
{
	int bare = open(AGENTMEM_DEVICE, O_RDWR | O_CLOEXEC), fd = client("r", "errors");
	struct agentmem_placed placed = { 0 };
	struct agentmem_release release = START(release);
	struct agentmem_info info = START(info);
	struct agentmem_attach again = START(again);
	struct { struct agentmem_info info; char tail[8]; } longer = { .info = START(longer) };
	const unsigned long number = _IOC(_IOC_READ | _IOC_WRITE, AGENTMEM_MAGIC, 0, sizeof(longer));
	char id[32] = { 0 };

	CHECK("not_attached", publish(bare, AM_TOOL_DEF, "x", 1, 0, &placed) == AM_EPROTOCOL);
	CHECK("info", call(bare, AGENTMEM_INFO, &info) == 0 && info.epoch && info.page_bytes == 4096);
	CHECK("info_longer", call(bare, number, &longer) == 0 && longer.info.epoch == info.epoch);
	longer.info.head.bytes = sizeof(longer);
	longer.tail[7] = 1;
	CHECK("info_tail", call(bare, number, &longer) == -E2BIG);
	info.head.bytes--;
	CHECK("bytes", call(bare, AGENTMEM_INFO, &info) == -EINVAL);
	info = (struct agentmem_info)START(info);
	info.head.abi = 9;
	CHECK("abi", call(bare, AGENTMEM_INFO, &info) == AM_EPROTOCOL);
	CHECK("no_call", call(bare, _IOWR(AGENTMEM_MAGIC, 77, struct agentmem_info), &info) == -ENOTTY);
	strcpy(again.realm, "r");
	CHECK("no_name", call(bare, AGENTMEM_ATTACH, &again) == AM_EINVAL &&
			 again.head.about == offsetof(struct agentmem_attach, agent));
	strcpy(again.agent, "a\nb");
	CHECK("bad_name", call(bare, AGENTMEM_ATTACH, &again) == AM_EINVAL);
	strcpy(again.agent, "other");
	CHECK("attach_twice", call(fd, AGENTMEM_ATTACH, &again) == AM_EBUSY);
	again.flags = AGENTMEM_DURABLE;
	CHECK("durable", call(bare, AGENTMEM_ATTACH, &again) == AM_EINVAL);
	again.flags = 0;
	again.pid = 99999;
	CHECK("no_process", call(bare, AGENTMEM_ATTACH, &again) == AM_EINVAL &&
			    again.head.about == offsetof(struct agentmem_attach, pid));
	CHECK("type", publish(fd, 9, "x", 1, 0, &placed) == AM_ETYPE);
	CHECK("empty", publish(fd, AM_TOOL_DEF, "x", 0, 0, &placed) == AM_ESIZE);
	CHECK("large", publish(fd, AM_TOOL_DEF, "x", AGENTMEM_LARGEST_UNIT + 1, 0, &placed) == AM_ESIZE);
	CHECK("flags", publish(fd, AM_TOOL_DEF, "x", 1, 64, &placed) == AM_EINVAL);
	CHECK("both", publish(fd, AM_TOOL_DEF, "x", 1, 3, &placed) == AM_EINVAL);
	CHECK("address", publish(fd, AM_TOOL_DEF, (void *)64, 4096, 0, &placed) == AM_EINVAL);
	CHECK("kernel_address", publish(fd, AM_TOOL_DEF, (void *)~0xfffffful, 4096, 0, &placed)
				== AM_EINVAL);
	CHECK("unchanged", !placed.reference && !placed.length);
	CHECK("unknown_id", acquire(fd, id, &placed) == AM_ENOTFOUND);
	release.reference = 5;
	CHECK("not_held", call(fd, AGENTMEM_RELEASE, &release) == AM_ENOTFOUND);
	CHECK("fault", ioctl(fd, AGENTMEM_RELEASE, (void *)8) == -1 && errno == EFAULT);
	close(bare);
	close(fd);
}

static void test_sharing(void)
{
	int a = client("r", "a"), b = client("r", "b"), c = client("other", "c");
	size_t bytes = 200000;
	char *prompt = text(bytes, 1);
	struct agentmem_placed first, second, none;
	struct agentmem_identify name = START(name);
	struct agentmem_owned page;
	char *map, *part;
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	CHECK("publish", publish(a, AM_SYSTEM_PROMPT, prompt, bytes, 0, &first) == 0);
	CHECK("placed", first.reference && first.number == 1 && !first.existed && first.length == bytes
			&& first.tier == AM_HOT && first.form == AM_RAW);
	CHECK("dedup", publish(b, AM_SYSTEM_PROMPT, prompt, bytes, 0, &second) == 0 && second.existed
		       && second.number == first.number && !memcmp(first.id, second.id, 32));
	name.data = (unsigned long)prompt;
	name.length = bytes;
	name.type = AM_SYSTEM_PROMPT;
	CHECK("identify", call(b, AGENTMEM_IDENTIFY, &name) == 0 && !memcmp(name.id, first.id, 32));
	CHECK("other_realm", acquire(c, first.id, &none) == AM_ENOTFOUND);
	CHECK("other_key", call(c, AGENTMEM_IDENTIFY, &name) == 0 && memcmp(name.id, first.id, 32));
	CHECK("owned", owned(b, 0, &page) == 0 && page.count == 1 && page.last == first.number &&
		       !memcmp(page.id[0], first.id, 32));
	CHECK("owned_end", owned(b, page.last, &page) == 0 && page.count == 0);
	CHECK("owned_none", owned(c, 0, &page) == 0 && page.count == 0);
	CHECK("figures", stats(a).units == 1 && stats(a).found == 1 && stats(a).references == 2);
	CHECK("proc", proc_value("Units") == 1 && proc_value("LogicalBytes") == 2 * bytes &&
		      proc_value("UniqueBytes") == bytes && proc_value("Agents") == 3);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, a, (off_t)first.offset);
	CHECK("map", map != MAP_FAILED && !memcmp(map, prompt, bytes));
	CHECK("tail", map[bytes] == 0 && map[(bytes | 4095)] == 0);
	CHECK("no_write", mprotect(map, 4096, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	CHECK("no_exec", mprotect(map, 4096, PROT_READ | PROT_EXEC) == -1 && errno == EACCES);
	CHECK("no_write_map", mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, a,
				   (off_t)first.offset) == MAP_FAILED && errno == EACCES);
	CHECK("no_debugger", pwrite(memory, "x", 1, (off_t)(unsigned long)map) == -1 &&
			     map[0] == prompt[0]);
	CHECK("no_more", mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, a, (off_t)first.offset)
			 == MAP_FAILED && errno == EINVAL);
	part = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, b, (off_t)second.offset + 8192);
	CHECK("part", part != MAP_FAILED && !memcmp(part, prompt + 8192, 4096));
	CHECK("no_reference", mmap(NULL, 4096, PROT_READ, MAP_SHARED, a, 77l << 32) == MAP_FAILED);
	CHECK("split", munmap(map + 8192, 4096) == 0 && !memcmp(map, prompt, 8192) &&
		       !memcmp(map + 16384, prompt + 16384, 4096));
	CHECK("release", give_back(a, first.reference) == 0);
	CHECK("release_twice", give_back(a, first.reference) == AM_ENOTFOUND);
	CHECK("disown", on_unit(a, AGENTMEM_DISOWN, first.id, 0) == 0 &&
			on_unit(a, AGENTMEM_DISOWN, first.id, 0) == AM_ENOTFOUND);
	close(b);
	munmap(part, 4096);
	CHECK("map_holds", !memcmp(map, prompt, 8192) && stats(a).units == 1);
	munmap(map, (bytes + 4095) & ~4095ul);
	CHECK("freed", stats(a).units == 0 && stats(a).freed == 1 && proc_value("StoredBytes") == 0);
	close(a);
	close(c);
	close(memory);
	free(prompt);
}

static void test_tiers(void)
{
	int fd = client("r", "tiers"), other = client("r", "peer"), i;
	size_t bytes = 1 << 20;
	char *talk = text(bytes, 7), *map;
	struct agentmem_placed placed, again;
	struct agentmem_stats is;

	CHECK("private", publish(fd, AM_CONVERSATION, talk, bytes, AGENTMEM_NO_REFERENCE, &placed) == 0
			 && !placed.reference);
	CHECK("is_private", acquire(other, placed.id, &again) == AM_ENOTFOUND);
	CHECK("pause", state(fd, AM_PAUSED) == 0);
	is = stats(fd);
	CHECK("warm", is.tier[AM_WARM].units == 1 && is.tier[AM_HOT].units == 0 &&
		      is.tier[AM_WARM].stored_bytes < bytes / 3 && is.evictions_warm == 1);
	printf("figure kmod_compression %.2f ratio\n", (double)bytes / is.tier[AM_WARM].stored_bytes);
	CHECK("proc_warm", proc_value("WarmBytes") == is.tier[AM_WARM].stored_bytes &&
			   proc_value("HotBytes") == 0);
	CHECK("restore", acquire(fd, placed.id, &again) == 0 && again.tier == AM_HOT &&
			 stats(fd).restores_warm == 1);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)again.offset);
	CHECK("same_bytes", map != MAP_FAILED && !memcmp(map, talk, bytes));
	CHECK("mapped_stays", state(fd, AM_PAUSED) == 0 && stats(fd).tier[AM_HOT].units == 1);
	munmap(map, bytes);
	give_back(fd, again.reference);
	for (i = 0; i < 3; i++) {
		state(fd, AM_PAUSED);
		acquire(fd, placed.id, &again);
		give_back(fd, again.reference);
	}
	CHECK("to_and_fro", stats(fd).restores_warm == 4);
	CHECK("mark", on_unit(fd, AGENTMEM_MARK, placed.id, 90) == 0 &&
		      on_unit(fd, AGENTMEM_MARK, placed.id, 101) == AM_EINVAL);
	CHECK("kill", state(fd, AM_KILLED) == 0 && stats(fd).units == 0);
	CHECK("killed", publish(fd, AM_CONVERSATION, talk, 10, 0, &again) == AM_EACCESS &&
			state(fd, AM_ACTIVE) == AM_EACCESS);
	close(fd);
	close(other);
	free(talk);
}

static void test_death(void)
{
	int watcher = client("r", "watcher"), ready[2], i;
	struct agentmem_placed placed;
	char byte;
	pid_t child;

	if (pipe(ready))
		exit(1);
	child = fork();
	if (!child) {
		int fd = client("r", "victim");

		for (i = 0; i < 100; i++)
			publish(fd, AM_TOOL_RESULT, &i, sizeof(i), 0, &placed);
		mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)placed.offset);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	CHECK("alive", stats(watcher).units == 100 && stats(watcher).references == 100);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK("dead", stats(watcher).units == 0 && stats(watcher).references == 0 &&
		      stats(watcher).agents == 1);
	close(watcher);
}

/* Memory runs short in the guest: conversations are compressed, then what may go is dropped. */
static void test_pressure(void)
{
	int fd = client("r", "pressure"), i, kept = 0, gone = 0;
	enum { UNITS = 40 };
	size_t bytes = 1 << 20;
	struct agentmem_placed placed[UNITS], again;
	struct agentmem_stats is;
	FILE *knob;

	for (i = 0; i < UNITS; i++) {
		char *talk = text(bytes, 100 + i);
		const int keep = i % 2;

		if (!keep)
			memset(talk, i, 1); /* KV pages are not compressed: they can only be dropped */
		if (publish(fd, keep ? AM_CONVERSATION : AM_KV_PAGE, talk, bytes,
			    AGENTMEM_NO_REFERENCE | (keep ? 0 : AGENTMEM_DROPPABLE), placed + i))
			line("fill", 0, "publish");
		free(talk);
	}
	for (i = 0, is = stats(fd); i < 200 && !is.dropped; i++) {
		knob = fopen("/proc/sys/vm/drop_caches", "w");
		fputs("2\n", knob);
		fclose(knob);
		is = stats(fd);
		usleep(50000); /* one that compresses already turns the next one away */
	}
	CHECK("shrinker", is.shrinker_runs > 0 && is.evictions_warm > 0);
	for (i = 0; i < UNITS; i++) {
		int status = acquire(fd, placed[i].id, &again);

		kept += i % 2 && !status && again.length == bytes;
		gone += !(i % 2) && status == AM_ENOTFOUND;
		if (!status)
			give_back(fd, again.reference);
	}
	printf("figure kmod_shrinker_compressed %llu units\n", is.evictions_warm);
	printf("figure kmod_shrinker_dropped %llu units\n", is.dropped);
	CHECK("kept", kept == UNITS / 2);
	CHECK("dropped", gone == (int)is.dropped && gone > 0);
	close(fd);
}

static void cost(void)
{
	int fd = client("r", "cost"), i;
	enum { TURNS = 2000 };
	char page[4096] = "unit";
	struct agentmem_placed placed;
	struct agentmem_info info = START(info);
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < TURNS; i++)
		call(fd, AGENTMEM_INFO, &info);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("figure kmod_info %.0f ns\n",
	       ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / TURNS);

	publish(fd, AM_TOOL_DEF, page, sizeof(page), AGENTMEM_NO_REFERENCE, &placed);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < TURNS; i++) {
		acquire(fd, placed.id, &placed);
		give_back(fd, placed.reference);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("figure kmod_acquire_release %.0f ns\n",
	       ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / TURNS);
	close(fd);
}

int main(void)
{
	test_errors();
	test_sharing();
	test_tiers();
	test_death();
	test_pressure();
	cost();
	printf("NEXUS-KERNEL kmod_smoke: %s all calls\n", failed ? "FAIL" : "ok");
	return failed;
}
