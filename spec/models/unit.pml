/*
** unit.pml: a parked unit is marked and run again (csrc/sys/workers.c: wf_unit_mark, wf_unit_park, unit_run).
**
** Markers make something visible, then mark the unit; who finds it idle puts it into the queue. Two workers take it
** from there, look at what is visible, and park it. Each access to a shared word is one step.
**
** Wanted: the unit is in the queue once at most and runs on one worker at a time; when all is quiet, everything that
** was made visible has been seen.
**
** BUGS 5
**   1  the worker looks, then says that it runs, instead of before
**   2  it parks by a store instead of a compare-and-swap
**   3  the marker marks before it makes visible
**   4  the marker pushes whenever no worker runs it, also when it is in the queue
**   5  after WF_UNIT_AGAIN the worker stores IDLE and pushes, instead of MARKED
*/
#ifndef BUG
#define BUG 0
#endif
#define MARKERS 3
#define WORKERS 2

#define IDLE 0
#define MARKED 1
#define RUNNING 2

byte word = IDLE;
byte visible = 0; /* made visible */
byte seen = 0;
byte queued = 0;
byte running = 0;
byte marked = 0;  /* markers that are done */

inline push() {
  queued++;
  assert(queued <= 1)
}

active [MARKERS] proctype marker() {
  byte was;
#if BUG != 3
  visible++;
#endif
  atomic { was = word; word = word | MARKED }
#if BUG == 3
  visible++;
#endif
  if
#if BUG == 4
  :: (was & RUNNING) == 0 -> push()
#else
  :: was == IDLE -> push()
#endif
  :: else
  fi;
  marked++
}

active [WORKERS] proctype worker() {
  bool ours;
end_idle:
  do
  :: atomic { queued > 0 -> queued-- };
     running++;
     assert(running == 1);
#if BUG != 1
     word = RUNNING; /* an exchange: what was marked before is seen below */
#endif
     ours = true;
     do
     :: ours ->
        seen = visible;
#if BUG == 1
        word = RUNNING;
#endif
        if
        :: true -> /* nothing left to do: park */
           running--;
#if BUG == 2
           word = IDLE; ours = false
#else
           atomic {
             if
             :: word == RUNNING -> word = IDLE; ours = false
             :: else -> running++; word = word & RUNNING /* marked meanwhile: it still runs */
             fi
           }
#endif
        :: true -> /* its slice is over: again */
           running--;
#if BUG == 5
           word = IDLE;
#else
           word = MARKED;
#endif
           push();
           ours = false
        fi
     :: else -> break
     od
  od
}

active proctype quiet() {
  timeout -> assert(marked == MARKERS && seen == MARKERS && queued == 0)
}
