package forecast

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// HistoryState is a history as it is stored: about 100 KB of text for two
// weeks of an even load.
type HistoryState struct {
	Now     int64     `json:"now"`   // the slot under way
	Slots   []byte    `json:"slots"` // compressed; see packSlots
	Factors []float64 `json:"factors"`
	Errors  []float64 `json:"errors"`
}

// State gives what to store.
func (h *History) State() HistoryState {
	s := HistoryState{Now: h.now, Slots: packSlots(h.slots[:])}
	for _, season := range h.seasons {
		s.Factors, s.Errors = append(s.Factors, season.factor), append(s.Errors, season.err)
	}
	return s
}

// Restore takes what was stored. A history that cannot be read leaves h as it
// was.
func (h *History) Restore(s HistoryState) error {
	if len(s.Factors) != Rhythms || len(s.Errors) != Rhythms || s.Now < 0 {
		return errors.New("the stored history is of another version")
	}
	slots, err := unpackSlots(s.Slots)
	if err != nil {
		return err
	}
	copy(h.slots[:], slots)
	h.now, h.count, h.sum, h.peak = s.Now, 0, 0, 0
	for i := range h.seasons {
		h.seasons[i] = season{factor: s.Factors[i], err: s.Errors[i], ahead: math.NaN()}
	}
	h.hold()
	return nil
}

// Rates are stored by their logarithm in steps of half a percent; 0 is unknown
// and 1 is no load.
const (
	unknown   = 0
	idle      = 1
	firstRate = 2
	leastRate = 1e-3
	rateStep  = 0.005
)

func packRate(rate float32) uint16 {
	switch r := float64(rate); {
	case math.IsNaN(r):
		return unknown
	case r < leastRate:
		return idle
	default:
		return uint16(min(firstRate+math.Round(math.Log(r/leastRate)/rateStep), math.MaxUint16))
	}
}

func unpackRate(packed uint16) float32 {
	switch packed {
	case unknown:
		return float32(math.NaN())
	case idle:
		return 0
	default:
		return float32(leastRate * math.Exp(rateStep*float64(packed-firstRate)))
	}
}

// packSlots writes the means, then the peaks, each as its difference to the one
// before, and compresses them.
func packSlots(slots []slot) []byte {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	raw := make([]byte, 2*len(slots))
	for _, of := range [...]func(slot) float32{func(s slot) float32 { return s.Mean }, func(s slot) float32 { return s.Peak }} {
		before := uint16(0)
		for i, s := range slots {
			now := packRate(of(s))
			binary.LittleEndian.PutUint16(raw[2*i:], now-before)
			before = now
		}
		_, _ = w.Write(raw) // into memory
	}
	_ = w.Close()
	return packed.Bytes()
}

func unpackSlots(packed []byte) ([]slot, error) {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("the stored history: %w", err)
	}
	slots := make([]slot, historySlots)
	raw := make([]byte, 2*len(slots))
	for _, into := range [...]func(*slot, float32){func(s *slot, v float32) { s.Mean = v }, func(s *slot, v float32) { s.Peak = v }} {
		if _, err := io.ReadFull(r, raw); err != nil {
			return nil, fmt.Errorf("the stored history: %w", err)
		}
		before := uint16(0)
		for i := range slots {
			before += binary.LittleEndian.Uint16(raw[2*i:])
			into(&slots[i], unpackRate(before))
		}
	}
	return slots, nil
}
