package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/trivetkv/trivet/pkg/kv"
)

// call is one operation of a history, and answer what it answered.
type call struct {
	kind   string // get, put, create, swap, delete
	key    string
	value  string
	expect kv.Version // of a swap
}

type answer struct {
	code    kv.Code
	version kv.Version
	value   string // of a get
}

// register is the state of one key in the model: version 0 when it is absent.
type register struct {
	version kv.Version
	value   string
	last    kv.Version // the highest version so far, of a deletion too
}

// registerModel says what a store may answer one operation after another. The
// version of a write is the store's choice, above all earlier ones.
var registerModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(call).key
			byKey[key] = append(byKey[key], op)
		}
		parts := make([][]porcupine.Operation, 0, len(byKey))
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		r, c, a := state.(register), input.(call), output.(answer)
		wrote := register{version: a.version, value: c.value, last: a.version}
		fresh := a.code == "" && a.version > r.last
		switch c.kind {
		case "get":
			if r.version == 0 {
				return a.code == kv.CodeNotFound, r
			}
			return a.code == "" && a.version == r.version && a.value == r.value, r
		case "put":
			return fresh, wrote
		case "create":
			if r.version != 0 {
				return a.code == kv.CodeAlreadyExists, r
			}
			return fresh, wrote
		case "swap":
			if r.version != c.expect {
				return a.code == kv.CodeVersionMismatch, r
			}
			return fresh, wrote
		default: // delete
			if r.version == 0 {
				return a.code == kv.CodeNotFound, r
			}
			return fresh, register{last: a.version}
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// exerciseLinearizability records concurrent histories of a few keys, and
// looks for an order of their operations that explains every answer.
func exerciseLinearizability(s *space) {
	const clients, calls = 6, 60
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	began := time.Now()
	histories := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(client)))
			known := map[string]kv.Version{}
			for i := range calls {
				c := call{
					kind:  []string{"get", "get", "get", "put", "create", "swap", "swap", "delete"}[random.IntN(8)],
					key:   fmt.Sprintf("k%d", random.IntN(3)),
					value: fmt.Sprintf("%d %d", client, i),
				}
				c.expect = known[c.key]
				op := porcupine.Operation{ClientId: client, Input: c, Call: int64(time.Since(began))}
				consistency := kv.Strong
				if !s.SharedLags && random.IntN(2) == 0 {
					consistency = kv.Shared
				}
				a := s.call(c, consistency)
				op.Return, op.Output = int64(time.Since(began)), a
				if a.code == "" {
					known[c.key] = a.version
					if c.kind == "delete" {
						known[c.key] = 0
					}
				}
				histories[client] = append(histories[client], op)
			}
		})
	}
	wg.Wait()
	var history []porcupine.Operation
	for _, h := range histories {
		history = append(history, h...)
	}
	switch porcupine.CheckOperationsTimeout(registerModel, history, patience) {
	case porcupine.Illegal:
		for _, op := range history {
			s.Logf("client %d, %d to %d: %s", op.ClientId, op.Call, op.Return, registerModel.DescribeOperation(op.Input, op.Output))
		}
		s.Fatal("no order of the operations explains the answers")
	case porcupine.Unknown:
		s.Fatalf("no verdict within %s", patience)
	case porcupine.Ok:
	}
}

func (s *space) call(c call, consistency kv.Consistency) answer {
	op := putOp(c.key, c.value)
	switch c.kind {
	case "get":
		e, err := s.Store.Get(s.Context(), s.ns, c.key, kv.ReadOptions{Consistency: consistency})
		return answer{code: kv.CodeOf(err), version: e.Version, value: string(e.Value)}
	case "create":
		op.If = ifAbsent
	case "swap":
		op.If = ifVersion(c.expect)
	case "delete":
		op = deleteOp(c.key)
	}
	res, err := s.apply(op)
	return answer{code: kv.CodeOf(err), version: res.Version}
}
