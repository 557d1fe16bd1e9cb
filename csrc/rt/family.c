/* See family.h. When a deadlock is found every member is asked for its part of the report, by mail; the last
 * one to write sends the whole to the root, which raises it in its main chunk. */
#include "rt/family.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "rt/report.h"
#include "rt/sched.h"
#include "sys/facts.h"
#include "sys/stack.h"
#include "rt/shutdown.h"

/* The bytecode of a module. */
typedef struct code {
  struct code *next;
  char *bytes;
  size_t size;
  char name[];
} code;

struct wf_family {
  /* The lower half counts members that are not quiet (busy), the upper half members and looks (holds). Everyone: read-modify-
   * writes, sequentially consistent, for the count is compared with the words of units. Who brings both to 0 frees. */
  _Atomic uint64_t word;
  /* Written by the root, read by all: relaxed, a late look only starts what is cancelled then. */
  _Atomic bool ending;
  /* Written by any member, read by the root when it leaves: relaxed, it decides only how long the root waits. */
  _Atomic bool stuck;
  pthread_mutex_t lock;  /* guards all below */
  wf_link members;
  wf_member *root;       /* NULL once it has left */
  uint32_t awaited;      /* parts of the report that are to come */
  uint32_t tasks;        /* told in the parts */
  char *text;
  size_t len;
  wf_mail verdict;       /* to the root */
  wf_workers *workers;   /* held; NULL: not needed yet */
  wf_lanes *lanes[WF_LANES_KINDS]; /* the same */
  /* Entries are added under the lock, at the head (release), and never change or go; read by all (acquire). */
  _Atomic(code *) codes;
};

static const uint64_t HOLD = (uint64_t)1 << 32, BUSY = 1;

static void on_asked(wf_iso *iso, wf_mail *m);
static void on_verdict(wf_iso *iso, wf_mail *m);
static void on_asked_dropped(wf_mail *m);
static void on_verdict_dropped(wf_mail *m) { (void)m; }

static void member_init(wf_member *m, wf_family *f) {
  memset(m, 0, sizeof *m);
  m->family = f;
  m->mail.deliver = on_asked;
  m->mail.drop = on_asked_dropped;
}

bool wf_family_found(wf_member *m, wf_port *port) {
  wf_family *f = wf_calloc(1, sizeof *f);
  if (f == NULL) return false;
  atomic_init(&f->word, HOLD + BUSY);
  pthread_mutex_init(&f->lock, NULL);
  wf_list_init(&f->members);
  f->verdict.deliver = on_verdict;
  f->verdict.drop = on_verdict_dropped;
  member_init(m, f);
  wf_port_hold(port);
  m->port = port;
  f->root = m;
  wf_list_append(&f->members, &m->link);
  return true;
}

void wf_family_join(wf_member *m, wf_member *relative, const wf_member_id *id) {
  wf_family *f = relative->family;
  member_init(m, f);
  m->id = *id;
  atomic_fetch_add_explicit(&f->word, HOLD + BUSY, memory_order_seq_cst);
  pthread_mutex_lock(&f->lock);
  wf_list_append(&f->members, &m->link);
  pthread_mutex_unlock(&f->lock);
}

void wf_family_each(wf_member *m, void (*fn)(void *ud, wf_port *port, const wf_member_id *id), void *ud) {
  wf_family *f = m->family;
  pthread_mutex_lock(&f->lock);
  for (wf_link *l = f->members.next; l != &f->members; l = l->next) {
    wf_member *other = wf_list_entry(l, wf_member, link);
    if (other != m) fn(ud, other->port, &other->id);
  }
  pthread_mutex_unlock(&f->lock);
}

static bool is_quiet_locked(const wf_member *m) {
  if (m->port == NULL) return false;
  if (!m->quiet && !(m->port->pooled && atomic_load_explicit(&m->port->unit.word, memory_order_seq_cst) == WF_UNIT_IDLE)) return false;
  return !wf_mpsc_maybe_nonempty(&m->port->inbox);
}

/* Everybody sleeps and nothing is on the way. The root comes first: it is the one that is on its way as a rule. */
static bool all_quiet_locked(wf_family *f) {
  if (f->awaited > 0 || f->root == NULL || (uint32_t)atomic_load_explicit(&f->word, memory_order_seq_cst) > 0) return false;
  for (wf_link *l = f->members.next; l != &f->members; l = l->next)
    if (!is_quiet_locked(wf_list_entry(l, wf_member, link))) return false;
  return true;
}

/* Ask all members for their parts. They stay members until they have answered or dropped the mail: their
 * ports are alive, and each mail is posted once. */
static void ask_all_locked(wf_family *f) {
  wf_free(f->text);
  f->text = NULL;
  f->len = 0;
  f->tasks = 0;
  for (wf_link *l = f->members.next; l != &f->members; l = l->next) {
    wf_member *m = wf_list_entry(l, wf_member, link);
    m->asked = true;
    f->awaited++;
  }
  for (wf_link *l = f->members.next; l != &f->members; l = l->next) {
    wf_member *m = wf_list_entry(l, wf_member, link);
    wf_port_post(m->port, &m->mail);
  }
}

