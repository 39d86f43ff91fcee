package disk

import (
	"fmt"
	"io"
	"os"
)

// Frozen is the state of a disk at one time. It ends with its last user.
type Frozen struct {
	disk      *Disk
	file      *os.File // what was overwritten since, at its own place
	saved     bits     // which units of freezeBytes are in it
	capacity  int64
	allocated bits
	mark      mark
	users     int
}

// Capacity returns the size in bytes that the disk had.
func (f *Frozen) Capacity() int64 { return f.capacity }

// ChangeID returns the change id of this state, "" if changes were not tracked.
func (f *Frozen) ChangeID() string { return f.mark.String() }

// Allocated returns the parts that had been written when the state was frozen.
func (f *Frozen) Allocated(start, end int64) []Area {
	return f.allocated.areas(AllocationBytes, start, end)
}

// ReadAt reads what the disk had when it was frozen.
func (f *Frozen) ReadAt(p []byte, offset int64) (int, error) {
	f.disk.mu.RLock()
	defer f.disk.mu.RUnlock()
	if f.users == 0 {
		return 0, fmt.Errorf("the frozen state is gone")
	}
	if offset < 0 || offset+int64(len(p)) > f.capacity {
		return 0, io.EOF
	}
	for done := 0; done < len(p); {
		at := offset + int64(done)
		from := f.disk.file
		isSaved := f.saved.has(at / freezeBytes)
		if isSaved {
			from = f.file
		}
		end := done
		for end < len(p) && f.saved.has((offset+int64(end))/freezeBytes) == isSaved {
			end += int(freezeBytes - (offset+int64(end))%freezeBytes)
		}
		if end > len(p) {
			end = len(p)
		}
		if err := readFull(from, p[done:end], at); err != nil {
			return done, err
		}
		done = end
	}
	return len(p), nil
}

// save copies units of the disk that the frozen state does not have yet. Zeros become holes.
func (d *Disk) save(f *Frozen, first, last int64) error {
	block := make([]byte, freezeBytes)
	for unit := first; unit <= last && unit*freezeBytes < f.capacity; unit++ {
		if f.saved.has(unit) {
			continue
		}
		if err := readFull(d.file, block, unit*freezeBytes); err != nil {
			return err
		}
		if !isZero(block) {
			if _, err := f.file.WriteAt(block, unit*freezeBytes); err != nil {
				return err
			}
		}
		f.saved.add(unit, unit)
	}
	return nil
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// Use adds a user.
func (f *Frozen) Use() {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.users++
}

// Release ends the use of one user; with the last, the state is gone.
func (f *Frozen) Release() {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.users--; f.users == 0 {
		f.disk.drop(f)
	}
}

// Users tells how many use this state.
func (f *Frozen) Users() int {
	f.disk.mu.RLock()
	defer f.disk.mu.RUnlock()
	return f.users
}

func (d *Disk) drop(f *Frozen) {
	f.users = 0
	delete(d.frozen, f)
	_ = f.file.Close()
	_ = os.Remove(f.file.Name())
}
