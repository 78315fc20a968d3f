// SPDX-License-Identifier: Apache-2.0
//
// The command line: reads the configuration, runs one broker until a signal ends it. Exit codes: 0 after a clean stop,
// 1 when it did not start, did not close its logs cleanly, or was told twice to stop, 2 for a wrong command line.
// With --health-check no broker is run but one that runs is asked: 0 when it serves, 1 when not.
#include "base/heaps.h"
#include "base/logging.h"
#include "broker/broker.h"
#include "broker/health.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    SAME_SIGNAL_S = 1,
    START_PATIENCE_S = 3, // for the end of a start that is told to stop
};

#define START_OVER_SIGNAL SIGUSR1

struct command_line {
    const char *file; // NULL = laptop defaults
    const char **overrides;
    int n_overrides;
    bool environment;
    bool health_check;
    bool help;
    bool version;
};

static const char help_text[] =
    "Usage: ottla [server.properties] [--environment] [--override key=value]... [--log-level level]\n"
    "             [--health-check] [--version] [--help]\n"
    "\n"
    "Starts a broker that speaks Kafka's protocol. The file is Kafka's server.properties; without one the broker\n"
    "listens on 127.0.0.1:9092 and keeps its data in ./ottla-data.\n"
    "\n"
    "  --environment          the variables KAFKA_* are keys too (KAFKA_LOG_DIRS is log.dirs, __ stands for _, ___ for "
    "-),\n"
    "                         as in the Apache Kafka image; they win over the file\n"
    "  --override key=value   a key of server.properties; wins over both, the last one wins\n"
    "  --log-level level      debug, info (default), warn or error; lines go to stderr\n"
    "  --health-check         ask the broker that has this configuration whether it serves, and exit: 0 = it does\n"
    "                         (on its first listener, in plaintext, which is all that this version speaks)\n"
    "  --version              print the version and exit\n"
    "  --help                 print this and exit\n"
    "\n"
    "SIGTERM or SIGINT stops it cleanly; another one, a second later or more, at once.\n";

// ---- command line ----

// "--name value" or "--name=value": the value, and i behind what was used; NULL when argv[*i] is another option or
// the value is missing.
static const char *option_value(int argc, char **argv, int *i, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0) {
        return NULL;
    }
    if (argv[*i][len] == '=') {
        return argv[*i] + len + 1;
    }
    return argv[*i][len] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static bool log_level_set(const char *name)
{
    static const char *const names[] = {
        [LOG_DEBUG] = "debug",
        [LOG_INFO] = "info",
        [LOG_WARN] = "warn",
        [LOG_ERROR] = "error",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            logging_set_level((enum log_level)i);
            return true;
        }
    }
    return false;
}

// The switch of this name, NULL when there is none.
static bool *switch_find(struct command_line *c, const char *name)
{
    const struct {
        const char *name;
        bool *on;
    } switches[] = {
        {"--environment", &c->environment},
        {"--health-check", &c->health_check},
        {"--help", &c->help},
        {"-h", &c->help},
        {"--version", &c->version},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(switches[i].name, name) == 0) {
            return switches[i].on;
        }
    }
    return NULL;
}

// NULL, and i at the last argument used; or what is wrong.
static const char *argument_parse(int argc, char **argv, int *i, struct command_line *c)
{
    const char *arg = argv[*i], *value;
    bool *on = switch_find(c, arg);
    if (on) {
        *on = true;
        return NULL;
    }
    if ((value = option_value(argc, argv, i, "--override")) != NULL) {
        c->overrides[c->n_overrides++] = value;
        return NULL;
    }
    if ((value = option_value(argc, argv, i, "--log-level")) != NULL) {
        return log_level_set(value) ? NULL : "allowed is debug, info, warn or error";
    }
    if (strcmp(arg, "--override") == 0 || strcmp(arg, "--log-level") == 0) {
        return "a value must follow";
    }
    if (arg[0] == '-') {
        return "there is no such option";
    }
    if (c->file) {
        return "only one configuration file is read";
    }
    c->file = arg;
    return NULL;
}

static bool command_line_parse(int argc, char **argv, struct command_line *c)
{
    for (int i = 1; i < argc; i++) {
        int at = i;
        const char *problem = argument_parse(argc, argv, &i, c);
        if (problem) {
            fprintf(stderr, "ottla: %s%s%s: %s; ottla --help lists the options\n", argv[at], i > at ? " " : "",
                    i > at ? argv[i] : "", problem);
            return false;
        }
    }
    return true;
}

// ---- process ----

// Connections and segments want many descriptors; the soft limit is often 1024.
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            log_warn("main", "cannot raise the number of open files to %llu", (unsigned long long)limit.rlim_max);
        }
    }
}

static void warnings_print(const struct broker_config *config, int32_t from)
{
    for (int32_t i = from; i < config->warnings_count; i++) {
        log_warn("config", "%s", config->warnings[i]);
    }
}

// Blocked from the start, so that every thread inherits the mask and this one fetches them.
static void signals_block(sigset_t *stop)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(stop);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGINT);
    sigaddset(stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, stop, NULL);
}

// Ends the process at once when it is told to stop again. What comes within a second of the first is the same wish:
// make and timeout(1), among others, send their signal to the process and then to its group.
static void *signal_await_again(void *arg)
{
    const sigset_t *stop = arg;
    const struct timespec same = {.tv_sec = SAME_SIGNAL_S};
    while (sigtimedwait(stop, NULL, &same) > 0) {
    }
    int number = 0;
    while (sigwait(stop, &number) != 0) {
    }
    _exit(EXIT_FAILURE);
}