void wf_family_ends(wf_member *m) { atomic_store_explicit(&m->family->ending, true, memory_order_relaxed); }

void wf_family_stuck(wf_member *m) { atomic_store_explicit(&m->family->stuck, true, memory_order_relaxed); }

bool wf_family_ending(const wf_member *m) { return atomic_load_explicit(&m->family->ending, memory_order_relaxed); }

void wf_family_quiet(wf_member *m) {
  wf_family *f = m->family;
  pthread_mutex_lock(&f->lock);
  m->quiet = true;
  atomic_fetch_sub_explicit(&f->word, BUSY, memory_order_seq_cst);
  if (all_quiet_locked(f)) ask_all_locked(f);
  pthread_mutex_unlock(&f->lock);
}

void wf_family_awake(wf_member *m) {
  pthread_mutex_lock(&m->family->lock);
  m->quiet = false;
  atomic_fetch_add_explicit(&m->family->word, BUSY, memory_order_seq_cst);
  pthread_mutex_unlock(&m->family->lock);
}

static void family_free(wf_family *f) {
  for (code *c = atomic_load(&f->codes), *next; c != NULL; c = next) {
    next = c->next;
    wf_free(c->bytes);
    wf_free(c);
  }
  pthread_mutex_destroy(&f->lock);
  wf_free(f->text);
  wf_free(f);
}

static void family_release(wf_family *f) {
  if (atomic_fetch_sub_explicit(&f->word, HOLD, memory_order_seq_cst) == HOLD) family_free(f);
}

static const code *code_find(wf_family *f, const char *name) {
  const code *c = atomic_load_explicit(&f->codes, memory_order_acquire);
  while (c != NULL && strcmp(c->name, name) != 0) c = c->next;
  return c;
}

const char *wf_family_code(wf_member *m, const char *name, size_t *size) {
  const code *c = code_find(m->family, name);
  if (c == NULL) return NULL;
  *size = c->size;
  return c->bytes;
}

bool wf_family_keep_code(wf_member *m, const char *name, char *bytes, size_t size) {
  wf_family *f = m->family;
  code *c = wf_malloc(sizeof *c + strlen(name) + 1);
  if (c == NULL) return false;
  c->bytes = bytes;
  c->size = size;
  strcpy(c->name, name);
  pthread_mutex_lock(&f->lock);
  bool late = code_find(f, name) != NULL;
  if (!late) {
    c->next = atomic_load_explicit(&f->codes, memory_order_relaxed);
    atomic_store_explicit(&f->codes, c, memory_order_release);
  }
  pthread_mutex_unlock(&f->lock);
  if (late) {
    wf_free(c->bytes);
    wf_free(c);
  }
  return true;
}

void wf_family_rested(wf_family *f) {
  uint64_t was = atomic_load_explicit(&f->word, memory_order_relaxed), now;
  bool look;
  do {
    now = was - BUSY;
    look = (uint32_t)now == 0 && now != 0;
    if (look) now += HOLD;
  } while (!atomic_compare_exchange_weak_explicit(&f->word, &was, now, memory_order_seq_cst, memory_order_relaxed));
  if (now == 0) {
    family_free(f);
  } else if (look) {
    pthread_mutex_lock(&f->lock);
    if (all_quiet_locked(f)) ask_all_locked(f);
    pthread_mutex_unlock(&f->lock);
    family_release(f);
  }
}

void wf_family_stir(wf_member *m) { atomic_fetch_add_explicit(&m->family->word, BUSY, memory_order_seq_cst); }

wf_workers *wf_family_workers(wf_member *m) {
  wf_family *f = m->family;
  pthread_mutex_lock(&f->lock);
  if (f->workers == NULL && f->root != NULL) f->workers = wf_workers_hold();
  wf_workers *p = f->workers;
  pthread_mutex_unlock(&f->lock);
  return p;
}

wf_lanes *wf_family_lanes(wf_member *m, enum wf_lanes_for what) {
  static const struct {
    const char *name;
    uint32_t limit;
  } kinds[WF_LANES_KINDS] = {[WF_LANES_CALLS] = {"weft blocking", 64}, [WF_LANES_NAMES] = {"weft names", 32}};
  wf_family *f = m->family;
  pthread_mutex_lock(&f->lock);
  if (f->lanes[what] == NULL && f->root != NULL) f->lanes[what] = wf_lanes_new(kinds[what].name, kinds[what].limit);
  wf_lanes *p = f->lanes[what];
  pthread_mutex_unlock(&f->lock);
  return p;
}

/* Whoever looks a name up has been told by now that nobody waits, and C code cannot be interrupted: no patience. */
static void lanes_close(wf_lanes *lanes[WF_LANES_KINDS], bool stuck) {
  enum { PATIENCE_MS = 1000, STUCK_MS = 50 };
  for (int i = 0; i < WF_LANES_KINDS; i++) {
    if (lanes[i] == NULL) continue;
    wf_lanes_close(lanes[i], i == WF_LANES_NAMES ? 0 : stuck ? STUCK_MS : PATIENCE_MS);
    wf_lanes_release(lanes[i]);
  }
}

