#include "world.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/** The limit of a configuration file; a larger file is another one. */
#define CONFIG_MAX (1 << 20)
#define PREFIX "standin."

const char *const CALL_NAMES[CALL_COUNT] = {
#define X(name) #name,
    CALLS(X)
#undef X
};

static World nothing = {
    .police_code = 3,
    .login_code = 3014,
    .unknown_server_code = 14008,
    .log_thread = true,
    .log_exit = true,
};
static _Atomic(World *) current = &nothing;
static _Atomic(World *) refused;

const World *the_world(void) {
  return atomic_load(&current);
}

void world_enter(World *world) {
  world->previous = atomic_load(&current);
  atomic_store(&current, world);
}

/* One table for each kind of line: the name, the place of its value, and its type. */

typedef enum { TEXT, NUMBER, YES } Type;
typedef struct {
  const char *name;
  size_t offset;
  Type type;
} Field;

#define FIELD(struct_name, name, member, type) {name, offsetof(struct_name, member), type}

static const Field OPTIONS[] = {
    FIELD(World, "trace", trace, TEXT),
    FIELD(World, "state", state, TEXT),
    FIELD(World, "police", police, TEXT),
    FIELD(World, "police.off", police_off, TEXT),
    FIELD(World, "police.code", police_code, NUMBER),
    FIELD(World, "police.write_without_snapshot", write_without_snapshot, YES),
    FIELD(World, "transports", transports, TEXT),
    FIELD(World, "async", async, TEXT),
    FIELD(World, "query_past_end", query_past_end, TEXT),
    FIELD(World, "query_split", query_split, NUMBER),
    FIELD(World, "error_text", error_text, TEXT),
    FIELD(World, "check.login", check_login, TEXT),
    FIELD(World, "check.vm", check_vm, TEXT),
    FIELD(World, "check.snapshot", check_snapshot, TEXT),
    FIELD(World, "check.thumbprint", check_thumbprint, TEXT),
    FIELD(World, "login_code", login_code, NUMBER),
    FIELD(World, "unknown_server_code", unknown_server_code, NUMBER),
    FIELD(World, "log.thread", log_thread, YES),
    FIELD(World, "log.exit", log_exit, YES),
    FIELD(World, "log.calls", log_calls, YES),
    FIELD(World, "log.period_ms", log_period_ms, NUMBER),
    FIELD(World, "exit_ms", exit_ms, NUMBER),
    FIELD(World, "cleanup.code", cleanup_code, NUMBER),
    FIELD(World, "cleanup.cleaned", cleanup_cleaned, NUMBER),
    FIELD(World, "cleanup.remaining", cleanup_remaining, NUMBER),
};

static const Field SERVER[] = {
    FIELD(Server, "host", host, TEXT),
    FIELD(Server, "user", user, TEXT),
    FIELD(Server, "password", password, TEXT),
    FIELD(Server, "cookie", cookie, TEXT),
    FIELD(Server, "thumbprint", thumbprint, TEXT),
    FIELD(Server, "kind", kind, TEXT),
    FIELD(Server, "port", port, NUMBER),
    FIELD(Server, "nfc_port", nfc_port, NUMBER),
    FIELD(Server, "refuse_nfc", refuse_nfc, YES),
    FIELD(Server, "login_code", login_code, NUMBER),
    FIELD(Server, "session_seconds", session_seconds, NUMBER),
    FIELD(Server, "session_calls", session_calls, NUMBER),
    FIELD(Server, "nfc_max_bytes", nfc_max_bytes, NUMBER),
    FIELD(Server, "nfc_connections", nfc_connections, NUMBER),
};

static const Field VM[] = {
    FIELD(Vm, "server", server, TEXT),
    FIELD(Vm, "moref", moref, TEXT),
    FIELD(Vm, "vmx", vmx, TEXT),
    FIELD(Vm, "snapshots", snapshots, TEXT),
};

