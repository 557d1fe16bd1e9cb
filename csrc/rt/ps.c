/* See ps.h. */
#include "rt/ps.h"

#include <string.h>

#include "base/alloc.h"
#include "lx/pack.h"
#include "lx/uncollected.h"
#include "rt/copool.h"
#include "rt/family.h"
#include "rt/port.h"
#include "rt/report.h"
#include "rt/run.h"
#include "rt/sched.h"
#include "rt/task.h"
#include "sys/thread.h"
#include "sys/workers.h"

enum { NAME_MAX_BYTES = 64 };

/* Rows ------------------------------------------------------------------------------------------- */

static void set_string(lua_State *L, const char *key, const char *value) {
  if (value == NULL || value[0] == '\0') return;
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static const char *kind_of(const wf_iso *iso, const wf_task *t) {
  if (!(t->flags & WF_F_MAIN)) return "task";
  return !iso->is_child ? "main" : iso->pooled ? "isolate" : "thread";
}

/* What only the row of the whole isolate has. */
static void set_isolate(wf_iso *iso, lua_State *L) {
  set_integer(L, "memory",
              (uint64_t)lua_gc(L, LUA_GCCOUNT) * 1024u + (uint64_t)lua_gc(L, LUA_GCCOUNTB) + iso->outside_bytes);
  set_integer(L, "tasks", iso->live);
  if (iso->pooled) {
    set_integer(L, "worker", wf_worker_self());
  } else {
    set_integer(L, "tid", (uint64_t)wf_thread_self_tid());
    lua_pushnumber(L, (lua_Number)wf_thread_self_cpu_ns() * 1e-9);
    lua_setfield(L, -2, "cpu");
  }
}

static void push_row(wf_iso *iso, lua_State *L, wf_task *t) {
  static const char *const states[] = {"ready", "running", "waiting"};
  char started[LUA_IDSIZE + 16];
  bool ready_below = (t->flags & WF_F_INLINE) && t->claim != WF_ARMED;
  luaL_checkstack(L, 12, NULL);
  lua_createtable(L, 0, 10);
  set_string(L, "kind", kind_of(iso, t));
  set_integer(L, "id", wf_task_id(iso, t));
  set_integer(L, "isolate", iso->id);
  set_string(L, "state", t->state == WF_WAITING && ready_below ? "ready" : states[t->state]);
  if (t->flags & (WF_F_MAIN | WF_F_NAMED)) {
    wf_task_push_name(iso, L, t);
    lua_setfield(L, -2, "name");
  }
  if (t != iso->cur || t->state != WF_RUNNING) {
    const char *use = wf_report_place(L, t);
    lua_setfield(L, -3, "at");
    lua_setfield(L, -2, "on");
    if (t->state == WF_WAITING && !ready_below)
      set_string(L, "wait", use != NULL ? use : wf_trace_why_text((enum wf_trace_why)t->why));
  }
  set_string(L, "started", wf_task_started(iso, t, started, sizeof started));
  if (t->flags & WF_F_MAIN) set_isolate(iso, L);
}

/* A process that this isolate has started: it has no port to be asked at. */
static void push_process(wf_iso *iso, lua_State *L, const wf_run *r) {
  char started[LUA_IDSIZE + 16];
  lua_createtable(L, 0, 6);
  set_string(L, "kind", "process");
  set_integer(L, "id", wf_child_id(r->child));
  set_integer(L, "isolate", iso->id);
  set_string(L, "name", wf_child_name(r->child));
  set_string(L, "state", "running");
  set_string(L, "started", wf_child_started(iso, r->child, started, sizeof started));
}

/* Protected. Stack: isolate. */
static int build_rows(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  lua_Integer n = 0;
  lua_newtable(L);
  if (!wf_task_finished(&iso->main)) {
    push_row(iso, L, &iso->main);
    lua_rawseti(L, 2, ++n);
  }
  wf_walk w = {0, NULL};
  for (wf_task *t; (t = wf_iso_walk(iso, &w)) != NULL;) {
    push_row(iso, L, t);
    lua_rawseti(L, 2, ++n);
  }
  for (const wf_link *l = iso->children.next; l != &iso->children; l = l->next) {
    const wf_run *r = wf_list_entry(l, wf_run, link);
    if (!r->process || r->child == NULL) continue;
    push_process(iso, L, r);
    lua_rawseti(L, 2, ++n);
  }
  return 1;
}

void wf_ps_rows(wf_iso *iso, lua_State *L) {
  lua_pushcfunction(L, build_rows);
  lua_pushlightuserdata(L, iso);
  /* A finaliser could start and end tasks in the middle of the walk. */
  if (lx_pcall_uncollected(L, 1, 1) != LUA_OK) lua_error(L);
}

/* Questions -------------------------------------------------------------------------------------- */

typedef struct question {
  wf_mail mail;
  wf_ps *ps;
  wf_member_id id;
  char name[NAME_MAX_BYTES];
  bool open; /* its isolate was there to be asked */
  /* Written by the asked isolate's carrier (release), taken by the asker's (acquire). */
  _Atomic(wf_msg *) answer;
} question;

struct wf_ps {
  _Atomic uint32_t refs;    /* relaxed up, acquire-release down */
  _Atomic uint32_t awaited; /* answers that are to come, and one while the questions are posted */
  wf_port *to;              /* the asker's, held; NULL once the last answer has been told there */
  wf_mail done;
  wf_task *task; /* the asker's alone */
  uint32_t n, room;
  question questions[];
};

void wf_ps_release(wf_ps *p) {
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1) return;
  for (uint32_t i = 0; i < p->n; i++) wf_msg_free(atomic_load_explicit(&p->questions[i].answer, memory_order_relaxed));
  if (p->to != NULL) wf_port_release(p->to);
  wf_free(p);
}

