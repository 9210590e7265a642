package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// clientLog passes on what go-redis has to say, of which everything that
// matters is also an error of a step.
type clientLog struct{ logger *slog.Logger }

func (l clientLog) Printf(ctx context.Context, format string, v ...any) {
	if l.logger.Enabled(ctx, slog.LevelDebug) {
		l.logger.DebugContext(ctx, "redis client", "text", fmt.Sprintf(format, v...))
	}
}

var logOnce sync.Once

// setClientLog gives go-redis, which has one logger for a process, the first
// cache's.
func setClientLog(logger *slog.Logger) {
	logOnce.Do(func() { goredis.SetLogger(clientLog{logger}) })
}
