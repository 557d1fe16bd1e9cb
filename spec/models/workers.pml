/*
** workers.pml: workers search and sleep, and the pool stops (csrc/sys/worker_rest.c, worker_queue.c, workers.c).
**
** Pushers, threads from outside, put units into the common queue and announce them. Workers take units; one that finds
** none puts itself among the sleepers, ends its search, looks once more, and sleeps until its parker is woken. A unit,
** once, pushes another one from inside. In the end the pool is stopped.
**
** Wanted: when all is quiet no unit waits while every worker sleeps; the counters tell the truth; after the stop every
** worker has ended.
**
** BUGS 8
**   1  a worker looks, then puts itself among the sleepers
**   2  it ends its search after the last look
**   3  it does not end its search at all when it goes to sleep
**   4  the announcer looks at the sleepers before the unit is in the queue
**   5  the waker leaves the one that it wakes among the sleepers
**   6  the stop wakes all, then says that it stops
**   7  the parker forgets a wake that comes before the sleep
**   8  it looks whether it searches when it can be woken already: who wakes it makes it a searcher anew, and the count
**      stays too high
*/
#ifndef BUG
#define BUG 0
#endif
#define WORKERS 2
#define PUSHERS 2

byte queue = 0;         /* units in the common queue */
byte ran = 0;          /* units that have run */
byte more = 1;          /* units that units push */
byte asleep = 0;        /* workers among the sleepers */
byte searching = 0;
bool among[WORKERS];    /* among the sleepers; under the pool's lock, as asleep */
bool search[WORKERS];   /* it was woken and has found nothing yet */
bool token[WORKERS];    /* the parker: woken */
bool parked[WORKERS];
bool lock = false;      /* the pool's */
bool stopping = false;
byte ended = 0, pushed = 0;

inline take() { atomic { !lock -> lock = true } }
inline drop() { lock = false }

inline wake(i) {
#if BUG == 7
  atomic {
    if
    :: parked[i] -> token[i] = true
    :: else
    fi
  }
#else
  token[i] = true
#endif
}

inline wake_one() {
  take();
  who = 255;
  if
  :: among[0] -> who = 0
  :: among[1] -> who = 1
  :: !among[0] && !among[1]
  fi;
  if
  :: who != 255 ->
#if BUG != 5
     among[who] = false;
     asleep--;
#endif
     search[who] = true;
     searching++
  :: else
  fi;
  drop();
  if
  :: who != 255 -> wake(who)
  :: else
  fi
}

inline announce() {
  if
  :: asleep == 0
  :: else ->
     if
     :: searching > 0
     :: else -> wake_one()
     fi
  fi
}

inline search_end(w) {
  if
  :: search[w] -> search[w] = false; searching--
  :: else
  fi
}

proctype pusher() {
  byte who;
#if BUG == 4
  if
  :: asleep == 0 || searching > 0 -> queue++
  :: else -> queue++; wake_one()
  fi;
#else
  queue++;
  announce();
#endif
  pushed++
}

proctype worker(byte w) {
  byte who;
  bool has, searched = false;
  do
  :: /* find */
     if
     :: atomic { queue > 0 -> queue--; has = true }
     :: atomic { queue == 0 -> has = false }
     fi;
     if
     :: has ->
        /* found: hand the search on */
        if
        :: search[w] ->
           search[w] = false;
           searching--;
           if
           :: queue > 0 -> announce()
           :: else
           fi
        :: else
        fi;
        if
        :: atomic { more > 0 -> more--; queue++ }; announce()
        :: true
        fi;
        ran++
     :: else ->
        /* rest */
#if BUG == 1
        has = (queue > 0);
#endif
        take();
        if
        :: stopping -> search_end(w); drop(); break
        :: else ->
#if BUG != 2 && BUG != 3 && BUG != 8
           searched = search[w];
           search[w] = false; /* once it is among the sleepers, who wakes it writes this */
#endif
           among[w] = true;
           asleep++;
           drop()
        fi;
#if BUG == 8
        search_end(w);
#endif
        if
        :: searched -> searched = false; searching--
        :: else
        fi;
#if BUG != 1
        has = (queue > 0);
#endif
#if BUG == 2
        search_end(w);
#endif
        if
        :: has
        :: else ->
           parked[w] = true;
           token[w]; /* sleeps until it is woken */
           atomic { parked[w] = false; token[w] = false }
        fi;
        take();
        if
        :: among[w] -> among[w] = false; asleep--
        :: else
        fi;
        drop()
     fi
  od;
  ended++
}

init {
  byte i;
  atomic {
    run worker(0); run worker(1);
    run pusher(); run pusher()
  }
  timeout ->
  assert(pushed == PUSHERS);
  assert(queue == 0);
  assert(searching == 0);
  /* the pool stops */
#if BUG == 6
  wake(0); wake(1);
  take(); stopping = true; drop();
#else
  take(); stopping = true; wake(0); wake(1); drop();
#endif
  timeout ->
  assert(ended == WORKERS)
}
