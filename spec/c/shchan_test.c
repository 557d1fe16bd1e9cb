/* shchan_test.c: the shared part of a channel (rt/shchan.h) by itself, without Lua: a channel of this process, and a mirror, which
 * stands for one of another process; with memory and without. Waits are records that this test makes; their mail lies in the
 * inbox of a port that nobody looks into. */
#include <stdlib.h>

#include "base/alloc.h"
#include "check.h"
#include "heap.h"
#include "rt/port.h"
#include "rt/shchan.h"

static heap c_heap;
static wf_port *port;

static wf_parcel number(lua_Integer i) {
  wf_parcel p = {.msg = NULL};
  p.cell.v.u.i = i;
  return p;
}

/* A value that owns memory: a message without anything in it. */
static wf_parcel letter(void) {
  wf_parcel p = {.msg = wf_msg_new(NULL, 10)};
  CHECK(p.msg != NULL);
  return p;
}

static lua_Integer value(const wf_parcel *p) { return p->cell.v.u.i; }

/* From now on no allocation of ours succeeds, or each does. */
static void memory(bool there) {
  if (there) heap_heal(&c_heap);
  else heap_order(&c_heap, 1, 1);
}

static wf_shchan *mirror_new(size_t capacity) {
  wf_shchan *s = wf_shchan_new(capacity);
  s->mirror = true;
  return s;
}

/* ---- waits ---- */

typedef struct pending {
  wf_swait record;
  wf_snode node;
} pending;

static void on_dropped(wf_mail *m) { (void)m; }

static void wait_init(pending *w, uint16_t index, lua_Integer offered) {
  *w = (pending){.record = {.port = port, .mail = {.drop = on_dropped}}};
  w->node.wait = &w->record;
  w->node.index = index;
  w->node.parcel = number(offered);
}

static bool open_(const pending *w) { return atomic_load(&w->record.claim) == WF_OPEN; }

/* ---- bells ---- */

static void bell_init(wf_bell *b, bool receivers) {
  *b = (wf_bell){.port = port, .receivers = receivers, .mail = {.drop = on_dropped}};
}

/* Has it been rung since? */
static bool rang(wf_shchan *s, wf_bell *b) {
  bool rung = b->rung;
  wf_port_drain(port);
  wf_shchan_heard(s, b);
  return rung;
}

/* ---- tests ---- */

/* Without memory for the ring a channel seems full; what it has is kept. */
static void full_without_memory(void) {
  wf_shchan *s = wf_shchan_new(20);
  wf_parcel p = number(1), got;
  memory(false);
  CHECK(wf_shchan_new(1) == NULL);
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_WOULD_WAIT);
  CHECK(!wf_shchan_ready(s, true) && !wf_shchan_ready(s, false));
  memory(true);
  for (lua_Integer i = 1; i <= 8; i++) {
    p = number(i);
    CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_OK);
  }
  memory(false);
  p = number(9);
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_WOULD_WAIT && wf_shchan_count(s) == 8);
  memory(true);
  p = letter();
  memory(false);
  CHECK(wf_shchan_unrecv(s, &p, 0) == -1 && p.msg == NULL); /* it is given up, and nothing of it is left */
  memory(true);
  for (lua_Integer i = 1; i <= 8; i++) CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_OK && value(&got) == i);
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_WOULD_WAIT);
  wf_shared_release(&s->shared);
}

/* Values put back, forced in, spared. */
static void out_of_turn(void) {
  wf_shchan *s = wf_shchan_new(2);
  wf_parcel p = number(2), got;
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_OK);
  p = number(4);
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_OK);
  p = number(1);
  CHECK(wf_shchan_unrecv(s, &p, 0) == 0);
  p = number(3);
  CHECK(wf_shchan_unrecv(s, &p, 2) == 0);
  p = number(5);
  wf_shchan_force(s, &p);
  CHECK(wf_shchan_count(s) == 5 && !wf_shchan_spare(s, &got, 5));
  CHECK(wf_shchan_spare(s, &got, 4) && value(&got) == 1);
  wf_parcel all[5];
  CHECK(wf_shchan_drain(s, all, 5) == 4);
  for (int i = 0; i < 4; i++) CHECK(value(&all[i]) == i + 2);
  pending w;
  wait_init(&w, 1, 0);
  CHECK(wf_shchan_recv_or_wait(s, &w.node, &got) == WF_CHANNEL_WOULD_WAIT);
  p = number(6);
  CHECK(wf_shchan_unrecv(s, &p, 0) == 1); /* to who waits */
  CHECK(!open_(&w) && w.record.has_value && value(&w.record.parcel) == 6);
  wf_port_drain(port);
  wf_shared_release(&s->shared);
}

