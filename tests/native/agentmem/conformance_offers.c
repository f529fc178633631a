/* Conformance: what only some backends have works there, and is refused in words elsewhere. See
 * conformance.h. */
#include "conformance.h"

#define REMEDY "start nexus-agentmemd"

static void names(am_client *client, am_client *other)
{
    am_unit unit, rope, got;
    am_id id, shared;
    am_conversation *talk = NULL;
    works(am_publish(client, AM_CONVERSATION, "user: which port?", 17, 0, &unit), "offers-unit");
    const am_piece piece = {.id = unit.id,
                            .length = 17,
                            .messages = 1,
                            .pieces = 1,
                            .type = AM_CONVERSATION,
                            .form = AM_RAW,
                            .flags = AM_MESSAGE_START};
    works(am_rope(client, AM_CONVERSATION, &piece, 1, 0, &rope), "rope");
    works(am_head_set(client, "main", &rope.id), "head-set");
    say(am_head_get(client, "main", &id) == 0 && memcmp(&id, &rope.id, sizeof id) == 0, "head-get", " ");
    works(am_share(client, &unit.id, NULL, &shared), "share");
    say(am_acquire(other, &shared, &got) == 0 && holds(&got, "user: which port?", 17), "share-found", " ");
    am_release(other, &got);
    am_release(client, &rope);
    am_release(client, &unit);
    works(am_head_set(client, "main", NULL), "head-remove");
    refuses(am_head_get(client, "main", &id), AM_ENOTFOUND, "no head", "head-none");
    works(am_conversation_open(client, "talk", &talk), "conversation-open");
    works(am_conversation_append(talk, AM_CONVERSATION, "user: and the host?", 19, true),
          "conversation-append");
    say(am_conversation_messages(talk) == 1 && am_conversation_length(talk) == 19, "conversation-length",
        " ");
    am_conversation_close(talk);
    works(am_agent_forget(client, NULL), "offers-forget");
}

static void no_names(am_client *client)
{
    am_unit unit, rope = {.number = 77};
    am_id id = {{7}}, shared = {{9}};
    am_conversation *talk = NULL;
    works(am_publish(client, AM_CONVERSATION, "user: which port?", 17, 0, &unit), "offers-unit");
    const am_piece piece = {
        .id = unit.id, .length = 17, .pieces = 1, .type = AM_CONVERSATION, .form = AM_RAW};
    refuses(am_rope(client, AM_CONVERSATION, &piece, 1, 0, &rope), AM_EUNSUPPORTED, REMEDY, "rope-refused");
    refuses(am_head_set(client, "main", &unit.id), AM_EUNSUPPORTED, REMEDY, "head-set-refused");
    refuses(am_head_get(client, "main", &id), AM_EUNSUPPORTED, REMEDY, "head-get-refused");
    refuses(am_share(client, &unit.id, NULL, &shared), AM_EUNSUPPORTED, REMEDY, "share-refused");
    refuses(am_conversation_open(client, "talk", &talk), AM_EUNSUPPORTED, REMEDY, "conversation-refused");
    say(talk == NULL && rope.number == 77 && id.bytes[0] == 7 && shared.bytes[0] == 9,
        "refused-out-unchanged", " ");
    am_release(client, &unit);
    works(am_agent_forget(client, NULL), "offers-forget");
}

static void durable(void)
{
    am_client *client = NULL;
    am_options options;
    am_unit unit;
    am_options_default(&options);
    options.socket = place;
    options.realm = "conform";
    options.agent = "lasting";
    options.durable = true;
    int status = am_connect(&options, &client);
    if (!offers.names) {
        refuses(status, AM_EUNSUPPORTED, REMEDY, "durable-refused");
        return;
    }
    works(status, "durable");
    works(am_publish(client, AM_TOOL_DEF, "outlives its agent", 18, AM_NO_REFERENCE, &unit),
          "durable-publish");
    am_close(client);
    works(am_connect(&options, &client), "durable-again");
    say(am_acquire(client, &unit.id, &unit) == 0 && holds(&unit, "outlives its agent", 18), "durable-kept",
        " ");
    am_release(client, &unit);
    works(am_agent_forget(client, NULL), "durable-forget");
    am_close(client);
}

void conform_offers(void)
{
    am_client *client = client_of("conform", "names"), *other = client_of("conform", "reader");
    if (offers.names)
        names(client, other);
    else
        no_names(client);
    durable();
    am_close(other);
    am_close(client);
}
