/*
** quiet.pml: the deadlock of several isolates of the worker pool is found, and none that is not there (csrc/rt/family.c:
** wf_family_rested, wf_family_stir; csrc/rt/port.c: wf_port_wake; csrc/rt/slice.c).
**
** Members, each a unit. One that runs takes its mail, may send a mail to another one while there are some left to send, and
** parks; a worker runs it, parks it, and then counts it off. Who marks a parked unit counts it on. A member may end instead
** of parking: the last who has anything to do with the family frees it. The root has a thread, sleeps, and counts as quiet;
** a signal wakes it once: it counts itself on under the lock, cancels the others by mail, and leaves. Each access to a
** shared word is a step.
**
** Wanted: when nothing happens any more and somebody is left who waits, the deadlock has been found; it is never found
** while a mail is on its way or anybody runs; the family is freed once, and nobody touches it afterwards.
**
** BUGS 4
**   1  the worker counts off before it parks, and does not look after that
**   2  who marks does not count on
**   3  who brings the count to 0 looks without a hold
**   4  only members hold the family, not those who are still to count off
*/
#ifndef BUG
#define BUG 0
#endif
#define MEMBERS 2

#define IDLE 0
#define MARKED 1
#define RUNNING 2
#define GONE 3

byte unit[MEMBERS];    /* the words */
byte mail[MEMBERS];    /* in the inbox */
byte queued[MEMBERS];
bool live[MEMBERS];    /* it is a member */
byte busy = MEMBERS, holds = MEMBERS + 1; /* the root holds it too */
bool root = true, root_quiet = true;
byte letters = 2;      /* that may still be sent */
bool lock = false, freed = false, found = false;
byte frees = 0;

inline take() { atomic { !lock -> lock = true } }
inline drop() { lock = false }

/* One step, which sees the count and the holds at once. */
inline free_if_last() {
  if
#if BUG == 4
  :: holds == 0 && !freed ->
#else
  :: busy == 0 && holds == 0 ->
#endif
     freed = true; frees++; assert(frees == 1)
  :: else
  fi
}

/* Under the lock: is everybody parked, with an empty inbox? Member by member. */
inline look() {
  assert(!freed);
  take();
  i = 0;
  quiet = (busy == 0 && root && root_quiet);
  do
  :: i < MEMBERS && quiet ->
     if
     :: live[i] && unit[i] != IDLE -> quiet = false
     :: else
     fi;
     if
     :: live[i] && mail[i] > 0 -> quiet = false
     :: else
     fi;
     i++
  :: else -> break
  od;
  if
  :: quiet && !found ->
     found = true;
     assert(!(live[0] && (mail[0] > 0 || unit[0] != IDLE)));
     assert(!(live[1] && (mail[1] > 0 || unit[1] != IDLE)));
     assert(root_quiet)
  :: else
  fi;
  assert(!freed);
  drop();
  i = 0;
  quiet = false
}

/* Send to member m: it is held by the sender as long as it is a member. */
inline post(m) {
  mail[m]++;
  atomic { was = unit[m]; unit[m] = (unit[m] == IDLE -> MARKED : (unit[m] == RUNNING -> RUNNING + MARKED : unit[m])) };
  if
  :: was == IDLE ->
#if BUG != 2
     atomic { assert(!freed); busy++ };
#endif
     queued[m]++
  :: else
  fi
}

/* A worker runs member m: RUNNING + MARKED is 3, so GONE is told by `live`. */
proctype worker() {
  byte m, to, was, i;
  bool quiet, mine, looks;
end_idle:
  do
  :: atomic {
       if
       :: queued[0] > 0 -> queued[0]--; m = 0
       :: queued[1] > 0 -> queued[1]--; m = 1
       fi
     };
     unit[m] = RUNNING;
     mine = true;
     do
     :: mine ->
        mail[m] = 0;
        if
        :: atomic { letters > 0 -> letters-- };
           to = (live[1 - m] -> 1 - m : MEMBERS);
           if
           :: to < MEMBERS -> post(to)
           :: else
           fi
        :: true
        fi;
        if
        :: atomic { mail[m] == 0 -> live[m] = false };
           mine = false;
           /* leaves: counts itself off, looks, gives its hold back */
           take(); busy--; drop();
           if
           :: busy == 0 -> look()
           :: else
           fi;
           atomic { assert(!freed); holds--; free_if_last() }
        :: true ->
#if BUG == 1
           busy--;
#endif
           atomic {
             if
             :: unit[m] == RUNNING -> unit[m] = IDLE; mine = false
             :: else -> unit[m] = RUNNING
             fi
           };
#if BUG == 1
           if
           :: mine -> busy++
           :: else
           fi
#else
           if
           :: !mine ->
              looks = false;
              atomic {
                assert(!freed);
                busy--;
#if BUG == 3
                looks = (busy == 0);
                free_if_last()
#else
                if
                :: busy == 0 && holds > 0 -> holds++; looks = true
                :: else -> free_if_last()
                fi
#endif
              };
              if
              :: looks ->
                 look();
#if BUG != 3
                 atomic { assert(!freed); holds--; free_if_last() }
#endif
              :: else
              fi
           :: else
           fi
#endif
        fi
     :: else -> break
     od
  od
}

proctype signalled() {
  byte was, i;
  bool quiet;
  if
  :: true -> goto done /* no signal comes */
  :: true
  fi;
  take(); root_quiet = false; busy++; drop();
  if
  :: live[0] -> post(0)
  :: else
  fi;
  if
  :: live[1] -> post(1)
  :: else
  fi;
  take(); root = false; busy--; drop();
  atomic { assert(!freed); holds--; free_if_last() };
done:
  skip
}

init {
  atomic {
    live[0] = true; live[1] = true;
    unit[0] = MARKED; unit[1] = MARKED;
    queued[0] = 1; queued[1] = 1;
    run worker(); run worker(); run signalled()
  }
  timeout ->
  assert(found || !root || !(live[0] || live[1]))
}