/* A mirror sends what lies in its ring, and receives what lies in its inbox; both go with it. */
static void mirror(void) {
  wf_shchan *s = mirror_new(4);
  wf_parcel p = number(1), got, all[4];
  size_t receivers, senders;
  bool closed;
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_OK);
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_WOULD_WAIT && !wf_shchan_ready(s, false) && wf_shchan_ready(s, true));
  wf_shchan_survey(s, 9, &receivers, &senders, &closed);
  CHECK(receivers == 1 && senders == 0 && !closed); /* somebody has looked in vain */
  wf_shchan_survey(s, 9, &receivers, &senders, &closed);
  CHECK(receivers == 0);
  memory(false);
  p = number(7);
  CHECK(wf_shchan_incoming(s, &p) == -1 && wf_shchan_count(s) == 1); /* no room: it is not taken over */
  memory(true);
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_WOULD_WAIT);
  p = number(0);
  CHECK(wf_shchan_incoming(s, &p) == 0);
  wf_shchan_survey(s, 9, &receivers, &senders, &closed);
  CHECK(receivers == 0 && wf_shchan_recv_now(s, &got) == WF_CHANNEL_OK && value(&got) == 0); /* it came meanwhile */
  for (lua_Integer i = 1; i <= 9; i++) {
    p = number(i);
    CHECK(wf_shchan_incoming(s, &p) == 0);
  }
  CHECK(wf_shchan_ready(s, false) && !wf_shchan_spare(s, &got, 0));
  CHECK(wf_shchan_drain(s, all, 2) == 2 && value(&all[0]) == 1 && value(&all[1]) == 2); /* of the inbox */
  CHECK(wf_shchan_uninbox(s, &got) && value(&got) == 3);
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_OK && value(&got) == 4);
  wf_shchan_survey(s, 9, &receivers, &senders, &closed);
  CHECK(receivers == 0);
  CHECK(wf_shchan_drain(s, all, 4) == 4 && wf_shchan_drain(s, all, 4) == 1 && !wf_shchan_uninbox(s, &got));
  CHECK(wf_shchan_outgoing(s, &got) && value(&got) == 1 && !wf_shchan_outgoing(s, &got));
  wf_shchan_drain_out(s);
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_CLOSED && wf_shchan_ready(s, false));
  wf_shchan_close(s);
  p = number(1);
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_CLOSED && wf_shchan_ready(s, true) && wf_shchan_closed(s));
  p = letter();
  CHECK(wf_shchan_incoming(s, &p) == 0);
  p = letter();
  wf_shchan_force(s, &p);
  CHECK(wf_shchan_count(s) == 2);
  wf_shared_release(&s->shared); /* frees both */
}

/* Bells of mirrors ring when there is something to send or somebody wants something; those at home, when somebody waits and it
 * was asked for. Once, until they were heard. */
static void bells(void) {
  wf_shchan *s = mirror_new(1), *home = wf_shchan_new(1);
  wf_bell b, c, at_home;
  wf_parcel p = number(1), got;
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_WOULD_WAIT); /* nobody to tell */
  wf_shchan_force(s, &p);
  bell_init(&b, false);
  bell_init(&c, true);
  wf_shchan_bell(s, &b);
  wf_shchan_bell(s, &c);
  p = number(2);
  wf_shchan_force(s, &p);
  CHECK(rang(s, &b) && rang(s, &c));
  CHECK(wf_shchan_recv_now(s, &got) == WF_CHANNEL_WOULD_WAIT && rang(s, &b) && rang(s, &c));
  p = number(3);
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_WOULD_WAIT && rang(s, &b));
  rang(s, &c);
  wf_shchan_close(s);
  CHECK(b.rung);
  wf_shchan_close(s); /* it has not been heard: no second mail */
  CHECK(rang(s, &b) && rang(s, &c));
  bell_init(&at_home, false);
  wf_shchan_bell(home, &at_home);
  pending w;
  wait_init(&w, 1, 0);
  CHECK(wf_shchan_recv_or_wait(home, &w.node, &got) == WF_CHANNEL_WOULD_WAIT && !rang(home, &at_home));
  at_home.receivers = true;
  pending v;
  wait_init(&v, 1, 0);
  CHECK(wf_shchan_recv_or_wait(home, &v.node, &got) == WF_CHANNEL_WOULD_WAIT && rang(home, &at_home));
  wf_shchan_close(home);
  CHECK(!open_(&w) && !open_(&v) && w.record.how == WF_CLOSED && rang(home, &at_home));
  wf_shchan_unbell(s, &b);
  wf_shchan_unbell(s, &c);
  wf_shchan_unbell(home, &at_home);
  wf_port_drain(port);
  wf_shared_release(&s->shared);
  wf_shared_release(&home->shared);
}

