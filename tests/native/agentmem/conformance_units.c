/* Conformance: content comes back as it went in, is held once, and belongs to whom it should. See
 * conformance.h. */
#include "conformance.h"

#define LARGE (3u << 20)

static bool same(const am_id *a, const am_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* A broker frees soon after the last has let go, and before it counts; the module at once. */
static void freed(am_client *client, const am_id *id, const char *name)
{
    am_unit unit;
    int status = 0;
    for (int tries = 0; tries < 200 && status == 0; tries++) {
        stat_of(client, "store.units");
        if ((status = am_acquire(client, id, &unit)) != 0)
            break;
        am_release(client, &unit);
        usleep(5000);
    }
    refuses(status, AM_ENOTFOUND, "publish it", name);
}

static void round_trip(am_client *one, am_client *two, uint64_t length)
{
    static const char unset[] = "left as it was";
    uint8_t *bytes = malloc(length);
    am_unit unit = {0}, again = {0}, acquired = {0};
    am_id id;
    char name[40];
    fill(bytes, length, (unsigned)length);
    snprintf(name, sizeof name, "publish-%llu", (unsigned long long)length);
    if (works(am_publish(one, AM_TOOL_RESULT, bytes, length, 0, &unit), name))
        say(holds(&unit, bytes, length) && !unit.existed && unit.reference != 0 && unit.type == AM_TOOL_RESULT
                && unit.form == AM_RAW && unit.number != 0,
            "published", "%llu bytes, number %u", (unsigned long long)unit.length, unit.number);
    say(am_identify(two, AM_TOOL_RESULT, bytes, length, false, &id) == 0 && same(&id, &unit.id), "identify",
        "the same id for another agent of the realm");
    say(am_publish(two, AM_TOOL_RESULT, bytes, length, 0, &again) == 0 && again.existed
            && same(&again.id, &unit.id) && again.number == unit.number && holds(&again, bytes, length),
        "found", "one unit for two clients");
    memset(bytes, 0, length < sizeof unset ? length : sizeof unset);
    say(am_acquire(two, &unit.id, &acquired) == 0 && acquired.reference != again.reference
            && memcmp(acquired.data, unit.data, length) == 0,
        "acquire", "the caller's buffer is its own again");
    am_release(two, &again);
    am_release(two, &again); /* does nothing */
    say(again.reference == 0 && memcmp(acquired.data, unit.data, length) == 0, "release", "one of two");
    am_release(two, &acquired);

    const am_id of = unit.id;
    works(am_disown(two, &of), "disown");
    works(am_disown(one, &of), "disown-last");
    fill(bytes, length, (unsigned)length);
    say(holds(&unit, bytes, length), "held-disowned", "a reference keeps the bytes");
    am_release(one, &unit);
    freed(one, &of, "freed");
    free(bytes);
}

static void by_buffer(am_client *one)
{
    am_buffer buffer = {0};
    am_unit unit = {0}, found = {0};
    uint8_t *bytes = malloc(LARGE);
    fill(bytes, LARGE, 3);
    if (!works(am_buffer_create(one, LARGE, &buffer), "buffer"))
        return;
    memcpy(buffer.data, bytes, LARGE);
    say(am_buffer_publish(one, AM_KV_PAGE, &buffer, 0, &unit) == 0 && holds(&unit, bytes, LARGE)
            && buffer.data == NULL,
        "buffer-publish", "%s", am_error());
    say(am_publish(one, AM_KV_PAGE, bytes, LARGE, AM_NO_REFERENCE, &found) == 0 && found.existed
            && found.reference == 0 && found.data == NULL && same(&found.id, &unit.id),
        "buffer-found", "by its content");
    am_release(one, &unit);
    works(am_disown(one, &found.id), "buffer-disown");
    works(am_buffer_create(one, 4096, &buffer), "buffer-again");
    am_buffer_discard(&buffer);
    am_buffer_discard(&buffer);
    say(buffer.data == NULL, "buffer-discard", "twice");
    refuses(am_buffer_create(one, 0, &buffer), AM_EINVAL, "above 0", "buffer-empty");
    free(bytes);
}

void conform_content(void)
{
    static const uint64_t lengths[] = {1, 100, 4095, 4096, 4097, 65536, 70001, LARGE};
    am_client *one = client_of("conform", "one"), *two = client_of("conform", "two");
    if (one == NULL || two == NULL)
        return;
    for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++)
        round_trip(one, two, lengths[n]);
    by_buffer(one);
    am_id tool, result, own;
    am_identify(one, AM_TOOL_DEF, "text", 4, false, &tool);
    am_identify(one, AM_TOOL_RESULT, "text", 4, false, &result);
    am_identify(one, AM_TOOL_DEF, "text", 4, true, &own);
    say(!same(&tool, &result) && !same(&tool, &own), "ids-differ", "by type and by space");
    am_unit unit;
    works(am_publish(one, AM_TOOL_DEF, "text", 4, AM_NO_REFERENCE, &unit), "no-reference");
    say(same(&unit.id, &tool) && unit.reference == 0 && unit.data == NULL, "no-reference-unit",
        "owned, not held");
    works(am_own(two, &tool), "own");
    works(am_own(two, &tool), "own-twice");
    works(am_disown(one, &tool), "disown-one");
    say(am_acquire(one, &tool, &unit) == 0 && holds(&unit, "text", 4), "owned-by-another", "%s", am_error());
    am_release(one, &unit);
    const am_id *both[] = {&tool, &result};
    works(am_mark(one, &tool, 100), "mark");
    works(am_mark_hot(one, both, 2), "mark-hot-passes-over");
    am_close(two); /* the last of its agent: what it owned is disowned */
    freed(one, &tool, "owner-closed");
    am_close(one);
}

