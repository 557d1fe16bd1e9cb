/* A family: a host's isolate and all that were started from it, directly or not. Channels cross within a
 * family only, so it is within a family that everybody can wait for each other: the deadlock of several
 * isolates is found here.
 *
 * A member is quiet while its carrier sleeps without a deadline because every task waits for something that
 * another member would have to do. Only awake members post mail to members. So when, under the lock, all
 * are quiet and all inboxes are empty, nothing will ever happen: a member that was posted to before the
 * poster became quiet has its mail in the inbox still, because it takes mail only when it is awake again.
 * A child is a member, and not quiet, from before its thread starts until after its last mail is posted.
 *
 * The members that are not quiet are counted, and whoever brings the count to 0 looks at all. A member with a thread
 * takes the lock for that. For an isolate of the worker pool the worker counts it off when its unit has been parked, and
 * looks if the count is 0 then (wf_family_rested); who marks a parked unit counts it on again, before it can run
 * (wf_family_stir). Meanwhile the count may be too high, since the unit may run elsewhere and be parked again before its first
 * worker has counted it off; never too low: each counting off comes after a parking. Between the mark and the counting on it
 * may be 0 although that unit is not parked any more; the look finds that. A worker that is still to count off keeps the
 * family alive by that (spec/models/quiet.pml).
 */
#ifndef WF_RT_FAMILY_H
#define WF_RT_FAMILY_H

#include "rt/iso.h"
#include "rt/port.h"
#include "sys/lanes.h"

typedef struct wf_family wf_family;

/* Two pools of threads for what blocks: what scripts ask for, and look-ups of names, which must not wait for that. */
enum wf_lanes_for { WF_LANES_CALLS, WF_LANES_NAMES, WF_LANES_KINDS };

/* What there is to say of a member without asking it. */
typedef struct wf_member_id {
  uint32_t iso;     /* its isolate's number */
  const char *name; /* NULL: none; lasts as long as the member */
  enum { WF_MEMBER_ROOT, WF_MEMBER_THREAD, WF_MEMBER_ISOLATE } kind;
} wf_member_id;

typedef struct wf_member {
  wf_family *family; /* held */
  wf_link link;      /* the rest is guarded by the family's lock */
  wf_port *port;     /* held while it is set; NULL: not open yet, or closed */
  bool quiet;        /* of a member that sleeps in its parker */
  wf_member_id id;   /* a child's: set before it joins */
  wf_mail mail;      /* asks for its part of the report */
  bool asked;
} wf_member;

/* Make a new family with its first member, the root; false when memory is out. */
bool wf_family_found(wf_member *m, wf_port *port);
/* Join the family of another member. */
void wf_family_join(wf_member *m, wf_member *relative, const wf_member_id *id);
/* Call fn for each other member, under the family's lock: it may post to the port (NULL: not open), and must not call Lua. */
void wf_family_each(wf_member *m, void (*fn)(void *ud, wf_port *port, const wf_member_id *id), void *ud);
/* The member's isolate is open, or closed (NULL). */
void wf_family_set_port(wf_member *m, wf_port *port);
/* Leave; the others may be found to be in a deadlock then. */
void wf_family_leave(wf_member *m);

/* The root ends: nothing new is started in the whole family. Else those who start could outrun their cancellation, which
 * goes from parent to child. Any thread may ask. */
void wf_family_ends(wf_member *m);
bool wf_family_ending(const wf_member *m);

/* A child does not end and is left behind. */
void wf_family_stuck(wf_member *m);

/* The carrier: it sleeps in its parker until somebody posts, and is awake again (before it takes any mail). */
void wf_family_quiet(wf_member *m);
void wf_family_awake(wf_member *m);

/* The worker: the unit of a member that was quiet has been parked, and is not ours any more. The family as it was before. */
void wf_family_rested(wf_family *f);
/* Who has marked a parked unit that was quiet, before it pushes it. */
void wf_family_stir(wf_member *m);

/* The bytecode of one of weft's own modules, or NULL. It lasts as long as the family. */
const char *wf_family_code(wf_member *m, const char *name, size_t *size);
/* Keep it; takes it over. When somebody else was faster it is freed. False: no memory. */
bool wf_family_keep_code(wf_member *m, const char *name, char *code, size_t size);

/* The worker pool, held for the family from the first call until the root closes; NULL: out of memory, or the root has
 * closed. */
wf_workers *wf_family_workers(wf_member *m);

/* The lanes for that, in the same way. */
wf_lanes *wf_family_lanes(wf_member *m, enum wf_lanes_for what);

#endif
