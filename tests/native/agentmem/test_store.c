/* The store against a simple model: random operations, with small limits so that units go down and come up
 * all the time, with restarts from kept memory and from the disk alone; every byte is compared and every
 * invariant checked. */
#include "kept_store.h"

enum { CONTENTS = 300, AGENTS = 6 };

struct content {
    size_t length;
    uint8_t *bytes;
    uint8_t type;
};
static struct content contents[CONTENTS];
struct member {
    struct am_realm *realm;
    struct am_agent *agent;
    struct am_reader *reader;
    struct am_page *page;
    bool owns[CONTENTS];
    bool durable;
};
static struct member members[AGENTS];

static void make_contents(void) {
    static const char *words[] = {
        "the ", "agent ", "reads ", "a file ", "of its tool ", "{\"role\": \"user\"}, ", "then ", "\n"};
    for (int i = 0; i < CONTENTS; i++) {
        size_t length = i % 17 == 0 ? 70000 + draw(200000) : i % 5 == 0 ? 4000 + draw(20000) : draw(1500);
        uint8_t *bytes = malloc(length ? length : 1);
        size_t at = 0;
        if (i % 4 == 3 && contents[i - 1].length > 2000) { /* nearly the one before */
            length = contents[i - 1].length;
            bytes = realloc(bytes, length);
            memcpy(bytes, contents[i - 1].bytes, length);
            memcpy(bytes + draw((uint32_t)length - 16), "2026-11-20 12:00", 16);
            at = length;
        }
        while (at < length) {
            const char *word = words[draw(8)];
            size_t take = strlen(word) < length - at ? strlen(word) : length - at;
            memcpy(bytes + at, word, take);
            at += take;
        }
        if (length >= 4)
            memcpy(bytes, &i, 4); /* all differ */
        contents[i] = (struct content){length, bytes, (uint8_t)(AM_SYSTEM_PROMPT + i % 3)};
    }
}

static bool is_private(const struct member *member, int i) { return i % 2 == 1 && !(member == NULL); }

static am_id id_of(const struct member *member, int i) {
    struct am_welcome keys;
    am_id id;
    am_agent_keys(member->realm, member->agent, &keys);
    am_unit_id(is_private(member, i) ? keys.space_key : keys.realm_key, contents[i].type, AM_RAW,
               contents[i].bytes, contents[i].length, id.bytes);
    return id;
}

static int sealed(const struct content *content) {
    int fd = memfd_create("content", MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && write(fd, content->bytes, content->length) == (ssize_t)content->length);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return fd;
}

static int put(struct member *member, int i, struct am_placed *placed) {
    struct am_content content = {.id = id_of(member, i),
                                 .length = contents[i].length,
                                 .bytes = contents[i].bytes,
                                 .fd = -1,
                                 .type = contents[i].type,
                                 .form = AM_RAW,
                                 .private_space = is_private(member, i)};
    if (content.length > AM_INLINE) {
        content.fd = sealed(&contents[i]);
        content.bytes = mmap(NULL, content.length, PROT_READ, MAP_SHARED, content.fd, 0);
        CHECK(content.bytes != MAP_FAILED);
    }
    int status = am_put(store, member->agent, &content, placed);
    if (content.fd >= 0) {
        munmap((void *)content.bytes, content.length);
        if (status || placed->existed)
            close(content.fd);
    }
    return status;
}

