/*
 * The protocol by which documents are written, as `handler.documents` follows it, for SPIN (https://spinroot.com).
 *
 * One input is uploaded, changes to and fro, is deleted and comes back. Each upload brings a message, and workers do what the
 * messages ask for: they read the present input, score it, and publish its document. Labels are named after what the code does
 * there, and comments after its methods. Whatever stands in `atomic` is one call of the store, with what follows from its answer.
 *
 * Faults come at any step and any number of times: a call fails, the process dies, a write is done and its answer is lost,
 * another write is in progress, a message is delivered twice, or late. With LATE, a write that was given up takes effect at any
 * later moment. Nobody counts attempts: after each one, a worker tries again or gives up, so this covers every MAX_ATTEMPTS.
 */

/* The case that is checked. */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CHANGES
#define CHANGES 3               /* uploads and deletions */
#endif
#ifndef VERSIONED
#define VERSIONED 1
#endif
#ifndef REPEATS
#define REPEATS 1               /* an upload may bring back an earlier content, and so its ETag */
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef TWINS_STAY
#define TWINS_STAY (!VERSIONED) /* a second copy of a message comes again if it fails, even if the first one is done */
#endif
#ifndef SWEPT
#define SWEPT 0                 /* a sweep, and no event, asks for each upload */
#endif
#ifndef BY_ETAG
#define BY_ETAG SWEPT           /* P1 asks for the right ETag, and not for the right version, which sweeps do not see */
#endif
#ifndef ONLY
#define ONLY 0                  /* the one property to check, 1 to 4; 0 for all of them */
#endif

/* The guards, each of which is taken out by, for example, -DIF_MATCH=0. */
#ifndef CREATE_IF_NONE
#define CREATE_IF_NONE 1        /* a first document is written only where there is none */
#endif
#ifndef KEEP_EQUAL
#define KEEP_EQUAL 1            /* a document with equal metadata is kept */
#endif
#ifndef COMPARE_ETAG
#define COMPARE_ETAG 1          /* the metadata name the ETag of the input, */
#endif
#ifndef COMPARE_VERSION
#define COMPARE_VERSION 1       /* and its version */
#endif
#ifndef CONTENT_VERSION
#define CONTENT_VERSION 1       /* the document itself names the version, so that its own ETag differs */
#endif
#ifndef LOOK_IF_GONE
#define LOOK_IF_GONE 1          /* nothing is replaced for an input that is gone, */
#endif
#ifndef LOOK_AT_ETAG
#define LOOK_AT_ETAG 1          /* or has another ETag, */
#endif
#ifndef LOOK_AT_VERSION
#define LOOK_AT_VERSION 1       /* or another version than what was scored */
#endif
#ifndef LOOK_AFTER_FIND
#define LOOK_AFTER_FIND 1       /* and this look at the input comes after that at the document */
#endif
#ifndef IF_MATCH
#define IF_MATCH 1              /* only the document that was found is replaced */
#endif
#ifndef RETRY_CONFLICT
#define RETRY_CONFLICT 1        /* a first document that another write kept out is tried again, */
#endif
#ifndef RETRY_STOPPED
#define RETRY_STOPPED 1         /* and so is a replacement */
#endif
#ifndef GIVE_UP_FAILED
#define GIVE_UP_FAILED 1        /* a worker that lost every attempt says that it failed */
#endif
#ifndef LAST_LOOK
#define LAST_LOOK 1             /* the input is looked at again after a replacement, */
#endif
#ifndef LOOK_AT_OWN
#define LOOK_AT_OWN 1           /* and where an equal document may be a replacement of our own */
#endif
#ifndef IS_DONE_ETAG
#define IS_DONE_ETAG 1          /* what a sweep asks for is done if the document names the present ETag */
#endif
#ifndef REDELIVER
#define REDELIVER 1             /* a message that failed comes again */
#endif

#define SEEN(version) (VERSIONED -> version : 0)        /* what a store says of a version */