void conform_spaces(void)
{
    const int hidden = offers.tells_apart ? AM_EACCESS : AM_ENOTFOUND;
    const char *said_so = offers.tells_apart ? "private" : "publish it";
    am_client *one = client_of("conform", "one"), *two = client_of("conform", "two");
    am_client *elsewhere = client_of("conform-2", "one");
    am_unit talk, mine, other, unit = {.number = 77};
    am_id id;
    works(am_publish(one, AM_CONVERSATION, "my own words", 12, 0, &talk), "conversation");
    refuses(am_acquire(two, &talk.id, &unit), hidden, said_so, "conversation-hidden");
    refuses(am_own(two, &talk.id), hidden, said_so, "conversation-not-owned");
    say(unit.number == 77, "out-unchanged", "after a failure");
    say(am_publish(two, AM_CONVERSATION, "my own words", 12, 0, &other) == 0 && !other.existed
            && !same(&other.id, &talk.id),
        "conversation-apart", "another agent's same words are another unit");
    works(am_publish(one, AM_TOOL_DEF, "a private tool", 14, AM_PRIVATE, &mine), "private");
    refuses(am_acquire(two, &mine.id, &unit), hidden, said_so, "private-hidden");
    say(am_identify(one, AM_TOOL_DEF, "a private tool", 14, true, &id) == 0 && same(&id, &mine.id),
        "private-id", " ");
    am_release(one, &mine);
    works(am_disown(one, &id), "private-disown");
    am_release(two, &other);
    works(am_publish(one, AM_CONVERSATION, "for all", 7, AM_SHARED | AM_NO_REFERENCE, &mine), "shared");
    say(am_acquire(two, &mine.id, &unit) == 0 && holds(&unit, "for all", 7), "shared-found", "%s",
        am_error());
    am_release(two, &unit);
    refuses(am_acquire(elsewhere, &mine.id, &unit), AM_ENOTFOUND, "publish it", "realm-apart");
    say(am_identify(elsewhere, AM_CONVERSATION, "for all", 7, false, &id) == 0 && !same(&id, &mine.id),
        "realm-id", "the same bytes have another id there");
    say(am_publish(elsewhere, AM_CONVERSATION, "for all", 7, AM_SHARED, &unit) == 0 && !unit.existed,
        "realm-blind", "nor is it told that they are known here");
    am_release(elsewhere, &unit);
    am_release(one, &talk);
    am_close(elsewhere);
    am_close(two);
    am_close(one);
}
