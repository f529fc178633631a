/* Conformance: agents, their states and their ends, and the figures. See conformance.h. */
#include "conformance.h"

#include <signal.h>
#include <sys/wait.h>

#include "device.h"
#include "say.h"

#define TALK 200000ull

void conform_agents(void)
{
    uint8_t *bytes = malloc(TALK);
    struct agentmem_stats before, after;
    struct agentmem_placed placed, again;
    const int fd = device_client("agents", "talker");
    made_text(bytes, TALK, 9);
    say(device_publish(fd, AM_CONVERSATION, bytes, TALK, AGENTMEM_NO_REFERENCE, &placed) == AM_OK, "talk", " ");
    device_stats(fd, &before);
    say(before.tier[AM_HOT].units == 1 && before.tier[AM_HOT].raw_bytes == TALK, "talk-hot", "%llu bytes",
        (unsigned long long)before.tier[AM_HOT].raw_bytes);
    int status = device_state(fd, "", AM_PAUSED, AGENTMEM_LEAVE);
    device_stats(fd, &after);
    say(status == AM_OK && after.tier[AM_WARM].units == 1 && after.tier[AM_HOT].units == 0, "pause",
        "compressed when the call returns");
    say(after.tier[AM_WARM].stored_bytes > 0 && after.tier[AM_WARM].stored_bytes < TALK / 2, "pause-smaller",
        "%llu of %llu bytes", (unsigned long long)after.tier[AM_WARM].stored_bytes, TALK);
    say(device_state(fd, "", AM_ACTIVE, 70) == AM_OK, "resume", " ");
    say(device_acquire(fd, placed.id, &again) == AM_OK && again.tier == AM_HOT, "restore", " ");
    const uint8_t *data = device_map(fd, &again, MAP_SHARED);
    say(data != MAP_FAILED && memcmp(data, bytes, TALK) == 0, "restore-bytes", "as they were");
    device_stats(fd, &after);
    say(after.restores_warm == before.restores_warm + 1, "restore-counted", " ");
    device_state(fd, "", AM_PAUSED, AGENTMEM_LEAVE);
    device_stats(fd, &after);
    say(after.tier[AM_HOT].units == 1, "pause-held", "what is held stays as it is");
    if (data != MAP_FAILED)
        munmap((void *)data, TALK);
    device_release(fd, again.reference);

    say(device_state(fd, "", 0, 50) == AM_EINVAL && device_state(fd, "", 5, 50) == AM_EINVAL, "state-unknown", " ");
    say(device_state(fd, "", AM_IDLE, 101) == AM_EINVAL, "state-importance", "101 is AM_EINVAL");
    say(device_state(fd, "nobody", AM_IDLE, 50) == AM_ENOTFOUND, "state-nobody", "AM_ENOTFOUND");
    say(device_forget(fd, "") == AM_OK && device_acquire(fd, placed.id, NULL) == AM_ENOTFOUND, "forget",
        "what it owned is gone");
    const int other = device_client("agents", "other");
    say(device_state(other, "talker", AM_KILLED, AGENTMEM_LEAVE) == AM_OK, "kill", "by its name");
    say(device_publish(fd, AM_TOOL_DEF, "x", 1, 0, NULL) == AM_EACCESS, "killed-publish", "AM_EACCESS");
    say(device_acquire(fd, placed.id, NULL) == AM_EACCESS, "killed-acquire", "AM_EACCESS");
    close(other);
    close(fd);

    /* A process killed with a reference, a mapping and units of its own. */
    const pid_t child = fork();
    if (child == 0) {
        const int mine = device_client("agents", "victim");
        device_publish(mine, AM_TOOL_RESULT, bytes, TALK, 0, &placed);
        data = device_map(mine, &placed, MAP_SHARED);
        kill(getpid(), data == MAP_FAILED ? SIGTERM : SIGKILL);
    }
    waitpid(child, &status, 0);
    say(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "victim", "signal %d", WTERMSIG(status));
    const int watch = device_open();
    say(device_empties(watch, 3, &after), "victim-gone", "%llu units left", (unsigned long long)after.units);

    /* A client whose agent is another process: the agent ends with that, looked at once a second. */
    const pid_t lived = fork();
    if (lived == 0)
        for (;;)
            pause();
    struct agentmem_attach attach = {.importance = 1, .pid = lived};
    strcpy(attach.realm, "agents");
    strcpy(attach.agent, "of another");
    say(DEVICE_CALL(watch, AGENTMEM_ATTACH, &attach) == AM_OK && attach.number && attach.epoch, "attach-pid", " ");
    device_publish(watch, AM_TOOL_RESULT, bytes, TALK, AGENTMEM_NO_REFERENCE, &placed);
    kill(lived, SIGKILL);
    waitpid(lived, &status, 0);
    const double until = seconds() + 10;
    do
        usleep(100000);
    while (device_stats(watch, &after) == AM_OK && after.units && seconds() < until);
    say(after.units == 0, "pid-ended", "disowned; %llu units left", (unsigned long long)after.units);
    close(watch);
    free(bytes);
}

void conform_figures(void)
{
    static const char same[] = "the same words for both";
    struct agentmem_stats stats;
    struct agentmem_agent agent = {0};
    const int one = device_client("figures", "one"), two = device_client("figures", "two");
    device_publish(one, AM_SYSTEM_PROMPT, same, sizeof same, 0, NULL);
    device_publish(two, AM_SYSTEM_PROMPT, same, sizeof same, 0, NULL);
    device_stats(one, &stats);
    say(stats.agents == 2 && stats.units == 1 && stats.references == 2 && stats.readers == 2, "stats",
        "agents %llu units %llu references %llu readers %llu", (unsigned long long)stats.agents,
        (unsigned long long)stats.units, (unsigned long long)stats.references, (unsigned long long)stats.readers);
    const struct agentmem_type_figures *type = &stats.type[AM_SYSTEM_PROMPT];
    say(type->units == 1 && type->logical_bytes == 2 * sizeof same && type->unique_bytes == sizeof same,
        "stats-type", "logical %llu unique %llu", (unsigned long long)type->logical_bytes,
        (unsigned long long)type->unique_bytes);
    say(proc_figure("Units") == 1 && proc_figure("LogicalBytes") == 2.0 * sizeof same &&
            proc_figure("UniqueBytes") == (double)sizeof same && proc_figure("Publishes") == (double)stats.publishes &&
            proc_figure("Found") == (double)stats.found && proc_figure("Agents") == 2,
        "proc", "/proc/agent_stats says the same");
    int seen = 0;
    bool right = true;
    while (DEVICE_CALL(one, AGENTMEM_AGENT, &agent) == AM_OK && seen < 10) {
        right = right && agent.number > agent.after && strcmp(agent.realm, "figures") == 0 && agent.units == 1 &&
                agent.references == 1 && agent.connections == 1 && agent.logical_bytes == sizeof same &&
                agent.pid == getpid() && agent.importance == 50 && agent.state == AM_ACTIVE;
        const uint32_t after = agent.number;
        memset(&agent, 0, sizeof agent);
        agent.after = after;
        seen++;
    }
    say(seen == 2 && right && agent.head.status == AM_ENOTFOUND, "agents", "%d seen", seen);
    close(one);
    close(two);

    FILE *file = fopen("/proc/agent_stats", "r");
    char line[256];
    bool leaks = false;
    while (file && fgets(line, sizeof line, file))
        leaks = leaks || strstr(line, "ffff8") || strstr(line, "0xffff");
    say(file && !leaks, "proc-pointers", "no address of the kernel");
    if (file)
        fclose(file);
}
