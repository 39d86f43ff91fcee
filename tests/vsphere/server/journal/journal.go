// Package journal keeps the log that tests read, one JSON object a line, and the numbers that they compare.
//
// Passwords, session cookies and tickets must never be given to it.
package journal

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Fields are the members of one event besides its name and its time.
type Fields map[string]any

// Journal writes events in the order in which they happen. All methods may be called by any goroutine.
type Journal struct {
	mu       sync.Mutex
	out      io.Writer
	start    time.Time
	counters map[string]int64
}

// New makes a journal that writes to out.
func New(out io.Writer) *Journal {
	return &Journal{out: out, start: time.Now(), counters: map[string]int64{}}
}

// Event writes one line: the time in milliseconds since the start, the name, the fields.
func (j *Journal) Event(name string, fields Fields) {
	line := Fields{"event": name, "ms": float64(time.Since(j.start).Microseconds()) / 1000}
	for key, value := range fields {
		line[key] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = j.out.Write(append(text, '\n'))
}

// Violation tells that a client did what the specification does not allow. rule is a fixed word that tests
// look for, text is for people.
func (j *Journal) Violation(rule, text string, fields Fields) {
	line := Fields{"rule": rule, "text": text}
	for key, value := range fields {
		line[key] = value
	}
	j.Add("violations", 1)
	j.Event("violation", line)
}

// Add adds n to a counter and returns the sum.
func (j *Journal) Add(counter string, n int64) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counters[counter] += n
	return j.counters[counter]
}

// Reach raises a counter to n if it is below.
func (j *Journal) Reach(counter string, n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.counters[counter] < n {
		j.counters[counter] = n
	}
}

// Counters returns a copy of all counters.
func (j *Journal) Counters() map[string]int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make(map[string]int64, len(j.counters))
	for name, n := range j.counters {
		all[name] = n
	}
	return all
}

// Reset sets the counters to 0 that tell of the past; those that tell what is open now keep their values.
func (j *Journal) Reset(keep ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := map[string]int64{}
	for _, name := range keep {
		kept[name] = j.counters[name]
	}
	j.counters = kept
}