static const Field DISK[] = {
    FIELD(Disk, "server", server, TEXT),
    FIELD(Disk, "vm", vm, TEXT),
    FIELD(Disk, "path", path, TEXT),
    FIELD(Disk, "file", file, TEXT),
    FIELD(Disk, "meta", meta, TEXT),
    FIELD(Disk, "snapshot", snapshot, TEXT),
    FIELD(Disk, "map", map, TEXT),
    FIELD(Disk, "query", query, TEXT),
    FIELD(Disk, "hint", hint, TEXT),
    FIELD(Disk, "links", links, NUMBER),
    FIELD(Disk, "adapter", adapter, NUMBER),
    FIELD(Disk, "capacity", capacity, NUMBER),
    FIELD(Disk, "logical_sector", logical_sector, NUMBER),
    FIELD(Disk, "physical_sector", physical_sector, NUMBER),
    FIELD(Disk, "no_uuid", no_uuid, YES),
    FIELD(Disk, "read_only", read_only, YES),
    FIELD(Disk, "locked", locked, YES),
};

static const Field FAULT[] = {
    FIELD(Fault, "call", call, TEXT),
    FIELD(Fault, "disk", disk, TEXT),
    FIELD(Fault, "scope", scope, TEXT),
    FIELD(Fault, "action", action, TEXT),
    FIELD(Fault, "heal", heal, TEXT),
    FIELD(Fault, "at", at, TEXT),
    FIELD(Fault, "after", after, NUMBER),
    FIELD(Fault, "times", times, NUMBER),
    FIELD(Fault, "code", code, NUMBER),
    FIELD(Fault, "high", high, NUMBER),
    FIELD(Fault, "sector", sector, NUMBER),
};

static const Field DELAY[] = {
    FIELD(Delay, "call", call, TEXT),
    FIELD(Delay, "disk", disk, TEXT),
    FIELD(Delay, "us", us, NUMBER),
    FIELD(Delay, "us_per_mib", us_per_mib, NUMBER),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/** Stores `value`; returns whether that was possible. */
static bool set_field(void *target, const Field *field, const char *value) {
  char *place = (char *)target + field->offset;
  if (field->type == NUMBER) return parse_number(value, (uint64_t *)place);
  if (field->type == TEXT) {
    free(*(char **)place);
    *(char **)place = copy_text(value);
    return true;
  }
  bool yes = same_text(value, "yes") || same_text(value, "on") || same_text(value, "1");
  bool no = same_text(value, "no") || same_text(value, "off") || same_text(value, "0");
  *(bool *)place = yes;
  return yes || no;
}

static const Field *find_field(const Field *fields, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(fields[i].name, name) == 0) return &fields[i];
  }
  return NULL;
}

/** Stores `key=value key="a value" ...` in `target`, and changes `text`. Returns NULL, or the mistake. */
static char *set_pairs(void *target, const Field *fields, size_t count, char *text) {
  for (char *at = text;;) {
    while (isspace((unsigned char)*at)) at++;
    if (*at == '\0') return NULL;
    char *key = at;
    at += strcspn(at, "= \t");
    if (*at != '=') return format_text("\"%s\" has no value", key);
    *at++ = '\0';
    char *value = at;
    if (*at == '"') {
      value = ++at;
      at = strchr(at, '"');
      if (at == NULL) return format_text("the quotes of \"%s\" do not end", key);
    } else {
      at += strcspn(at, " \t");
    }
    if (*at != '\0') *at++ = '\0';
    const Field *field = find_field(fields, count, key);
    if (field == NULL) return format_text("\"%s\" is unknown", key);
    if (!set_field(target, field, value)) return format_text("\"%s\" cannot be \"%s\"", key, value);
  }
}

/** Returns the entry with this number, or a new one. */
static void *entry(void **list, size_t *count, size_t size, uint64_t id) {
  for (size_t i = 0; i < *count; i++) {
    void *at = (char *)*list + i * size;
    if (*(uint64_t *)at == id) return at;
  }
  *list = resized(*list, (*count + 1) * size);
  void *fresh = (char *)*list + *count * size;
  memset(fresh, 0, size);
  *(uint64_t *)fresh = id;
  ++*count;
  return fresh;
}