/* The asker's carrier, or whoever lets its port go. */
static void on_done(wf_iso *iso, wf_mail *m) {
  wf_ps *p = wf_container_of(m, wf_ps, done);
  if (p->task != NULL) wf_wake(iso, p->task, WF_GOT);
  wf_ps_release(p);
}

static void on_done_dropped(wf_mail *m) { wf_ps_release(wf_container_of(m, wf_ps, done)); }

/* The question has had its answer, or will have none. Any thread. */
static void question_end(question *q) {
  wf_ps *p = q->ps;
  if (atomic_fetch_sub_explicit(&p->awaited, 1, memory_order_acq_rel) != 1) {
    wf_ps_release(p);
    return;
  }
  wf_port *to = p->to; /* a port must not be held by what lies in it */
  p->to = NULL;
  wf_port_post(to, &p->done); /* the hold goes along */
  wf_port_release(to);
}

/* Protected. Stack: isolate, question. */
static int build_answer(lua_State *L) {
  question *q = lua_touserdata(L, 2);
  wf_ps_rows(lua_touserdata(L, 1), L);
  atomic_store_explicit(&q->answer, wf_pack(L, lua_gettop(L), 1, "value"), memory_order_release);
  return 0;
}

/* The asked isolate's carrier. */
static void on_question(wf_iso *iso, wf_mail *m) {
  question *q = wf_container_of(m, question, mail);
  lua_State *L = iso->bench;
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, build_answer);
    lua_pushlightuserdata(L, iso);
    lua_pushlightuserdata(L, q);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
  }
  question_end(q);
}

static void on_question_dropped(wf_mail *m) { question_end(wf_container_of(m, question, mail)); }

static void count(void *ud, wf_port *port, const wf_member_id *id) {
  (void)port, (void)id;
  ++*(uint32_t *)ud;
}

static void ask(void *ud, wf_port *port, const wf_member_id *id) {
  wf_ps *p = ud;
  if (p->n == p->room) return; /* they join all the time */
  question *q = &p->questions[p->n++];
  q->mail.deliver = on_question;
  q->mail.drop = on_question_dropped;
  q->ps = p;
  q->id = *id;
  if (id->name != NULL) {
    strncpy(q->name, id->name, sizeof q->name - 1);
    q->id.name = q->name;
  }
  q->open = port != NULL;
  if (!q->open) return;
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&p->awaited, 1, memory_order_relaxed);
  wf_port_post(port, &q->mail);
}

wf_ps *wf_ps_ask(wf_iso *iso) {
  uint32_t n = 0;
  wf_family_each(iso->member, count, &n);
  wf_ps *p = wf_calloc(1, sizeof *p + n * sizeof *p->questions);
  if (p == NULL) return NULL;
  atomic_init(&p->refs, 1);
  atomic_init(&p->awaited, 1);
  p->done.deliver = on_done;
  p->done.drop = on_done_dropped;
  p->room = n;
  p->to = iso->port;
  wf_port_hold(p->to);
  wf_family_each(iso->member, ask, p);
  atomic_fetch_sub_explicit(&p->awaited, 1, memory_order_acq_rel);
  return p;
}

bool wf_ps_complete(const wf_ps *p) { return atomic_load_explicit(&p->awaited, memory_order_acquire) == 0; }

void wf_ps_waiter(wf_ps *p, wf_task *t) { p->task = t; }

bool wf_ps_waited(const wf_ps *p) { return p->task != NULL; }

static void push_unanswered(lua_State *L, const question *q) {
  static const char *const kinds[] = {
      [WF_MEMBER_ROOT] = "main", [WF_MEMBER_THREAD] = "thread", [WF_MEMBER_ISOLATE] = "isolate"};
  lua_createtable(L, 0, 5);
  set_string(L, "kind", kinds[q->id.kind]);
  set_integer(L, "id", (uint64_t)q->id.iso << 32 | 1);
  set_integer(L, "isolate", q->id.iso);
  set_string(L, "name", q->id.name);
  set_string(L, "state", q->open ? "running" : "ready");
}

void wf_ps_collect(wf_ps *p, lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
  for (uint32_t i = 0; i < p->n; i++) {
    question *q = &p->questions[i];
    const wf_msg *answer = atomic_load_explicit(&q->answer, memory_order_acquire);
    if (answer == NULL) {
      push_unanswered(L, q);
      lua_rawseti(L, idx, ++n);
      continue;
    }
    wf_unpack(L, answer);
    for (lua_Integer k = 1; lua_rawgeti(L, -1, k) != LUA_TNIL; k++) lua_rawseti(L, idx, ++n);
    lua_pop(L, 2);
  }
}