byte changes, uploads;          /* so far; the number of an upload is its version */
byte input;                     /* the ETag of the input, from 1 on, or 0 if there is none */
byte about, about_version;      /* what the document is about, 0 if there is none */
byte messages, busy, undone;    /* messages that wait, workers at work, uploads whose message is not done */
bit late;                       /* whether there is a write that was given up: of what, and what it is to replace */
byte late_etag, late_version, late_on, late_on_version;

bit P1 = 1, P2 = 1, P3 = 1, P4 = 1;
#define CHECKED(number) (ONLY == 0 || ONLY == number)

inline require_settled() {      /* once nothing is left to happen but uploads, and messages that are delivered twice */
    if
    :: messages == 0 && busy == 0 && !late ->
        P1 = !CHECKED(1) || !input || (about == input && (BY_ETAG || about_version == SEEN(uploads))); assert(P1);
        P4 = !CHECKED(4) || !undone; assert(P4)
    :: else
    fi
}

inline write(etag_, version_) { /* the document of these is written */
    P2 = !CHECKED(2) || version_ > about_version || (version_ == about_version && (REPEATS || etag_ >= about)); assert(P2);
    P3 = !CHECKED(3) || about != etag_ || about_version != version_; assert(P3);
    about = etag_; about_version = version_
}

#define MATCHES(etag_, version_) (about == etag_ && (about_version == version_ || !CONTENT_VERSION))

proctype Uploads() {
    do
    :: atomic {
        changes < CHANGES ->
        if
        :: REPEATS -> input = 1
        :: REPEATS && uploads -> input = 2      /* the first is called 1, since names mean nothing */
        :: !REPEATS -> input = uploads + 1
        fi;
        changes++; uploads++; messages++; undone++; printf("Upload %d: the input becomes e%d.\n", uploads, input - 1)
       }
    :: atomic { changes < CHANGES && input -> changes++; input = 0; printf("The input is deleted.\n") }
    od
}

proctype Network() {            /* what was given up takes effect after all, or is lost */
    do
    :: atomic {
        late ->
        if
        :: MATCHES(late_on, late_on_version) || (late_on && !IF_MATCH) || (!late_on && !CREATE_IF_NONE) ->
            write(late_etag, late_version); printf("The write that was given up, of the document of e%d, takes effect.\n", late_etag - 1)
        :: true
        fi;
        late = 0; late_etag = 0; late_version = 0; late_on = 0; late_on_version = 0; require_settled()
       }
    od
}

#define ME (_pid - 1 - LATE)

inline rest() {
    etag = 0; version = 0; found = 0; found_version = 0; owns = 0; again = 0; is_current = 0; busy--; require_settled()
}
#define DONE printf("Worker %d is done.\n", ME); undone = undone - owns; rest(); goto open
#define FAIL printf("Worker %d fails.\n", ME); messages = messages + (owns && REDELIVER); rest(); goto open
#define RETRY                                                                                                               \
    found = 0; found_version = 0; is_current = 0; again = 1;                                                                \
    if                                                                                                                      \
    :: goto create                                                                                                          \
    :: GIVE_UP_FAILED -> FAIL           /* ConcurrentWrites, OutOfTime */                                                   \
    :: !GIVE_UP_FAILED -> DONE                                                                                              \
    fi