/* Who waits is counted, as far as somebody asks, but for those whose wait is over. A value that was accepted from another process is
 * kept when the channel is closed, unless memory is out. */
static void those_who_wait(void) {
  for (int way = 0; way < 2; way++) {
    wf_shchan *s = wf_shchan_new(0);
    pending w[4];
    size_t receivers, senders;
    bool closed;
    for (uint16_t i = 0; i < 4; i++) {
      wait_init(&w[i], (uint16_t)(i + 1), i);
      CHECK(wf_shchan_send_or_wait(s, &w[i].node) == WF_CHANNEL_WOULD_WAIT);
    }
    CHECK(wf_swait_take_here(&w[1].record)); /* a time-out, say */
    wf_shchan_survey(s, 9, &receivers, &senders, &closed);
    CHECK(receivers == 0 && senders == 3 && !closed);
    wf_shchan_survey(s, 2, &receivers, &senders, &closed);
    CHECK(senders == 2);
    s->closed = true; /* closing has begun, nobody has been told so far */
    wf_shchan_survey(s, 9, &receivers, &senders, &closed);
    CHECK(senders == 3 && !closed);
    w[3].node.committed = true;
    memory(way == 0);
    wf_shchan_shut(s);
    memory(true);
    CHECK(w[0].record.how == WF_CLOSED && w[0].record.won == 1 && w[2].record.how == WF_CLOSED && w[2].record.won == 3);
    CHECK(w[3].record.how == (way == 0 ? WF_GOT : WF_CLOSED) && wf_shchan_count(s) == (way == 0));
    wf_shchan_survey(s, 9, &receivers, &senders, &closed);
    CHECK(senders == 0 && closed == (way == 1));
    wf_parcel got;
    CHECK(wf_shchan_recv_now(s, &got) == (way == 0 ? WF_CHANNEL_OK : WF_CHANNEL_CLOSED));
    wf_shchan_survey(s, 9, &receivers, &senders, &closed);
    CHECK(closed);
    wf_port_drain(port);
    wf_shared_release(&s->shared);
  }
}

/* Of several cases the first that can be done is, and nothing waits then; else all do. */
static void select_(void) {
  wf_shchan *s = wf_shchan_new(1), *t = mirror_new(1), *order[3];
  pending w, v, u;
  int done = -1;
  wait_init(&w, 1, 0);
  wait_init(&v, 2, 5);
  wait_init(&u, 3, 0);
  wf_shcase cases[] = {{s, &w.node, false}, {s, &v.node, true}, {t, &u.node, false}};
  CHECK(wf_shchan_select(cases, 3, order, &done) == WF_CHANNEL_OK && done == 1); /* the second */
  CHECK(wf_list_empty(&s->receivers) && wf_list_empty(&s->senders) && wf_list_empty(&t->receivers));
  CHECK(wf_shchan_select(cases, 3, order, &done) == WF_CHANNEL_OK && done == 0 && value(&w.node.parcel) == 5);
  wf_bell b;
  bell_init(&b, false);
  wf_shchan_bell(t, &b);
  cases[1].send = false;
  CHECK(wf_shchan_select(cases, 3, order, &done) == WF_CHANNEL_WOULD_WAIT && rang(t, &b));
  CHECK(!wf_list_empty(&s->receivers) && !wf_list_empty(&t->receivers) && open_(&w) && open_(&v) && open_(&u));
  wf_parcel p = number(6);
  CHECK(wf_shchan_incoming(t, &p) == 1 && !open_(&u) && value(&u.record.parcel) == 6);
  p = number(7);
  CHECK(wf_shchan_send_now(s, &p) == WF_CHANNEL_OK && !open_(&w) && open_(&v));
  wf_shchan_unbell(t, &b);
  wf_shchan_close(s);
  wf_port_drain(port);
  wf_shared_release(&s->shared);
  wf_shared_release(&t->shared);
}

int main(void) {
  wf_alloc_set(heap_c, &c_heap);
  port = wf_port_new(NULL, NULL);
  full_without_memory();
  out_of_turn();
  mirror();
  bells();
  those_who_wait();
  select_();
  wf_port_drain(port);
  wf_port_release(port);
  CHECK(c_heap.blocks == 0);
  printf("%d failures\n", failures);
  return failures != 0;
}
