package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Errors of a change query. The caller turns them into the faults of the API.
var (
	// ErrNotTracked: no change was tracked at the time that the caller asks about.
	ErrNotTracked = errors.New("changes are not tracked")
	// ErrChangeID: the id has another form, is from another epoch, or is newer than the state asked about.
	ErrChangeID = errors.New("the change id is not valid")
)

// mark names a point of time of a tracker.
type mark struct {
	epoch string
	count int
}

func (m mark) String() string {
	if m.epoch == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", m.epoch, m.count)
}

func parseMark(id string) (mark, error) {
	cut := strings.LastIndexByte(id, '/')
	if cut < 0 {
		return mark{}, ErrChangeID
	}
	count, err := strconv.Atoi(id[cut+1:])
	if err != nil || count < 1 {
		return mark{}, ErrChangeID
	}
	return mark{id[:cut], count}, nil
}

// tracker knows what changed between points of time: intervals[i] is what changed after mark i.
type tracker struct {
	epoch     string
	unitBytes int64
	intervals []bits
	late      bool // it began while there were snapshots: it does not know what is allocated
}

func newTracker(unitBytes int64, late bool) *tracker {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		panic(err)
	}
	text := fmt.Sprintf("52 % x-% x", id[1:8], id[8:])
	return &tracker{epoch: text, unitBytes: unitBytes, intervals: make([]bits, 1), late: late}
}

func (t *tracker) note(offset, length int64) {
	t.intervals[len(t.intervals)-1].add(offset/t.unitBytes, (offset+length-1)/t.unitBytes)
}

// next ends an interval and returns the mark of this moment.
func (t *tracker) next() mark {
	t.intervals = append(t.intervals, nil)
	return mark{t.epoch, len(t.intervals) - 1}
}

// Track switches change tracking on or off. Switching on begins a new epoch; late is true if there are
// snapshots already.
func (d *Disk) Track(on, late bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !on:
		d.changes = nil
	case d.changes == nil:
		d.changes = newTracker(d.TrackingBytes, late)
	}
}

// ResetTracking begins a new epoch if changes are tracked: all ids so far are void.
func (d *Disk) ResetTracking() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changes != nil {
		d.changes = newTracker(d.TrackingBytes, false)
	}
}

// Changed returns the areas between start and the end of the disk that changed between the change id since and
// the frozen state, or now if that is nil. "*" asks for the allocated ones.
func (d *Disk) Changed(since string, until *Frozen, start int64) ([]Area, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	capacity, allocated, end := d.capacity, d.allocated, mark{}
	if until != nil {
		capacity, allocated, end = until.capacity, until.allocated, until.mark
	} else if d.changes != nil {
		end = mark{d.changes.epoch, len(d.changes.intervals)}
	}
	if d.changes == nil || end.epoch == "" {
		return nil, ErrNotTracked
	}
	if since == "*" {
		if d.changes.late {
			return nil, ErrNotTracked
		}
		return allocated.areas(AllocationBytes, start, capacity), nil
	}
	begin, err := parseMark(since)
	if err != nil {
		return nil, err
	}
	if begin.epoch != d.changes.epoch || end.epoch != d.changes.epoch || begin.count > end.count {
		return nil, ErrChangeID
	}
	var all bits
	for _, interval := range d.changes.intervals[begin.count:end.count] {
		all.join(interval)
	}
	return all.areas(d.changes.unitBytes, start, capacity), nil
}
