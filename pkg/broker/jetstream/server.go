package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
)

const (
	serverName   = "trivet"
	startTimeout = 10 * time.Second

	// requestTimeout bounds one request to the server. It is generous: a request
	// may wait for a slow disk's fsync, and giving up only makes the outcome
	// unknown.
	requestTimeout = 30 * time.Second

	// Memory streams are not used; 0 would mean three quarters of the machine.
	memoryLimit = 1 << 20
	// The queue bounds itself and dead letters are bounded by their stream, so
	// the server's own limit must never be the one that strikes: reaching it
	// would switch JetStream off.
	storeLimit = 1 << 50
)

// embedded is a NATS server inside this process, without a port, and the
// connection to it.
type embedded struct {
	server *server.Server
	conn   *nats.Conn
	js     natsjs.JetStream
}

func serverOptions(dir string) *server.Options {
	return &server.Options{
		ServerName: serverName,
		DontListen: true, // in-process connections only
		NoSigs:     true, // signals belong to the program
		NoLog:      true, // a logger is set below

		JetStream:              true,
		StoreDir:               dir,
		SyncAlways:             true, // a confirmed message is on disk
		JetStreamMaxMemory:     memoryLimit,
		JetStreamMaxStore:      storeLimit,
		DisableJetStreamBanner: true,

		MaxPayload:       maxRecordBytes + maxHeaderBytes,
		MaxPending:       4 * maxRecordBytes,
		MaxConn:          1,
		MaxClosedClients: 1,
		NoSystemAccount:  true, // JetStream makes the one it needs
	}
}

func startServer(dir string, logger *slog.Logger) (*embedded, error) {
	srv, err := server.NewServer(serverOptions(dir))
	if err != nil {
		return nil, err
	}
	log := &serverLog{logger: logger}
	srv.SetLogger(log, logger.Enabled(context.Background(), slog.LevelDebug), false)
	srv.Start()
	e := &embedded{server: srv}
	if fatal := log.fatal.Load(); fatal != nil {
		e.stop()
		return nil, errors.New(*fatal)
	}
	if !srv.ReadyForConnections(startTimeout) {
		e.stop()
		return nil, fmt.Errorf("the embedded server did not start within %v", startTimeout)
	}
	e.conn, err = nats.Connect("", nats.InProcessServer(srv), nats.Name(serverName), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			logger.Error("the connection to the embedded broker reported an error", "error", err)
		}))
	if err != nil {
		e.stop()
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	e.js, err = natsjs.New(e.conn, natsjs.WithDefaultTimeout(requestTimeout))
	if err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *embedded) stop() {
	if e.conn != nil {
		e.conn.Close()
	}
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// serverLog hands the server's log lines to slog. Its notices are of interest
// to nobody but a debugger.
type serverLog struct {
	logger *slog.Logger
	fatal  atomic.Pointer[string] // the first line that stopped the server
}

// The server discourages payloads above 8 MB; ours are one record of a value of
// 8 MiB, in process, and not a network's burden.
const payloadWarning = "Maximum payloads over"

func (l *serverLog) Noticef(format string, v ...any) { l.log(l.logger.Debug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log(l.logger.Debug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log(l.logger.Debug, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log(l.logger.Error, format, v) }

func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, payloadWarning) {
		return
	}
	l.log(l.logger.Warn, format, v)
}

func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &line)
	l.log(l.logger.Error, format, v)
}

func (l *serverLog) log(level func(string, ...any), format string, v []any) {
	level("embedded broker: " + strings.TrimSpace(fmt.Sprintf(format, v...)))
}
