/* What a run decides (explore.h): the menu of who could go on, and who does by which policy. */
#ifndef WF_RT_EXPLORE_CHOOSE_H
#define WF_RT_EXPLORE_CHOOSE_H

#include "rt/explore.h"

/* Who could go on now, in the order in which choices are numbered; the clock comes after the tasks. */
typedef struct wf_menu {
  wf_task *task[WF_EXPLORE_TASKS + 1];
  uint32_t n;
  bool clock;       /* time could pass too */
  bool all_yielded; /* each of the tasks has yielded since another one ran */
} wf_menu;

static inline uint32_t wf_menu_size(const wf_menu *m) { return m->n + m->clock; }

/* `running`: the task that could just go on, or NULL. */
void wf_menu_fill(wf_iso *iso, wf_explore *e, wf_menu *m, wf_task *running);

/* Decide, and note the decision. */
uint32_t wf_explore_choose(wf_explore *e, const wf_menu *m, enum wf_explore_kind kind);
uint32_t wf_explore_choose_value(wf_explore *e, uint32_t n);

/* The task that ran last has left: if by weft.yield, all that are ready go before it. */
void wf_explore_note_yield(wf_iso *iso, wf_explore *e);

/* The task runs now. */
void wf_explore_goes(wf_explore *e, const wf_task *t);

uint32_t wf_explore_random(wf_explore *e);

#endif