/* One part less is awaited; the last one sends the verdict. */
static void part_done_locked(wf_member *m) {
  wf_family *f = m->family;
  if (!m->asked) return;
  m->asked = false;
  if (--f->awaited == 0 && f->root != NULL && f->root->port != NULL) wf_port_post(f->root->port, &f->verdict);
}

void wf_family_set_port(wf_member *m, wf_port *port) {
  wf_family *f = m->family;
  if (port != NULL) wf_port_hold(port);
  pthread_mutex_lock(&f->lock);
  wf_port *old = m->port;
  m->port = port;
  if (port == NULL) part_done_locked(m);
  pthread_mutex_unlock(&f->lock);
  if (old != NULL) wf_port_release(old);
}

void wf_family_leave(wf_member *m) {
  wf_family *f = m->family;
  wf_family_set_port(m, NULL);
  pthread_mutex_lock(&f->lock);
  wf_list_unlink(&m->link);
  wf_workers *workers = NULL;
  wf_lanes *lanes[WF_LANES_KINDS] = {NULL};
  if (f->root == m) {
    f->root = NULL;
    workers = f->workers;
    f->workers = NULL;
    memcpy(lanes, f->lanes, sizeof lanes);
    memset(f->lanes, 0, sizeof f->lanes);
  }
  atomic_fetch_sub_explicit(&f->word, BUSY, memory_order_seq_cst); /* who leaves is awake */
  if (all_quiet_locked(f)) ask_all_locked(f);
  pthread_mutex_unlock(&f->lock);
  m->family = NULL;
  bool stuck = atomic_load_explicit(&f->stuck, memory_order_relaxed);
  family_release(f);
  if (wf_forked()) return; /* a forked child has no such threads */
  lanes_close(lanes, stuck);
  if (workers != NULL) wf_workers_release(workers, stuck);
}

/* Cards ---------------------------------------------------------------------------------------- */

wf_card_copy *wf_family_cards(wf_member *of, size_t *n) {
  wf_family *f = of->family;
  size_t room = 0, count = 0;
  wf_card_copy *list = NULL;
  pthread_mutex_lock(&f->lock);
  for (const wf_link *l = f->members.next; l != &f->members; l = l->next) room++;
  if (room > 0) list = wf_calloc(room, sizeof *list);
  for (const wf_link *l = f->members.next; list != NULL && l != &f->members; l = l->next) {
    const wf_member *m = wf_list_entry(l, wf_member, link);
    if (m->port == NULL) continue;
    const wf_card *c = &m->port->card;
    wf_card_copy *to = &list[count++];
    to->tid = atomic_load_explicit(&c->tid, memory_order_relaxed);
    to->isolate = atomic_load_explicit(&c->isolate, memory_order_relaxed);
    to->tasks = atomic_load_explicit(&c->tasks, memory_order_relaxed);
    to->memory = atomic_load_explicit(&c->memory, memory_order_relaxed);
    /* A member's thread lives as long as the lock keeps it from leaving. */
    if (to->tid == 0 || !wf_stack_of(atomic_load_explicit(&c->thread, memory_order_relaxed), &to->stack_low, &to->stack_size))
      to->stack_low = NULL;
    else
      to->stack_used = wf_memory_used(to->stack_low, to->stack_size);
  }
  pthread_mutex_unlock(&f->lock);
  *n = count;
  return list;
}

/* The report ---------------------------------------------------------------------------------- */

static void append_locked(wf_family *f, const char *text, size_t len) {
  char *p = wf_realloc(f->text, f->len + len + 1);
  if (p == NULL) return; /* a shorter report */
  memcpy(p + f->len, text, len);
  f->text = p;
  f->len += len;
  p[f->len] = '\0';
}

/* The member's carrier. It was woken by this mail alone, so its tasks stand as they stood. */
static void on_asked(wf_iso *iso, wf_mail *mail) {
  wf_member *m = wf_container_of(mail, wf_member, mail);
  lua_State *L = iso->L;
  size_t len = 0;
  const char *text = wf_report_lines(iso, L) ? lua_tolstring(L, -1, &len) : NULL;
  pthread_mutex_lock(&m->family->lock);
  if (text != NULL) append_locked(m->family, text, len);
  m->family->tasks += iso->live + 1;
  part_done_locked(m);
  pthread_mutex_unlock(&m->family->lock);
  if (text != NULL) lua_pop(L, 1);
}

/* Its isolate closed with the mail in the inbox; set_port(NULL) has counted it. */
static void on_asked_dropped(wf_mail *mail) { (void)mail; }

/* The root's carrier: raise the whole in the innermost inline wait, as a rule the main chunk's. */
static void on_verdict(wf_iso *iso, wf_mail *mail) {
  wf_family *f = wf_container_of(mail, wf_family, verdict);
  pthread_mutex_lock(&f->lock);
  char *text = f->text;
  uint32_t tasks = f->tasks;
  f->text = NULL;
  pthread_mutex_unlock(&f->lock);
  wf_report_raise(iso, tasks, text == NULL ? "" : text);
  wf_free(text);
}