// number: the signal that has come already, or 0. This thread has nothing else to do: it looks after the heaps.
static void signal_await(sigset_t *stop, int number)
{
    struct heaps heaps;
    heaps_init(&heaps, os_real());
    while (number <= 0) {
        const struct timespec look = {.tv_sec = heaps.look_ms / 1000, .tv_nsec = heaps.look_ms % 1000 * 1000000};
        number = sigtimedwait(stop, NULL, &look);
        if (number < 0 && errno == EAGAIN) {
            heaps_look(&heaps);
        }
    }
    log_info("main", "stopping: %s", strsignal(number));
    pthread_t again;
    if (pthread_create(&again, NULL, signal_await_again, stop) == 0) {
        pthread_detach(again);
    }
}

// "host:port", an IPv6 address in brackets.
struct address_text {
    char s[320];
};

static struct address_text address_format(const char *host, uint16_t port)
{
    struct address_text text;
    bool v6 = strchr(host, ':') != NULL;
    snprintf(text.s, sizeof text.s, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)port);
    return text;
}

// One line that says it is ready, one that shows how to try it.
static void ready_print(const struct broker *b, const struct broker_config *config)
{
    const char *listener, *host;
    uint16_t port;
    printf("Ottla " OTTLA_VERSION " is ready on");
    for (int32_t i = 0; broker_address(b, i, &listener, &host, &port); i++) {
        printf("%s %s://%s", i > 0 ? "," : "", listener, address_format(host, port).s);
    }
    printf(" (broker %d, data in", (int)broker_id(b));
    for (int32_t i = 0; i < config->log_dirs_count; i++) {
        printf("%s %s", i > 0 ? "," : "", config->log_dirs[i]);
    }
    puts(")");
    if (broker_address(b, 0, &listener, &host, &port)) {
        struct address_text at = address_format(host, port);
        printf("Try it: echo hello | kcat -P -b %s -t greetings; kcat -C -b %s -t greetings -e\n", at.s, at.s);
    }
    fflush(stdout);
}

// A start may take long: a ZooKeeper that does not answer, many logs to be recovered. Told to stop meanwhile, the
// broker is given a moment to come up and stop cleanly; else it ends as if it were killed, which it is made for.
// The guard is not cancelled but told by a signal to its thread alone, so that it returns from its frames.
struct start_guard {
    pthread_t thread;
    bool runs;
    const sigset_t *stop;
    sigset_t over;   // START_OVER_SIGNAL, by which the guard ends
    atomic_int told; // the signal that came, 0 = none
};

static void *start_guard_run(void *arg)
{
    struct start_guard *g = arg;
    const struct timespec patience = {.tv_sec = START_PATIENCE_S};
    sigset_t wanted;
    int number = 0;
    sigorset(&wanted, g->stop, &g->over);
    while (sigwait(&wanted, &number) != 0) {
    }
    if (number == START_OVER_SIGNAL) {
        return NULL;
    }
    atomic_store(&g->told, number);
    if (sigtimedwait(&g->over, NULL, &patience) == START_OVER_SIGNAL) {
        return NULL;
    }
    log_error("main", "stopped before it was ready");
    _exit(EXIT_FAILURE);
}

static void start_guard_begin(struct start_guard *g, const sigset_t *stop)
{
    *g = (struct start_guard){.stop = stop};
    sigemptyset(&g->over);
    sigaddset(&g->over, START_OVER_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &g->over, NULL); // the guard inherits it
    g->runs = pthread_create(&g->thread, NULL, start_guard_run, g) == 0;
}

// The signal that has come meanwhile, or 0.
static int start_guard_end(struct start_guard *g)
{
    if (g->runs) {
        pthread_kill(g->thread, START_OVER_SIGNAL);
        pthread_join(g->thread, NULL);
    }
    pthread_sigmask(SIG_UNBLOCK, &g->over, NULL);
    return atomic_load(&g->told);
}

static int run(struct broker_config *config)
{
    sigset_t stop;
    struct broker *b;
    struct start_guard guard;
    heaps_setup();
    signals_block(&stop);
    descriptors_raise();
    warnings_print(config, 0);
    start_guard_begin(&guard, &stop);
    enum err opened = broker_open(config, os_real(), &b);
    int told = start_guard_end(&guard);
    if (opened != ERR_OK) {
        return EXIT_FAILURE;
    }
    ready_print(b, config);
    int32_t shown = config->warnings_count;
    broker_config_check_advertised(config); // asks the resolver, so it comes when the broker serves already
    warnings_print(config, shown);
    signal_await(&stop, told);
    enum err e = broker_close(b);
    log_info("main", e == ERR_OK ? "stopped cleanly" : "stopped; logs will be recovered at the next start");
    return e == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int health_print(const struct broker_config *config)
{
    const char *problem = health_problem(config->listeners[0].host, config->listeners[0].port);
    puts(problem ? problem : "it serves");
    return problem ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct command_line c = {.overrides = calloc((size_t)argc + 1, sizeof *c.overrides)};
    if (!c.overrides || !command_line_parse(argc, argv, &c)) {
        free(c.overrides);
        return EXIT_USAGE;
    }
    if (c.help || c.version) {
        fputs(c.help ? help_text : "ottla " OTTLA_VERSION "\n", stdout);
        free(c.overrides);
        return EXIT_SUCCESS;
    }
    struct broker_config config;
    const struct config_sources from = {.path = c.file,
                                        .environment = c.environment ? (const char *const *)environ : NULL,
                                        .overrides = c.overrides,
                                        .n_overrides = c.n_overrides};
    int status = EXIT_FAILURE;
    if (broker_config_load(os_real(), &from, &config) != ERR_OK) {
        log_error("config", "%s", config.error ? config.error : "out of memory");
    } else if (c.health_check) {
        status = health_print(&config);
    } else {
        status = run(&config);
    }
    broker_config_release(&config);
    free(c.overrides);
    return status;
}
