/* What calls cost, in microseconds: the mean of a turn. Reading is one byte of each page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "say.h"

enum { SMALL = 4096, LARGE = 65536, MANY = 200, FEW = 40, OFTEN = 2000 };

static char bytes[LARGE];
static volatile unsigned seen;

/* Content that no other turn and no other unit has. */
static void write_text(struct text text, size_t length, unsigned unit)
{
    memcpy(bytes, text.bytes + (size_t)unit * 4099 % (text.length - LARGE), length);
    snprintf(bytes, length, "%s turn %u, unit %u\n", backend, turn, unit);
}

static void read_pages(const am_unit *unit)
{
    for (uint64_t at = 0; at < unit->length; at += 4096)
        seen += unit->data[at];
}

static void end(const char *name, double started, double rounds)
{
    figure(name, (seconds() - started) / rounds * 1e6, "us");
}

static void publish(am_client *client, struct text text, size_t length, unsigned first, int count, bool known,
                    am_id *ids)
{
    am_unit unit;
    for (int i = 0; i < count; i++) {
        write_text(text, length, first + (unsigned)i);
        check(am_publish(client, AM_TOOL_RESULT, bytes, length, AM_NO_REFERENCE, &unit), "publish");
        check(unit.existed == known ? 0 : AM_EPROTOCOL, "publish-known");
        ids[i] = unit.id;
    }
}

static void acquire(am_client *client, const am_id *ids, int units, int rounds)
{
    am_unit unit;
    for (int i = 0; i < rounds; i++) {
        check(am_acquire(client, &ids[i % units], &unit), "acquire");
        read_pages(&unit);
        am_release(client, &unit);
    }
}

int calls(struct text text)
{
    static am_id small[MANY], large[FEW];
    am_client *watch = client_of("watch"), *client = client_of("calls");
    double started = seconds();
    publish(client, text, SMALL, 0, MANY, false, small);
    end("publish-new-4k", started, MANY);
    started = seconds();
    publish(client, text, SMALL, 0, MANY, true, small);
    end("publish-known-4k", started, MANY);
    started = seconds();
    publish(client, text, LARGE, 1000, FEW, false, large);
    end("publish-new-64k", started, FEW);
    started = seconds();
    publish(client, text, LARGE, 1000, FEW, true, large);
    end("publish-known-64k", started, FEW);
    acquire(client, small, MANY, MANY); /* the first time maps */
    started = seconds();
    acquire(client, small, MANY, OFTEN);
    end("acquire-release-4k", started, OFTEN);
    acquire(client, large, FEW, FEW);
    started = seconds();
    acquire(client, large, FEW, OFTEN / 4);
    end("acquire-release-64k", started, OFTEN / 4);
    started = seconds();
    for (int i = 0; i < FEW; i++) {
        am_client *fresh = client_of("fresh");
        acquire(fresh, &large[i], 1, 1);
        am_close(fresh);
    }
    end("connect-read-64k-close", started, FEW);
    am_close(client);
    empties(watch, 60);
    am_close(watch);
    return said();
}
