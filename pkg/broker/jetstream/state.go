package jetstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
)

// state is what the queue remembers beside its streams, in one small file.
//
// It is written without a sync: a killed process loses nothing of it, a power
// cut may set it back. Then messages that were settled come again, which
// handlers have to expect, and less of the damage below is noticed; nothing
// that was confirmed is lost, because the streams alone say what is there.
type state struct {
	settled   uint64 // every message below has its verdict
	confirmed uint64 // every message below was confirmed: a store that ends before it is damaged
}

// The file has two slots that are written in turns, so that one is whole when
// the other is torn. A slot is a generation, the state, and a checksum.
const (
	stateFile = "position"

	stateMagic     = 0x7472_7100 // "trq", format 0
	stateSlotBytes = 4 + 3*8 + checksumBytes
	stateSlotAt    = 512 // where the second slot begins: another sector
)

type stateStore struct {
	mu         sync.Mutex
	file       *os.File
	generation uint64
	state      state
}

func openState(dir string) (*stateStore, error) {
	file, err := os.OpenFile(filepath.Join(dir, stateFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &stateStore{file: file}
	for i := range int64(2) {
		var slot [stateSlotBytes]byte
		if _, err := file.ReadAt(slot[:], i*stateSlotAt); err != nil {
			continue // not written yet, or torn
		}
		if generation, st, ok := decodeStateSlot(slot[:]); ok && generation > s.generation {
			s.generation, s.state = generation, st
		}
	}
	return s, nil
}

func decodeStateSlot(slot []byte) (uint64, state, bool) {
	sum := binary.BigEndian.Uint32(slot[len(slot)-checksumBytes:])
	if binary.BigEndian.Uint32(slot) != stateMagic || crc32.Checksum(slot[:len(slot)-checksumBytes], castagnoli) != sum {
		return 0, state{}, false
	}
	return binary.BigEndian.Uint64(slot[4:]), state{
		settled:   binary.BigEndian.Uint64(slot[12:]),
		confirmed: binary.BigEndian.Uint64(slot[20:]),
	}, true
}

func (s *stateStore) get() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *stateStore) setSettled(offset uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.settled = offset
	return s.write()
}

func (s *stateStore) setConfirmed(offset uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.confirmed = offset
	return s.write()
}

// sync makes the state survive a power cut.
func (s *stateStore) sync() error {
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync the queue's position: %w", err)
	}
	return nil
}

// known tells whether there was a state to read, or has been one since.
func (s *stateStore) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation > 0
}

func (s *stateStore) write() error {
	s.generation++
	slot := make([]byte, 0, stateSlotBytes)
	slot = binary.BigEndian.AppendUint32(slot, stateMagic)
	slot = binary.BigEndian.AppendUint64(slot, s.generation)
	slot = binary.BigEndian.AppendUint64(slot, s.state.settled)
	slot = binary.BigEndian.AppendUint64(slot, s.state.confirmed)
	slot = binary.BigEndian.AppendUint32(slot, crc32.Checksum(slot, castagnoli))
	if _, err := s.file.WriteAt(slot, int64(s.generation%2)*stateSlotAt); err != nil {
		return fmt.Errorf("write the queue's position: %w", err)
	}
	return nil
}

func (s *stateStore) close() error { return s.file.Close() }
