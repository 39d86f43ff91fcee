// Package disk keeps virtual disks as plain sparse files. A state of a disk can be frozen: what is written
// afterwards is copied away first, so that the frozen state keeps its bytes and the file always has the newest.
package disk

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

const (
	// freezeBytes is the unit in which old content is copied away before it is overwritten.
	freezeBytes = 64 << 10
	// AllocationBytes is the unit in which a thin disk grows, that of VMFS.
	AllocationBytes = 1 << 20
	// SectorBytes is the smallest part of a disk that can be read or written.
	SectorBytes = 512
)

// Content is what can be read of a disk, live or frozen.
type Content interface {
	io.ReaderAt
	Capacity() int64
	// Allocated returns the parts that have ever been written, in whole units of allocation.
	Allocated(start, end int64) []Area
}

// Disk is a disk whose content may change. All methods may be called by any goroutine.
type Disk struct {
	mu        sync.RWMutex
	file      *os.File
	capacity  int64
	allocated bits
	frozen    map[*Frozen]bool
	folder    string // for the content of frozen states
	changes   *tracker
	// TrackingBytes is the unit of change tracking. It must be set before tracking begins.
	TrackingBytes int64
}

// Open makes a disk of the file at path, which is created, or made longer, if need be. Parts of an existing
// file that are holes count as never written.
func Open(path, folder string, capacity int64) (*Disk, error) {
	if capacity <= 0 || capacity%SectorBytes != 0 {
		return nil, fmt.Errorf("a disk of %d bytes is not a number of sectors", capacity)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() > capacity {
		err = fmt.Errorf("%s has %d bytes, the disk only %d", path, info.Size(), capacity)
	}
	if err == nil {
		err = file.Truncate(capacity)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	d := &Disk{
		file: file, capacity: capacity, folder: folder, frozen: map[*Frozen]bool{}, TrackingBytes: 64 << 10,
	}
	d.findData(info.Size())
	return d, nil
}

// findData notes which parts of the file are no holes; all of them where the file system cannot tell.
func (d *Disk) findData(size int64) {
	const seekData, seekHole = 3, 4
	for position := int64(0); position < size; {
		start, err := d.file.Seek(position, seekData)
		if err != nil && position > 0 {
			return // ENXIO: there is no data behind position
		}
		end, endErr := int64(0), err
		if err == nil {
			end, endErr = d.file.Seek(start, seekHole)
		}
		if endErr != nil {
			if !d.hasHoles() {
				d.allocated.add(0, (size-1)/AllocationBytes)
			}
			return
		}
		if end > size {
			end = size
		}
		d.allocated.add(start/AllocationBytes, (end-1)/AllocationBytes)
		position = end
	}
}

// hasHoles tells whether the system knows holes: then a file that is one hole has no data to seek.
func (d *Disk) hasHoles() bool {
	_, err := d.file.Seek(0, 4)
	return err == nil
}

// Close closes the file and drops all frozen states.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f := range d.frozen {
		d.drop(f)
	}
	return d.file.Close()
}

// Path returns the name of the file that has the newest content.
func (d *Disk) Path() string { return d.file.Name() }

// Capacity returns the size in bytes.
func (d *Disk) Capacity() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.capacity
}

// Allocated returns the parts between start and end that have ever been written.
func (d *Disk) Allocated(start, end int64) []Area {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.allocated.areas(AllocationBytes, start, end)
}

// ReadAt reads the newest content.
func (d *Disk) ReadAt(p []byte, offset int64) (int, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.file.ReadAt(p, offset)
}

// WriteAt writes whole sectors, as a running machine does: frozen states keep the old bytes, and the area
// counts as changed.
func (d *Disk) WriteAt(p []byte, offset int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.write(p, offset)
}

func (d *Disk) write(p []byte, offset int64) (int, error) {
	length := int64(len(p))
	if offset < 0 || offset%SectorBytes != 0 || length%SectorBytes != 0 || offset+length > d.capacity {
		return 0, fmt.Errorf("cannot write %d bytes at %d: not whole sectors of a disk of %d", length, offset, d.capacity)
	}
	if length == 0 {
		return 0, nil
	}
	first, last := offset/freezeBytes, (offset+length-1)/freezeBytes
	for f := range d.frozen {
		if err := d.save(f, first, last); err != nil {
			return 0, err
		}
	}
	d.allocated.add(offset/AllocationBytes, (offset+length-1)/AllocationBytes)
	if d.changes != nil {
		d.changes.note(offset, length)
	}
	return d.file.WriteAt(p, offset)
}

// Grow makes the disk larger.
func (d *Disk) Grow(capacity int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if capacity < d.capacity || capacity%SectorBytes != 0 {
		return fmt.Errorf("cannot change a disk of %d bytes to %d", d.capacity, capacity)
	}
	d.capacity = capacity
	return d.file.Truncate(capacity)
}

// Freeze begins a new frozen state and returns it; with tracking, a change id belongs to it.
func (d *Disk) Freeze() (*Frozen, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	file, err := os.CreateTemp(d.folder, filepath.Base(d.file.Name())+".frozen-*")
	if err != nil {
		return nil, err
	}
	f := &Frozen{disk: d, file: file, capacity: d.capacity, allocated: d.allocated.copy(), users: 1}
	if d.changes != nil {
		f.mark = d.changes.next()
	}
	d.frozen[f] = true
	return f, nil
}

// Revert makes the content of a frozen state the newest. Change tracking starts anew.
func (d *Disk) Revert(f *Frozen) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for other := range d.frozen {
		// What is cut off belongs to states that were frozen when the disk was larger.
		if other.capacity > f.capacity {
			if err := d.save(other, f.capacity/freezeBytes, (other.capacity-1)/freezeBytes); err != nil {
				return err
			}
		}
	}
	d.capacity = f.capacity
	block := make([]byte, freezeBytes)
	for _, area := range f.saved.areas(freezeBytes, 0, f.capacity) {
		for at := area.Start; at < area.Start+area.Length; at += freezeBytes {
			n := area.Start + area.Length - at
			if n > freezeBytes {
				n = freezeBytes
			}
			if err := readFull(f.file, block[:n], at); err != nil {
				return err
			}
			if _, err := d.write(block[:n], at); err != nil {
				return err
			}
		}
	}
	if d.changes != nil {
		d.changes = newTracker(d.TrackingBytes, false)
	}
	return d.file.Truncate(d.capacity)
}

// readFull reads len(p) bytes; what is behind the end of the file is zeros.
func readFull(file *os.File, p []byte, offset int64) error {
	n, err := file.ReadAt(p, offset)
	if err == io.EOF {
		err = nil
	}
	for i := n; i < len(p); i++ {
		p[i] = 0
	}
	return err
}