static CallId call_named(const char *name) {
  CallId id = 0;
  while (id < CALL_COUNT && !same_text(CALL_NAMES[id], name)) id++;
  return id;
}

/** Counters that survive Exit: "the third read" counts all reads of the process. */
typedef struct Counter {
  struct Counter *next;
  char *key;
  _Atomic uint64_t seen;
} Counter;
static Counter *counters;
static pthread_mutex_t counters_lock = PTHREAD_MUTEX_INITIALIZER;

static _Atomic uint64_t *counter_of(const char *key) {
  pthread_mutex_lock(&counters_lock);
  Counter *counter = counters;
  while (counter != NULL && strcmp(counter->key, key) != 0) counter = counter->next;
  if (counter == NULL) {
    counter = zeroed(sizeof *counter);
    counter->key = copy_text(key);
    counter->next = counters;
    counters = counter;
  }
  pthread_mutex_unlock(&counters_lock);
  return &counter->seen;
}

static char *understand_fault(Fault *fault) {
  fault->call_id = call_named(fault->call);
  if (fault->call_id == CALL_COUNT) return format_text("call=%s is no call", fault->call == NULL ? "" : fault->call);
  const char *action = fault->action == NULL ? "code" : fault->action;
  if (strcmp(action, "code") == 0) fault->act = ACTION_CODE;
  else if (strcmp(action, "sticky") == 0) fault->act = ACTION_STICKY;
  else if (strcmp(action, "hang") == 0) fault->act = ACTION_HANG;
  else if (strcmp(action, "crash") == 0) fault->act = ACTION_CRASH;
  else if (strcmp(action, "panic") == 0) fault->act = ACTION_PANIC;
  else if (strcmp(action, "exit_crash") == 0) fault->act = ACTION_EXIT_CRASH;
  else if (strncmp(action, "hang_until:", 11) == 0) {
    fault->act = ACTION_HANG_UNTIL;
    fault->hang_until = copy_text(action + 11);
  } else if (strncmp(action, "delay:", 6) == 0 && parse_number(action + 6, &fault->delay_us)) {
    fault->act = ACTION_DELAY;
  } else {
    return format_text("action=%s is unknown", action);
  }
  const char *scope = fault->scope == NULL ? "process" : fault->scope;
  fault->whole_world = strcmp(scope, "world") == 0;
  if (!fault->whole_world && strcmp(scope, "process") != 0) return format_text("scope=%s is unknown", scope);
  const char *at = fault->at == NULL ? "call" : fault->at;
  fault->at_completion = strcmp(at, "completion") == 0;
  if (!fault->at_completion && strcmp(at, "call") != 0) return format_text("at=%s is unknown", at);
  if (fault->heal != NULL && strcmp(fault->heal, "init") != 0) return format_text("heal=%s is unknown", fault->heal);
  if (fault->code > 0xFFFF || (fault->high & 0xFFFF) != 0) return format_text("code and high overlap");
  return NULL;
}

static char *set_fault(World *world, uint64_t id, char *value) {
  char *line = format_text("%llu %s", (unsigned long long)id, value);
  Fault *fault = entry((void **)&world->faults, &world->fault_count, sizeof *fault, id);
  fault->times = 1;
  fault->code = 1;
  fault->sector = UINT64_MAX;
  fault->seen = counter_of(line);
  free(line);
  char *complaint = set_pairs(fault, FAULT, COUNT(FAULT), value);
  if (complaint == NULL) complaint = understand_fault(fault);
  if (complaint == NULL && fault->whole_world && world->state == NULL) {
    complaint = format_text("scope=world needs " PREFIX "state before it");
  }
  fault->any_sector = fault->sector == UINT64_MAX;
  if (complaint == NULL) world->disturbed[fault->call_id] = true;
  return complaint;
}