proctype Worker() {
    byte etag, version;         /* what was read and scored */
    byte found, found_version;  /* what the document that was found is about */
    bit owns;                   /* whether the message comes again if the worker fails */
    bit again;                  /* whether this is a further attempt */
    bit is_current;

open:   /* a message is delivered, or one that is done or at work is once more; Opener._open, and then the object is scored */
    atomic {
        if
        :: messages -> messages--; owns = 1
        :: !TWINS_STAY && uploads
        :: TWINS_STAY && uploads && undone <= uploads -> owns = 1; undone++
        fi;
        busy++;
        if
        :: input -> etag = input; version = SEEN(uploads); printf("Worker %d reads e%d.\n", ME, etag - 1)
        :: !input -> DONE                               /* GONE */
        :: FAIL
        fi
    }

#if SWEPT
is_done:        /* Documents.is_finished */
    atomic {
        if
        :: about == etag || (about && !IS_DONE_ETAG) -> DONE
        :: about != etag && (!about || IS_DONE_ETAG)
        :: FAIL
        fi
    }
#endif

create: /* Documents._try_to_publish */
    atomic {
        if
        :: !about || !CREATE_IF_NONE -> write(etag, version); printf("Worker %d writes the document of e%d.\n", ME, etag - 1);
            if
            :: DONE                                     /* WRITTEN */
            :: FAIL                                     /* its answer is lost, */
            :: CREATE_IF_NONE                           /* and the client tries again: STOPPED */
            fi
        :: about && CREATE_IF_NONE                      /* STOPPED */
        :: RETRY_CONFLICT -> RETRY                      /* CONFLICT */
        :: !RETRY_CONFLICT -> DONE
        :: LATE && !late -> late = 1; late_etag = etag; late_version = version;
            printf("Worker %d gives up writing the document of e%d.\n", ME, etag - 1);
            if
            :: FAIL
            :: goto create                              /* the client tries again */
            fi
        :: FAIL
        fi
    }

#if !LOOK_AFTER_FIND
    is_current = input == etag && SEEN(uploads) == version;
#endif

find:   /* Documents.find, and the first lines of Documents._replace */
    atomic {
        if
        :: found = about; found_version = about_version; printf("Worker %d finds the document of e%d.\n", ME, found - 1);
            if
            :: KEEP_EQUAL && (found == etag || !COMPARE_ETAG) && (found_version == version || !COMPARE_VERSION) ->
                if
                :: again && LOOK_AT_OWN -> goto last_look
                :: !again || !LOOK_AT_OWN -> DONE       /* DUPLICATE */
                fi
            :: else
            fi
        :: FAIL
        fi
    }

look:   /* Documents._replace goes on: is the input what was scored? */
    atomic {
#if LOOK_AFTER_FIND
        is_current = (input || !LOOK_IF_GONE) && (input == etag || !input || !LOOK_AT_ETAG) &&
            (SEEN(uploads) == version || !input || !LOOK_AT_VERSION);
#endif
        if
        :: is_current -> printf("Worker %d looks at the input, which is as it was.\n", ME)
        :: !is_current -> printf("Worker %d looks at the input, which changed.\n", ME); DONE       /* GONE, SUPERSEDED */
        :: FAIL
        fi
    }

replace:
    atomic {
        if
        :: MATCHES(found, found_version) || !IF_MATCH ->
            write(etag, version); printf("Worker %d replaces it by that of e%d.\n", ME, etag - 1);
            if
            :: LAST_LOOK                                /* WRITTEN */
            :: !LAST_LOOK -> DONE
            :: FAIL                                     /* its answer is lost, */
            :: RETRY_STOPPED -> RETRY                   /* and the client tries again: STOPPED */
            fi
        :: RETRY_STOPPED -> RETRY                       /* STOPPED, CONFLICT */
        :: !RETRY_STOPPED -> DONE
        :: LATE && !late -> late = 1; late_etag = etag; late_version = version; late_on = found; late_on_version = found_version;
            printf("Worker %d gives up replacing it by that of e%d.\n", ME, etag - 1);
            if
            :: FAIL
            :: goto replace                             /* the client tries again */
            fi
        :: FAIL
        fi
    }

last_look:      /* Documents._require_unchanged */
    atomic {
        if
        :: !input || input == etag -> DONE
        :: input && input != etag -> printf("Worker %d looks at the input again, which changed.\n", ME); FAIL
        :: FAIL
        fi
    }
}

init {
    atomic {
        byte worker;
        run Uploads();
        if
        :: LATE -> run Network()
        :: else
        fi;
        for (worker : 1 .. WORKERS) { run Worker() }
    }
}
