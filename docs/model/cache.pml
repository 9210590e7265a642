/* The cache protocol for one key: writers, readers, and a Redis that may forget the key at any moment.
   One value per key holds entry (version), floor, lease, and one mark per write. Every step is atomic, as its script is.

   Property: a read returns at least every write that was acknowledged before it began.
   -DATOMIC: also at least what any earlier finished read returned. This holds only while marks of living writes are not
   forgotten: -DNOFORGET.

   -DWR=n, -DRD=n: writes of each of the two writers, reads of each of the two readers. -DFORGETS=n: moments of forgetting.
   -DBUG_...: planted bugs, each of which has to be found. */
#ifndef WR
#define WR 1
#endif
#ifndef RD
#define RD 2
#endif
#ifndef FORGETS
#define FORGETS 2
#endif
#define max(a,b) (a > b -> a : b)
#define live (mark[0] == 1 || mark[1] == 1)
#define marked (mark[0] != 0 || mark[1] != 0)

byte db = 0;                                            /* the version that is committed */
bool entry = false; byte val = 0, lowest = 0, lease = 0;
byte mark[2];                                           /* 0 none, 1 live, 2 past its deadline: its write is over, its outcome unknown */
byte nextLease = 1, known = 0, forgets = 0;
bool inflight[2];
byte flightOf = 0, flight = 0;                          /* the last read of the database under a lease, which others may join */

/* A value that says nothing is deleted, and its floor with it. */
inline tidy() {
  if :: !entry && lease == 0 && !marked -> lowest = 0 :: else fi
}

inline begin(i) { atomic { inflight[i] = true; mark[i] = 1;
  if :: entry -> lowest = max(lowest, val) :: else fi;  /* an entry's version is its floor */
#ifndef BUG_LEASE_SURVIVES_BEGIN
  lease = 0;
#endif
#ifndef BUG_ENTRY_SURVIVES_BEGIN
  entry = false
#else
  skip
#endif
} }

inline finish(i, my) { atomic {
  own = (mark[i] != 0); mark[i] = 0;
#ifndef BUG_LEASE_SURVIVES_FINISH
  lease = 0;
#endif
#ifndef BUG_NO_FLOOR
  lowest = max(lowest, my);
#endif
  if :: entry && val < my -> entry = false :: else fi;
  if
#ifdef BUG_STORE_WITHOUT_MARK
  :: mark[1-i] == 0 && my >= lowest -> entry = true; val = my
#else
#ifdef BUG_IGNORE_OTHER_MARKS
  :: own && my >= lowest -> entry = true; val = my
#else
#ifdef BUG_EXPIRED_MARK_IGNORED
  :: own && mark[1-i] != 1 && my >= lowest -> entry = true; val = my
#else
  :: own && mark[1-i] == 0 && my >= lowest -> entry = true; val = my
#endif
#endif
#endif
  :: else
  fi;
  tidy()
} }

active [2] proctype Writer() {
  byte my, n = 0; bool own; byte i = _pid;
  do
  :: n < WR -> n++;
     begin(i);
     if
     :: atomic { db++; my = db; inflight[i] = false };
#ifdef BUG_ACK_BEFORE_FINISH
        atomic { known = max(known, my) }; finish(i, my)
#else
        if
        :: finish(i, my); atomic { known = max(known, my) }
        :: skip                                         /* died, or Redis out of reach: not acknowledged from here, the mark stays */
        fi
#endif
     :: atomic { inflight[i] = false }                  /* failed before the commit; the mark stays until it expires */
     fi
  :: break
  od
}

active [2] proctype Reader() {
  byte f, got, mine, n = 0; bool done;
  do
  :: n < RD -> n++; done = false; mine = 0;
     f = known;
     if
     :: got = db                                        /* a strong read */
     :: atomic { if
          :: entry -> got = val; done = true
          :: !entry && !live && lease == 0 -> lease = nextLease; nextLease++; mine = lease;
             if :: !marked -> lowest = 0 :: else fi     /* nobody is left against whom the floor guards */
#ifndef NOSHARE
          :: !entry && !live && lease != 0 -> mine = lease; /* another's lease, which may be shared */
             if :: flightOf == lease -> got = flight; done = true :: true fi
#endif
#ifdef BUG_JOIN_ANY_READ
          :: !entry && flightOf != 0 -> got = flight; done = true
#endif
          :: else
          fi };
        if
        :: done
        :: else -> atomic { got = db; if :: mine > 0 -> flightOf = mine; flight = got :: else fi };
           atomic { if
#ifdef BUG_FILL_WITHOUT_LEASE
             :: mine > 0 && !live -> entry = true; val = got
#else
             :: mine > 0 && lease == mine && !live && got >= lowest -> entry = true; val = got; lease = 0; mark[0] = 0; mark[1] = 0
#endif
             :: else
             fi }
        fi
     fi;
     assert(got >= f);
#ifdef ATOMIC
     atomic { known = max(known, got) }
#endif
  :: break
  od
}

active proctype Nature() {
  do
  :: atomic { forgets < FORGETS && mark[0] == 1 && !inflight[0] -> mark[0] = 2; forgets++ }     /* a dead writer's mark expires */
  :: atomic { forgets < FORGETS && mark[1] == 1 && !inflight[1] -> mark[1] = 2; forgets++ }
  :: atomic { forgets < FORGETS && lease != 0 -> lease = 0; forgets++; tidy() }
#ifndef NOFORGET
  :: atomic { forgets < FORGETS -> entry = false; lowest = 0; lease = 0; mark[0] = 0; mark[1] = 0; forgets++ }   /* eviction, flush */
#else
  :: atomic { forgets < FORGETS && entry && !marked -> entry = false; forgets++; tidy() }
#endif
  :: break
  od
}
