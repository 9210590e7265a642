package redis

import (
	"crypto/sha1" //nolint:gosec // it is how Redis names scripts, not a secret
	_ "embed"
	"encoding/hex"
)

var (
	//go:embed scripts/common.lua
	commonSource string
	//go:embed scripts/begin.lua
	beginSource string
	//go:embed scripts/finish.lua
	finishSource string
	//go:embed scripts/read.lua
	readSource string
	//go:embed scripts/fill.lua
	fillSource string
)

// script is one step of the protocol, which Redis runs at once or not at all.
type script struct {
	source string
	name   string // its SHA-1, by which Redis knows what it has loaded
}

// scripts are all steps. They differ in nothing but the clock they go by.
type scripts struct{ begin, finish, read, fill script }

func newScripts(clock string) scripts {
	step := func(source string) script {
		source = clock + commonSource + source
		sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
		return script{source: source, name: hex.EncodeToString(sum[:])}
	}
	return scripts{step(beginSource), step(finishSource), step(readSource), step(fillSource)}
}

func (s scripts) all() []script { return []script{s.begin, s.finish, s.read, s.fill} }

// clock is the time by which deadlines are kept, in µs.
type clock struct {
	lua string             // of the scripts: the function clock()
	arg func() (any, bool) // what it needs as a script's last argument
	now func(s *session) int64
}

// serverClock is the clock of the server that holds a key, so that processes
// need not agree on the time.
var serverClock = clock{
	lua: "local function clock() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end\n",
	arg: func() (any, bool) { return nil, false },
	now: func(s *session) int64 { return s.now() },
}
