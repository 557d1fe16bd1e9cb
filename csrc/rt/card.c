/* See card.h. */
#include "rt/card.h"

#include "rt/iso.h"
#include "rt/port.h"
#include "sys/stack.h"
#include "sys/thread.h"

void wf_card_take_up(wf_iso *iso) {
  wf_card *c = &iso->port->card;
  atomic_store_explicit(&c->isolate, iso->id, memory_order_relaxed);
  if (!iso->pooled) { /* a worker carries many in turn */
    atomic_store_explicit(&c->thread, wf_stack_mine(), memory_order_relaxed);
    atomic_store_explicit(&c->tid, wf_thread_self_tid(), memory_order_relaxed);
  }
  wf_card_note(iso);
}

void wf_card_note(wf_iso *iso) {
  wf_card *c = &iso->port->card;
  uint64_t memory = (uint64_t)lua_gc(iso->L, LUA_GCCOUNT) * 1024 + (uint64_t)lua_gc(iso->L, LUA_GCCOUNTB);
  atomic_store_explicit(&c->tasks, iso->live + 1, memory_order_relaxed);
  atomic_store_explicit(&c->memory, memory, memory_order_relaxed);
}