static char *set_delay(World *world, uint64_t id, char *value) {
  Delay *delay = entry((void **)&world->delays, &world->delay_count, sizeof *delay, id);
  char *complaint = set_pairs(delay, DELAY, COUNT(DELAY), value);
  if (complaint != NULL) return complaint;
  delay->call_id = call_named(delay->call);
  if (delay->call_id == CALL_COUNT) return format_text("call=%s is no call", delay->call == NULL ? "" : delay->call);
  world->disturbed[delay->call_id] = true;
  return NULL;
}

static char *set_server(World *world, uint64_t id, char *value) {
  Server *server = entry((void **)&world->servers, &world->server_count, sizeof *server, id);
  server->port = 443;
  server->nfc_port = 902;
  char *complaint = set_pairs(server, SERVER, COUNT(SERVER), value);
  if (complaint != NULL) return complaint;
  if (server->host == NULL) return format_text("host is missing");
  if (server->kind != NULL && !same_text(server->kind, "vcenter") && !same_text(server->kind, "esxi")) {
    return format_text("kind=%s is unknown", server->kind);
  }
  return NULL;
}

static char *set_vm(World *world, uint64_t id, char *value) {
  Vm *vm = entry((void **)&world->vms, &world->vm_count, sizeof *vm, id);
  char *complaint = set_pairs(vm, VM, COUNT(VM), value);
  if (complaint == NULL && vm->moref == NULL) complaint = format_text("moref is missing");
  return complaint;
}

static char *set_disk(World *world, uint64_t id, char *value) {
  Disk *disk = entry((void **)&world->disks, &world->disk_count, sizeof *disk, id);
  disk->links = 1;
  disk->adapter = 3;
  disk->logical_sector = 512;
  disk->physical_sector = 512;
  char *complaint = set_pairs(disk, DISK, COUNT(DISK), value);
  if (complaint == NULL && (disk->path == NULL || disk->file == NULL)) complaint = format_text("path or file is missing");
  return complaint;
}

/** Reads a line whose name begins with the prefix. */
static char *set_line(World *world, const char *name, char *value) {
  const Field *option = find_field(OPTIONS, COUNT(OPTIONS), name);
  if (option != NULL) {
    size_t len = strlen(value);
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
      value[len - 1] = '\0';
      value++;
    }
    return set_field(world, option, value) ? NULL : format_text("it cannot be \"%s\"", value);
  }
  static const struct {
    const char *kind;
    char *(*set)(World *world, uint64_t id, char *value);
  } KINDS[] = {
      {"server.", set_server}, {"vm.", set_vm}, {"disk.", set_disk}, {"fault.", set_fault}, {"delay.", set_delay},
  };
  for (size_t i = 0; i < COUNT(KINDS); i++) {
    size_t len = strlen(KINDS[i].kind);
    uint64_t id;
    if (strncmp(name, KINDS[i].kind, len) == 0 && parse_number(name + len, &id)) return KINDS[i].set(world, id, value);
  }
  return format_text("the name is unknown");
}

/** Returns the position of a word in a list, -1 for another word. NULL is the first word. */
static int choice(const char *value, const char *const *words, size_t count) {
  if (value == NULL) return 0;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(words[i], value) == 0) return (int)i;
  }
  return -1;
}

static char *understand(World *world) {
  static const char *const POLICE[] = {"trace", "error", "abort"};
  static const char *const ASYNC[] = {"inline", "thread", "shuffle"};
  static const char *const PAST_END[] = {"error", "ok"};
  static const char *const CHECK[] = {"connect", "open"};
  int police = choice(world->police, POLICE, COUNT(POLICE));
  int async = choice(world->async, ASYNC, COUNT(ASYNC));
  int past_end = choice(world->query_past_end, PAST_END, COUNT(PAST_END));
  if (police < 0) return format_text("police cannot be \"%s\"", world->police);
  if (async < 0) return format_text("async cannot be \"%s\"", world->async);
  if (past_end < 0) return format_text("query_past_end cannot be \"%s\"", world->query_past_end);
  const char *checks[] = {world->check_login, world->check_vm, world->check_snapshot, world->check_thumbprint};
  for (size_t i = 0; i < COUNT(checks); i++) {
    if (choice(checks[i], CHECK, COUNT(CHECK)) < 0) return format_text("a check cannot be at \"%s\"", checks[i]);
  }
  world->police_mode = (PoliceMode)police;
  world->async_mode = (AsyncMode)async;
  world->past_end_is_fine = past_end == 1;
  return NULL;
}

