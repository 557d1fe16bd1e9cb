/* What lives now, for weft.ps: the tasks of this isolate, and those of the other isolates of the family, who are asked by
 * mail.
 *
 * A round of questions (wf_ps) is malloc'ed. Holders: the asker, and each question on its way. An answer is a message that
 * the asked isolate makes on its own carrier. The asker waits for the last answer up to a deadline; who computes without
 * a look at its mail is told of by what its family knows of it. Functions here run on the asker's carrier unless they say
 * otherwise.
 */
#ifndef WF_RT_PS_H
#define WF_RT_PS_H

#include "rt/iso.h"

typedef struct wf_ps wf_ps;

/* Push a list with a table for each unfinished task, the main chunk first. [-0, +1, m] */
void wf_ps_rows(wf_iso *iso, lua_State *L);

/* Ask all others; NULL: memory is out. */
wf_ps *wf_ps_ask(wf_iso *iso);
void wf_ps_release(wf_ps *p);

/* Have all answered? */
bool wf_ps_complete(const wf_ps *p);
/* Whom to wake with WF_GOT when they have; NULL: nobody any more. */
void wf_ps_waiter(wf_ps *p, wf_task *t);
bool wf_ps_waited(const wf_ps *p);

/* Append to the list at idx what has come, and what is known of those who have not answered. [-0, +0, e] */
void wf_ps_collect(wf_ps *p, lua_State *L, int idx);

#endif
