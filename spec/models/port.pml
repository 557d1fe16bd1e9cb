/*
** port.pml: an isolate ends while others post to its port (csrc/rt/port.c, swait.h: wf_swait_post; shutdown).
**
** The port is counted memory. The isolate has a hold, and so has each record of a wait, which the isolate frees, with
** its hold, as soon as the record's mail has been delivered. Strangers (children that tell of their end) have holds of
** their own. The isolate delivers until its waits are over; then it ends: it drops what has come and lets the port go.
** Who lets it go last drops what has come since.
**
** Wanted: each mail is delivered or dropped, once; the port is freed, once, and nobody looks at it afterwards.
**
** BUGS 5
**   1  who posts a record has no hold of its own meanwhile
**   2  the last one to let go does not drop what has come
**   3  the hold is a load and a store
**   4  the isolate frees the port itself at its end
**   5  a stranger lets go before it posts
*/
#ifndef BUG
#define BUG 0
#endif
#define RECORDS 2
#define STRANGERS 2

byte refs = 1 + RECORDS + STRANGERS;
bool gone = false;
byte records = 0, letters = 0; /* in the inbox: mails of records, of strangers */
byte handled = 0;              /* letters delivered or dropped */
byte served = 0;               /* records that have come home */
bool woken = false;
byte posted = 0;

inline touch() { assert(!gone) }

inline release() {
  touch();
  atomic { refs--; left = refs };
  if
  :: left == 0 ->
#if BUG != 2
     atomic { handled = handled + letters; letters = 0 };
     assert(records == 0);
#endif
     touch();
     gone = true
  :: else
  fi
}

inline hold() {
  touch();
#if BUG == 3
  left = refs;
  refs = left + 1
#else
  refs++
#endif
}

/* Won a wait on another thread: sends the record home. */
proctype winner() {
  byte left;
#if BUG != 1
  hold();
#endif
  touch();
  records++;      /* the record may be gone from here on, and its hold with it */
  touch();
  woken = true;   /* the parker's word, in the port */
#if BUG != 1
  release();
#endif
  posted++
}

proctype stranger() {
  byte left;
#if BUG == 5
  release();
#endif
  touch();
  letters++;
  touch();
  woken = true;
#if BUG != 5
  release();
#endif
  posted++
}

proctype isolate() {
  byte left, got;
  do
  :: records > 0 ->
     atomic { got = records; records = 0 };
     do
     :: got > 0 -> got--; served++; release()
     :: else -> break
     od
  :: letters > 0 -> atomic { handled = handled + letters; letters = 0 }
  :: served == RECORDS -> break /* every wait is over: the end */
  od;
  atomic { handled = handled + letters; letters = 0 };
#if BUG == 4
  touch();
  gone = true
#else
  release()
#endif
}

init {
  atomic {
    run isolate();
    run winner(); run winner();
    run stranger(); run stranger()
  }
  timeout ->
  assert(posted == RECORDS + STRANGERS);
  assert(served == RECORDS);
  assert(handled == STRANGERS);
  assert(gone)
}