static char *trimmed(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t len = strlen(text);
  while (len > 0 && isspace((unsigned char)text[len - 1])) len--;
  text[len] = '\0';
  return text;
}

static char *read_lines(World *world, const char *path) {
  char *text = read_text_file(path, CONFIG_MAX);
  if (text == NULL) return format_text("%s: %s", path, strerror(errno));
  char *complaint = NULL;
  unsigned number = 0;
  for (char *line = text, *next; line != NULL && complaint == NULL; line = next) {
    next = strchr(line, '\n');
    if (next != NULL) *next++ = '\0';
    number++;
    char *name = trimmed(line);
    char *value = strchr(name, '=');
    if (*name == '#' || value == NULL || strncmp(name, PREFIX, strlen(PREFIX)) != 0) continue;
    *value++ = '\0';
    name = trimmed(name);
    char *wrong = set_line(world, name + strlen(PREFIX), trimmed(value));
    if (wrong != NULL) complaint = format_text("%s:%u: %s: %s", path, number, name, wrong);
    free(wrong);
  }
  free(text);
  return complaint;
}

World *world_read(const char *config_file, char **complaint) {
  World *world = zeroed(sizeof *world);
  *world = nothing;
  *complaint = NULL;
  if (!is_empty(config_file)) *complaint = read_lines(world, config_file);
  // This file comes last and wins, so that a program can be tested that writes the configuration itself.
  const char *more = getenv("STANDIN_CONFIG");
  if (*complaint == NULL && !is_empty(more)) *complaint = read_lines(world, more);
  if (*complaint == NULL) {
    char *wrong = understand(world);
    if (wrong != NULL) *complaint = format_text("%s: %s", config_file == NULL ? more : config_file, wrong);
    free(wrong);
  }
  if (*complaint == NULL) return world;
  // A refused world stays in memory, too: there is one for each mistake, and its parts have many owners.
  world->previous = atomic_exchange(&refused, world);
  return NULL;
}

/* Look-ups */

const char *world_transports(void) {
  const World *world = the_world();
  return world->transports != NULL ? world->transports : "file:san:hotadd:nbdssl:nbd";
}

const Server *world_server(const World *world, const char *host) {
  for (size_t i = 0; i < world->server_count; i++) {
    if (same_text(world->servers[i].host, host)) return &world->servers[i];
  }
  return NULL;
}

/**
 * Whether the text is `moref=ID` in one of its three spellings, or the path of the .vmx file in the world.
 */
const Vm *world_vm(const World *world, const Server *server, const char *spec) {
  static const char *const SPELLINGS[] = {"moref=", "moRef=", "moid="};
  const char *moref = NULL;
  for (size_t i = 0; i < COUNT(SPELLINGS); i++) {
    size_t len = strlen(SPELLINGS[i]);
    if (strncmp(spec, SPELLINGS[i], len) == 0) moref = spec + len;
  }
  for (size_t i = 0; i < world->vm_count; i++) {
    const Vm *vm = &world->vms[i];
    if (vm->server != NULL && !same_text(vm->server, server->host)) continue;
    if (moref != NULL ? same_text(vm->moref, moref) : same_text(vm->vmx, spec)) return vm;
  }
  return NULL;
}

const Disk *world_disk(const World *world, const Server *server, const Vm *vm, const char *path) {
  for (size_t i = 0; i < world->disk_count; i++) {
    const Disk *disk = &world->disks[i];
    if (disk->server != NULL && !same_text(disk->server, server->host)) continue;
    if (disk->vm != NULL && (vm == NULL || !same_text(disk->vm, vm->moref))) continue;
    if (same_text(disk->path, path)) return disk;
  }
  return NULL;
}
