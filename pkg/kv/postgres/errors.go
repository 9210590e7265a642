package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trivetkv/trivet/pkg/kv"
)

// failure is what an error of the database means for whoever made the call.
type failure uint8

const (
	// failureFinal: trying again would fail again.
	failureFinal failure = iota
	// failureData: the database refuses a value.
	failureData
	// failureConflict: another transaction was in the way; nothing was done.
	failureConflict
	// failureUnsent: nothing was done, the server could not be asked.
	failureUnsent
	// failureTimeout: the statement took too long and was not done.
	failureTimeout
	// failureAmbiguous: it may have been done.
	failureAmbiguous
)

// Codes of errors that mean something of their own here.
const (
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeAmbiguous       = "40003"
	codeReadOnly        = "25006"
	codeQueryCanceled   = "57014"
	codeCannotConnect   = "57P03"
	codeTooManyConns    = "53300"
	codeLockUnavailable = "55P03"
	codeDuplicate       = "23505"
)

func classify(err error) failure {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return classifyCode(pg.Code)
	}
	var connect *pgconn.ConnectError
	var own *kv.Error
	switch {
	case errors.As(err, &own):
		return failureFinal
	case errors.As(err, &connect), pgconn.SafeToRetry(err):
		return failureUnsent
	case errors.Is(err, errOwn):
		return failureFinal
	default:
		return failureAmbiguous
	}
}

func classifyCode(code string) failure {
	switch code {
	case codeSerialization, codeDeadlock:
		return failureConflict
	case codeAmbiguous:
		return failureAmbiguous
	case codeReadOnly, codeCannotConnect, codeTooManyConns:
		return failureUnsent
	case codeQueryCanceled, codeLockUnavailable:
		return failureTimeout
	}
	switch code[:min(2, len(code))] {
	case "22", "23", "54": // data exception, integrity constraint, program limit
		return failureData
	case "08", "57", "58", "XX": // connection, operator intervention, system, internal
		return failureAmbiguous
	case "53": // insufficient resources
		return failureUnsent
	}
	return failureFinal
}

// errOwn marks errors of this package's own making, which are no news of the
// connection.
var errOwn = errors.New("the store's own")

// databaseError gives an error of the database the code that callers branch on.
func databaseError(err error) error {
	if err == nil {
		return nil
	}
	var own *kv.Error
	if errors.As(err, &own) {
		return err
	}
	var pg *pgconn.PgError
	isServer := errors.As(err, &pg)
	switch {
	case !isServer && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return kv.AsError(err)
	case isServer && pg.Code == codeTooManyConns:
		return &kv.Error{Code: kv.CodeOverloaded, Detail: "the database has no connection left", RetryAfter: time.Second, Cause: err}
	}
	switch classify(err) {
	case failureData:
		return &kv.Error{Code: kv.CodeInvalidArgument, Detail: "the database refuses a value of the request", Cause: err}
	case failureConflict:
		return &kv.Error{Code: kv.CodeOverloaded, Detail: "too many writes at once to the same keys", RetryAfter: time.Second, Cause: err}
	case failureTimeout:
		return &kv.Error{Code: kv.CodeTimeout, Detail: "the database took too long", Cause: err}
	case failureUnsent, failureAmbiguous:
		return &kv.Error{Code: kv.CodeUnavailable, Detail: "the database cannot be reached", RetryAfter: time.Second, Cause: err}
	case failureFinal:
	}
	return kv.AsError(err)
}

// oneLine puts an error of several lines into one. Each line after the first
// tells of an attempt to connect, of which some fail alike.
func oneLine(err error) error {
	head, rest, more := strings.Cut(err.Error(), "\n")
	if !more {
		return err
	}
	var attempts []string
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(attempts, line) {
			attempts = append(attempts, line)
		}
	}
	return errors.New(strings.TrimSuffix(head, ":") + ": " + strings.Join(attempts, "; "))
}

// Backing off between attempts.
const (
	maxConflicts = 20
	firstBackoff = 2 * time.Millisecond
	lastBackoff  = 250 * time.Millisecond
)

// backoff gives how long to wait before the next attempt, half of it by chance
// so that those who collided do not collide again.
func backoff(attempt int) time.Duration {
	d := min(firstBackoff<<min(attempt, 10), lastBackoff)
	return d/2 + rand.N(d/2+1) //nolint:gosec // not for secrets
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readAttempts is how often a read is tried on connections that turn out to be
// gone, as all are after a failover.
const readAttempts = 3

// read runs a read, again where its connection fails.
func (s *Store) read(ctx context.Context, what string, query func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		limited, cancel := s.bounded(ctx)
		err := query(limited)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.life.Err() != nil {
			return errClosed
		}
		if errors.Is(limited.Err(), context.DeadlineExceeded) {
			s.metrics.failed(what, err)
			return &kv.Error{Code: kv.CodeTimeout, Detail: "the database took too long", Cause: err}
		}
		var own *kv.Error
		kind := classify(err)
		again := kind == failureConflict || kind == failureUnsent || kind == failureAmbiguous
		if errors.As(err, &own) || !again || attempt+1 == readAttempts {
			s.metrics.failed(what, err)
			return databaseError(err)
		}
		if err := pause(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// bounded limits one call of the database, which may not answer at all: a
// connection across a network that is gone ends with nothing else.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.opts.ConnectTimeout+s.opts.StatementTimeout)
}

// persist makes attempts to commit until the outcome is known or no attempt
// may be made any more. An attempt that follows one whose outcome is open has
// to find out whether that one succeeded.
func (s *Store) persist(asked time.Time, attempt func(context.Context) error) error {
	last := asked.Add(s.opts.WriteTimeout - s.opts.ConnectTimeout - s.opts.StatementTimeout)
	conflicts := 0
	for n := 0; ; n++ {
		ctx, cancel := s.bounded(s.life)
		err := attempt(ctx)
		cancel()
		if err == nil {
			return nil
		}
		kind := classify(err)
		switch kind {
		case failureFinal, failureData, failureTimeout:
			return err
		case failureConflict:
			if conflicts++; conflicts == maxConflicts {
				return err
			}
			s.metrics.conflict()
		case failureUnsent, failureAmbiguous:
			s.metrics.retry()
			if isReadOnly(err) {
				s.pool.Reset() // these connections lead to a server that has been demoted
			}
		}
		wait := backoff(n)
		if time.Now().Add(wait).After(last) || pause(s.life, wait) != nil {
			return err
		}
	}
}

func isReadOnly(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == codeReadOnly
}
