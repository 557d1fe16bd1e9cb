/* A family: a host's isolate and all that were started from it, directly or not. Channels cross within a
 * family only, so it is within a family that everybody can wait for each other: the deadlock of several
 * isolates is found here.
 *
 * A member is quiet while its carrier sleeps without a deadline because every task waits for something that
 * another member would have to do. Only awake members post mail to members. So when, under the lock, all
 * are quiet and all inboxes are empty, nothing will ever happen: a member that was posted to before the
 * poster became quiet has its mail in the inbox still, because it takes mail only when it is awake again.
 * A child is a member, and not quiet, from before its thread starts until after its last mail is posted.
 */
#ifndef WF_RT_FAMILY_H
#define WF_RT_FAMILY_H

#include "rt/iso.h"
#include "rt/port.h"

typedef struct wf_family wf_family;

typedef struct wf_member {
  wf_family *family; /* held */
  wf_link link;      /* the rest is guarded by the family's lock */
  wf_port *port;     /* held while it is set; NULL: not open yet, or closed */
  bool quiet;
  wf_mail mail;      /* asks for its part of the report */
  bool asked;
} wf_member;

/* Make a new family with its first member, the root; false when memory is out. */
bool wf_family_found(wf_member *m, wf_port *port);
/* Join the family of another member. */
void wf_family_join(wf_member *m, wf_member *relative);
/* The member's isolate is open, or closed (NULL). */
void wf_family_set_port(wf_member *m, wf_port *port);
/* Leave; the others may be found to be in a deadlock then. */
void wf_family_leave(wf_member *m);

/* The carrier: it sleeps until somebody posts, and is awake again (before it takes any mail). */
void wf_family_quiet(wf_member *m);
void wf_family_awake(wf_member *m);

#endif