static const uint8_t *mapped(struct member *member, const struct am_placed *placed, size_t *length) {
    int fd;
    CHECK(am_segment_fd(store, member->agent, placed->segment, placed->generation, &fd) == 0);
    struct stat file;
    CHECK(fstat(fd, &file) == 0);
    *length = (size_t)file.st_size;
    const uint8_t *map = mmap(NULL, *length, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    return map;
}

static void expect(struct member *member, int i, const struct am_placed *placed) {
    size_t length;
    const uint8_t *map = mapped(member, placed, &length);
    CHECK(placed->length == contents[i].length && placed->offset + placed->length <= length);
    CHECK(memcmp(map + placed->offset, contents[i].bytes, contents[i].length) == 0);
    munmap((void *)map, length);
}

static void join(struct member *member, uint32_t n) {
    char name[32];
    snprintf(name, sizeof name, "agent-%u", n);
    CHECK(am_realm_open(store, n % 2 ? "odd" : "even", n % 2 ? 3 : 4, &member->realm) == 0);
    member->durable = n < 2;
    CHECK(am_agent_open(store, member->realm, name, strlen(name), member->durable, 50, (int32_t)getpid(), 0,
                        &member->agent) == 0);
    CHECK(am_reader_open(store, member->realm, member->agent, &member->reader) == 0);
    member->page = mmap(NULL, sizeof(struct am_page), PROT_READ | PROT_WRITE, MAP_SHARED,
                        am_reader_fd(member->reader), 0);
    CHECK(member->page != MAP_FAILED);
    atomic_store(&member->page->high, 2);
}

static void leave(struct member *member) {
    munmap(member->page, sizeof(struct am_page));
    am_reader_close(store, member->reader);
    am_agent_close(store, member->agent);
    if (!member->durable)
        memset(member->owns, 0, sizeof member->owns);
}

static void everything_is_there(bool durable_only) {
    for (int n = 0; n < AGENTS; n++)
        for (int i = 0; i < CONTENTS; i++)
            if (members[n].owns[i] && (members[n].durable || !durable_only)) {
                struct heard answer = {0};
                am_id id = id_of(&members[n], i);
                am_heat(store, members[n].agent, &id, heard, &answer);
                wait_for(&answer);
                CHECK(answer.calls == 1 && answer.status == 0);
                expect(&members[n], i, &answer.placed);
                am_store_tick(store, 2);
            }
}

static void steps(int count, bool disk) {
    for (int step = 0; step < count; step++) {
        struct member *member = &members[draw(AGENTS)];
        int i = (int)draw(CONTENTS);
        am_id id = id_of(member, i);
        struct am_placed placed;
        struct heard answer = {0};
        switch (draw(10)) {
        case 0:
        case 1:
        case 2:
        case 3: {
            int status = put(member, i, &placed);
            CHECK(status == 0 || status == AM_ENOMEM || status == AM_EBUSY);
            if (status == 0) {
                member->owns[i] = true;
                expect(member, i, &placed);
            }
            break;
        }
        case 4:
        case 5:
            am_heat(store, member->agent, &id, heard, &answer);
            wait_for(&answer);
            CHECK(answer.calls == 1);
            CHECK(answer.status == 0 || (answer.status == AM_ENOTFOUND && !member->owns[i]));
            if (answer.status == 0) {
                expect(member, i, &answer.placed);
                if (draw(3) == 0) /* refer to it: it must stay where it is */
                    atomic_store(&member->page->slot[1], answer.placed.number);
            }
            break;
        case 6:
            CHECK(am_store_disown(store, member->agent, &id) == (member->owns[i] ? 0 : AM_ENOTFOUND));
            member->owns[i] = false;
            break;
        case 7:
            if (member->owns[i])
                CHECK(am_head_write(store, member->agent, "newest", 6, &id) == 0);
            else
                CHECK(am_head_write(store, member->agent, "nothing", 7, NULL) == AM_ENOTFOUND);
            break;
        case 8:
            CHECK(am_agent_set(store, member->agent, AM_ACTIVE + (int)draw(3), draw(101)) == 0);
            break;
        case 9:
            if (draw(8) == 0) {
                uint32_t n = (uint32_t)(member - members);
                leave(member);
                join(member, n);
            }
            break;
        }
        clock_ms += draw(3000);
        am_pool_finish(pool);
        if (draw(4) == 0)
            am_store_tick(store, (int)draw(3));
        if (step % 97 == 0)
            CHECK(am_store_check(store, stderr) == 0);
    }
    (void)disk;
}

static void run(bool disk) {
    kept_count = 0;
    open_store(disk);
    for (uint32_t n = 0; n < AGENTS; n++) {
        memset(members[n].owns, 0, sizeof members[n].owns);
        join(&members[n], n);
    }
    steps(1500, disk);
    everything_is_there(false);
    CHECK(am_store_check(store, stderr) == 0);
    struct am_store_figures figures; /* all of it has happened */
    am_store_figures(store, &figures);
    CHECK(figures.evictions_warm && figures.restores_warm && figures.found && figures.freed &&
          figures.broken == 0);
    CHECK(!disk || (figures.evictions_cold && figures.restores_cold));
    if (getenv("SHOW"))
        fprintf(stderr, "warm %llu/%llu cold %llu/%llu freed %llu hot %llu of %llu\n",
                (unsigned long long)figures.evictions_warm, (unsigned long long)figures.restores_warm,
                (unsigned long long)figures.evictions_cold, (unsigned long long)figures.restores_cold,
                (unsigned long long)figures.freed, (unsigned long long)figures.tier[1].raw_bytes,
                (unsigned long long)figures.segment_bytes);

    /* The broker dies; another takes over its memory. Clients come back and find what they own. */
    for (int n = 0; n < AGENTS; n++)
        munmap(members[n].page, sizeof(struct am_page));
    dies(disk);
    for (uint32_t n = 0; n < AGENTS; n++)
        join(&members[n], n);
    everything_is_there(false);
    steps(500, disk);
    everything_is_there(false);
    clock_ms += 60000; /* pages of the broker before are closed */
    am_store_tick(store, 0);
    CHECK(am_store_check(store, stderr) == 0);

    /* The machine is switched off: what durable agents own is on the disk, the rest is over. */
    for (int n = 0; n < AGENTS; n++)
        leave(&members[n]);
    off();
    if (disk) {
        open_store(true);
        CHECK(am_store_check(store, stderr) == 0);
        for (uint32_t n = 0; n < AGENTS; n++)
            join(&members[n], n);
        everything_is_there(true);
        am_store_tick(store, 0);
        am_store_figures(store, &figures);
        CHECK(figures.broken == 0);
        for (int n = 0; n < AGENTS; n++) {
            members[n].durable = false;
            CHECK(am_agent_disown_all(store, members[n].agent) == 0);
            munmap(members[n].page, sizeof(struct am_page));
            am_reader_close(store, members[n].reader);
        }
        am_store_tick(store, 0);
        am_store_figures(store, &figures);
        CHECK(figures.units == 0);
        off();
    }
}

/* Realms that came and went leave room for others; those in use are refused one too many. */
static void many_realms(void) {
    static const am_id any = {{1}};
    struct am_realm *realm;
    struct am_agent *agents[400];
    kept_count = 0;
    open_store(false);
    for (int i = 0; i < 700; i++) {
        char name[24];
        struct am_placed placed;
        struct am_content content = {
            .id = any, .length = 5, .bytes = "bytes", .fd = -1, .type = AM_TOOL_DEF, .form = AM_RAW};
        int length = snprintf(name, sizeof name, "realm-%d", i);
        CHECK(am_realm_open(store, name, (size_t)length, &realm) == 0);
        CHECK(am_agent_open(store, realm, "a", 1, false, 50, (int32_t)getpid(), 0, &agents[0]) == 0);
        CHECK(am_put(store, agents[0], &content, &placed) == 0);
        am_agent_close(store, agents[0]);
        am_store_tick(store, 0);
    }
    int used = 0;
    for (; used < 400; used++) {
        char name[24];
        int length = snprintf(name, sizeof name, "lasting-%d", used);
        int status = am_realm_open(store, name, (size_t)length, &realm);
        CHECK(status == 0 || (status == AM_EBUSY && used == 256));
        if (status)
            break;
        CHECK(am_agent_open(store, realm, "a", 1, false, 50, (int32_t)getpid(), 0, &agents[used]) == 0);
    }
    CHECK(used == 256);
    off();
}

/* Short of memory, units go down long before the limit is reached; otherwise they stay. */
static void under_pressure(void) {
    enum { UNITS = 200 };
    for (int pressure = 0; pressure <= 2; pressure++) {
        struct am_realm *realm;
        struct am_agent *agent;
        struct am_store_figures figures;
        kept_count = 0;
        open_store(false);
        CHECK(am_realm_open(store, "realm", 5, &realm) == 0);
        CHECK(am_agent_open(store, realm, "a", 1, false, 50, (int32_t)getpid(), 0, &agent) == 0);
        struct am_welcome keys;
        am_agent_keys(realm, agent, &keys);
        for (int i = 0; i < UNITS; i++) {
            char bytes[2000];
            memset(bytes, 'a' + i % 26, sizeof bytes);
            memcpy(bytes, &i, sizeof i);
            struct am_placed placed;
            struct am_content content = {
                .length = sizeof bytes, .bytes = bytes, .fd = -1, .type = AM_TOOL_DEF, .form = AM_RAW};
            am_unit_id(keys.realm_key, AM_TOOL_DEF, AM_RAW, bytes, sizeof bytes, content.id.bytes);
            CHECK(am_put(store, agent, &content, &placed) == 0);
        }
        for (int i = 0; i < 3; i++) {
            am_store_tick(store, pressure);
            while (am_pool_pending(pool))
                am_pool_finish(pool);
        }
        am_store_figures(store, &figures);
        CHECK(figures.units == UNITS);
        CHECK((figures.tier[AM_HOT].units < UNITS) == (pressure > 0));
        CHECK(am_store_check(store, stderr) == 0);
        off();
    }
}

int main(int argc, char **argv) {
    seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    CHECK(mkdtemp(folder));
    for (int round = 0; round < (argc > 2 ? atoi(argv[2]) : 1); round++, seed++) {
        random_state = seed * 0x9e3779b97f4a7c15ull + 1;
        for (unsigned threads = 0; threads < 3; threads += 2) {
            CHECK(am_pool_create(threads, 1024, &pool) == 0);
            make_contents();
            run(false);
            char command[64];
            snprintf(command, sizeof command, "rm -rf %s/*", folder);
            run(true);
            many_realms();
            under_pressure();
            CHECK(system(command) == 0);
            am_pool_free(pool);
            for (int i = 0; i < CONTENTS; i++)
                free(contents[i].bytes);
        }
    }
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
}
