// Package faults holds what the server has been told to do wrong, and the settings of how it does things right.
package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// Fault is one thing that goes wrong at one place. The README of the server lists places and kinds.
type Fault struct {
	ID int `json:"id"`
	// At is the place, Kind what happens there.
	At   string `json:"at"`
	Kind string `json:"kind"`
	// Skip is how often the place is passed before the fault happens, Count how often it happens (0: always).
	Skip  int `json:"skip,omitempty"`
	Count int `json:"count,omitempty"`

	Method string          `json:"method,omitempty"` // call: the method, "" for every one
	When   string          `json:"when,omitempty"`   // call: "quiesce"; tls: "443", "session1", "session2"
	Opcode uint32          `json:"opcode,omitempty"` // record: the opcode
	Type   string          `json:"type,omitempty"`   // call: the name of a vim25 fault
	Fields json.RawMessage `json:"fields,omitempty"` // call: the members of that fault
	Text   string          `json:"text,omitempty"`
	Code   uint64          `json:"code,omitempty"`
	Bytes  int64           `json:"bytes,omitempty"`
	Ms     int64           `json:"ms,omitempty"`
	Reply  bool            `json:"reply,omitempty"`
	Seed   int64           `json:"seed,omitempty"`
}

// kinds are all faults that the server can play, by the place where they happen.
var kinds = map[string]string{
	"call":       "fault task expire slow status body cut drop",
	"folder":     "status cut",
	"changes":    "nothing beyond negative unsorted zero-length negative-length too-long other-start",
	"ticket":     "expired used unknown thumbprint no-port",
	"connection": "cut trickle",
	"greeting":   "text long no-ssl no-sha256 slow silence close",
	"tls":        "other forged v1",
	"dialogue":   "banner thumbprint thumbprint-text refuse close grant",
	"handshake":  "refuse type version silence close short",
	"record":     "error status magic opcode length sequence garbage silence slow close",
	"fragment": "missing twice overlap status direction offset total place outside bytes bytes-short empty huge " +
		"extra-short code fastlz sequence reserved flip zlib-long zlib-short zlib-bomb zlib-cut zlib-trailing " +
		"zlib-checksum zlib-garbage skipz-outside skipz-far skipz-overlap skipz-length skipz-cut skipz-header cut garbage",
}

// Kinds returns the kinds of faults that can happen at a place.
func Kinds(at string) []string { return strings.Fields(kinds[at]) }

// Check refuses a fault that the server does not know.
func (f Fault) Check() error {
	for _, kind := range Kinds(f.At) {
		if kind == f.Kind {
			return nil
		}
	}
	return fmt.Errorf("there is no fault %q at %q", f.Kind, f.At)
}

// Settings are how the server behaves while nothing goes wrong. Zero values are the defaults.
type Settings struct {
	// Page is the most changed areas of one answer, 0 for all.
	Page int `json:"page"`
	// TicketMs is how long a ticket is good, 0 for two minutes.
	TicketMs int64 `json:"ticketMs"`
	// LatencyMs is the time between the arrival of a read and its answer.
	LatencyMs int64 `json:"latencyMs"`
	// Order of fragments: "" as asked, "shuffled" within each read, "mixed" between reads, "reversed" reads.
	Order string `json:"order"`
	// FragmentBytes is the most bytes of a fragment, 0 for the size of the session's buffers. Odd varies it.
	FragmentBytes int  `json:"fragmentBytes"`
	Odd           bool `json:"odd"`
	// Stored is how a fragment that does not shrink is marked: "" as stored, "asked" with the code of the
	// request; "always" stores every fragment, "always-asked" does both.
	Stored string `json:"stored"`
	// MaxUnderWay is the most reads under way that are not refused, 0 for 32.
	MaxUnderWay int `json:"maxUnderWay"`
	// ErrorReply tells whether the ordinary reply follows the error record of an open.
	NoErrorReply bool `json:"noErrorReply"`
	// EarlyAck sends message 36 after 33 and not after 51.
	EarlyAck bool `json:"earlyAck"`
	// Handles: "" for sign-extended 32-bit numbers, "random" for 64 random bits.
	Handles string `json:"handles"`
	// TLS13 offers TLS 1.3 on both ports.
	TLS13 bool `json:"tls13"`
	// TaskMs is how long a task takes; it then reports progress and can be cancelled.
	TaskMs int64 `json:"taskMs"`
	// Missing are the privileges that the account does not have.
	Missing []string `json:"missing"`
	// NoReads leaves reads out of the log.
	NoReads bool `json:"noReads"`
	// Seed of all that is random.
	Seed int64 `json:"seed"`
}

// Set holds faults and settings. All methods may be called by any goroutine.
type Set struct {
	mu       sync.Mutex
	next     int
	armed    []*Fault
	settings Settings
}

// Arm adds a fault and returns its number.
func (s *Set) Arm(fault Fault) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	fault.ID = s.next
	s.armed = append(s.armed, &fault)
	return fault.ID
}

// Clear removes the fault with this number, or all for 0.
func (s *Set) Clear(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.armed[:0:0]
	for _, fault := range s.armed {
		if id != 0 && fault.ID != id {
			left = append(left, fault)
		}
	}
	s.armed = left
}

// Armed returns a copy of the faults that may still happen.
func (s *Set) Armed() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Fault, 0, len(s.armed))
	for _, fault := range s.armed {
		all = append(all, *fault)
	}
	return all
}

// Take returns the fault that happens now at a place, nil for none, and counts it. match may be nil.
func (s *Set) Take(at string, match func(Fault) bool) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, fault := range s.armed {
		if fault.At != at || (match != nil && !match(*fault)) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		taken := *fault
		if fault.Count > 0 {
			if fault.Count--; fault.Count == 0 {
				s.armed = append(s.armed[:i:i], s.armed[i+1:]...)
			}
		}
		return &taken
	}
	return nil
}

// Settings returns the settings now.
func (s *Set) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// Change changes the settings that the JSON object names.
func (s *Set) Change(object []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.settings
	d := json.NewDecoder(bytes.NewReader(object))
	d.DisallowUnknownFields()
	if err := d.Decode(&changed); err != nil {
		return err
	}
	s.settings = changed
	return nil
}
