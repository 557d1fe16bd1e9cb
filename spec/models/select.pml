/*
** select.pml: one wait on two shared channels that several threads may end (csrc/rt/swait.h, csrc/rt/shchan.c).
**
** A task waits in both channels' queues of receivers by a node each. Two senders send to each channel: under its lock
** they win the wait's claim and deliver, or keep the value in the channel. The task's own isolate may end the wait
** too, by a time-out. Who has won on another thread posts the record home; all else is done by the isolate, which frees
** the record when no thread can find it any more.
**
** Wanted: a value is received or in the channel, never both and never neither; nothing looks at a freed record; the
** isolate always comes to an end.
**
** BUGS 6
**   1  the claim is a load and a store
**   2  the isolate frees the record before its nodes are out of the queues
**   3  a sender delivers without winning the claim
**   4  the isolate that has lost the claim does not wait for the mail
**   5  the isolate takes only one of its nodes out of the queues
**   6  a sender decides that nobody waits before it has the lock
*/
#ifndef BUG
#define BUG 0
#endif
#define CHANNELS 2
#define SENDERS 2

#define OPEN 0
#define HERE 1
#define THERE 2

byte claim = OPEN;
bool freed = false;
bool mail = false;
byte kept[CHANNELS];    /* values in the channel */
bool node[CHANNELS];    /* the wait's node is in its queue */
bool lock[CHANNELS];
byte sent = 0, received = 0;
byte delivered = 0;     /* into the record */
bool over = false;

inline take(c) { atomic { !lock[c] -> lock[c] = true } }
inline drop(c) { lock[c] = false }
inline touch() { assert(!freed) } /* an access to the record or to a node of it */

inline win(by, won) {
#if BUG == 1
  won = (claim == OPEN);
  if
  :: won -> claim = by
  :: else
  fi
#else
  atomic {
    won = (claim == OPEN);
    if
    :: won -> claim = by
    :: else
    fi
  }
#endif
}

proctype sender(byte c) {
  bool won = false, waits;
#if BUG == 6
  waits = node[c];
  take(c);
#else
  take(c);
  waits = node[c];
#endif
  if
  :: waits ->
     touch();
#if BUG == 3
     won = true;
#else
     win(THERE, won);
#endif
     node[c] = false; /* won or lost, it is of no more use here */
     if
     :: won -> touch(); delivered++; sent++
     :: else -> kept[c]++; sent++
     fi
  :: else -> kept[c]++; sent++
  fi;
  drop(c);
  if
  :: won -> touch(); mail = true
  :: else
  fi
}

inline unlink(c) {
  take(c);
  node[c] = false;
  drop(c)
}

proctype isolate() {
  bool won = false;
  byte c;
  if
  :: mail /* it was served */
  :: true -> /* its time is over */
     win(HERE, won);
     if
     :: won
     :: else ->
#if BUG != 4
        mail /* somebody has won: the mail is on the way */
#endif
     fi
  fi;
#if BUG == 2
  freed = true;
#endif
  unlink(0);
#if BUG != 5
  unlink(1);
#endif
  received = delivered;
  freed = true;
  /* What was kept is received later. */
  over = true
}

init {
  atomic {
    node[0] = true; node[1] = true;
    run isolate();
    run sender(0); run sender(0);
    run sender(1); run sender(1)
  }
  timeout ->
  assert(over);
  assert(received <= 1);
  assert(sent == 2 * SENDERS);
  assert(received + kept[0] + kept[1] == sent)
}
