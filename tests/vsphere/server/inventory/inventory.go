// Package inventory knows the disks of all machines: their files, their snapshots, and what can be opened.
package inventory

import (
	"fmt"
	"strings"
	"sync"

	"vmdkbkp.test/vsphere/disk"
)

// Link is one file of a chain: the file that a machine writes to, or one that a snapshot froze.
type Link struct {
	File   string // "[datastore] folder/name.vmdk"
	Parent *Link
	Frozen *disk.Frozen // nil for the file that is written to
}

// MachineDisk is a disk of a machine, with the files that its snapshots have made of it.
type MachineDisk struct {
	Key  int32
	Disk *disk.Disk
	// Live is the file that the machine writes to.
	Live *Link
	// FlatPath is the file with the bytes, "[datastore] folder/name-flat.vmdk".
	FlatPath string
	// Independent disks take no part in snapshots.
	Independent bool
	// Tracked is false for a disk that change tracking leaves out although it is on for the machine.
	Tracked bool
	// Locked refuses to open the disk, as while a file is being copied.
	Locked bool

	machine *Machine
	links   []*Link
	opened  int // how often it is open on the data port
}

// Machine is a virtual machine with its disks.
type Machine struct {
	Ref   string // value of the managed object reference
	Name  string
	Disks []*MachineDisk

	snapshots map[string]map[*MachineDisk]*Link // by reference of the snapshot
}

// Inventory has all machines. All methods may be called by any goroutine.
type Inventory struct {
	mu       sync.Mutex
	machines map[string]*Machine
	// Running tells whether a machine is powered on, by its reference.
	Running func(ref string) bool
}

// New makes an empty inventory.
func New(running func(ref string) bool) *Inventory {
	return &Inventory{machines: map[string]*Machine{}, Running: running}
}

// Add adds a machine whose disks have a key, a file in Live, and a disk.
func (inv *Inventory) Add(m *Machine) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	m.snapshots = map[string]map[*MachineDisk]*Link{}
	for _, d := range m.Disks {
		d.machine = m
		d.links = []*Link{d.Live}
	}
	inv.machines[m.Ref] = m
}

// Remove forgets a machine and closes its disks.
func (inv *Inventory) Remove(ref string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if m := inv.machines[ref]; m != nil {
		for _, d := range m.Disks {
			_ = d.Disk.Close()
		}
	}
	delete(inv.machines, ref)
}

// Machine finds a machine by its reference, nil if there is none.
func (inv *Inventory) Machine(ref string) *Machine {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.machines[ref]
}

// Machines returns all machines, in no order.
func (inv *Inventory) Machines() []*Machine {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	all := make([]*Machine, 0, len(inv.machines))
	for _, m := range inv.machines {
		all = append(all, m)
	}
	return all
}

// ByKey returns the disk with this device key, nil if there is none.
func (m *Machine) ByKey(key int32) *MachineDisk {
	for _, d := range m.Disks {
		if d.Key == key {
			return d
		}
	}
	return nil
}

// Track applies the machine's setting of change tracking to its disks, which happens when it is stunned.
func (inv *Inventory) Track(m *Machine, on bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for _, d := range m.Disks {
		d.Disk.Track(on && d.Tracked && !d.Independent, len(m.snapshots) > 0)
	}
}

// Freeze makes the files that a snapshot needs.
func (inv *Inventory) Freeze(m *Machine, snapshot string) error {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	files := map[*MachineDisk]*Link{}
	for _, d := range m.Disks {
		if d.Independent {
			continue
		}
		frozen, err := d.Disk.Freeze()
		if err != nil {
			return err
		}
		d.Live.Frozen = frozen
		files[d] = d.Live
		d.begin(d.Live)
	}
	m.snapshots[snapshot] = files
	return nil
}

// begin makes a new file to write to, on top of parent.
func (d *MachineDisk) begin(parent *Link) {
	base := strings.TrimSuffix(d.links[0].File, ".vmdk")
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s-%06d.vmdk", base, n)
		if d.find(name) == nil {
			d.Live = &Link{File: name, Parent: parent}
			d.links = append(d.links, d.Live)
			return
		}
	}
}

func (d *MachineDisk) find(file string) *Link {
	for _, link := range d.links {
		if link.File == file {
			return link
		}
	}
	return nil
}

// FileOf returns the file of a disk that a snapshot froze, nil if it froze none.
func (inv *Inventory) FileOf(m *Machine, snapshot string, d *MachineDisk) *Link {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return m.snapshots[snapshot][d]
}

// Thaw removes a snapshot. The file above each of its files takes that one's name, as in a consolidation.
// It returns whether a file was still open.
func (inv *Inventory) Thaw(m *Machine, snapshot string) (open bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for d, link := range m.snapshots[snapshot] {
		var above []*Link
		for _, other := range d.links {
			if other.Parent == link {
				above = append(above, other)
			}
		}
		if len(above) > 1 {
			continue // several branches need the file; it stays without a snapshot
		}
		open = open || link.Frozen.Users() > 1
		link.Frozen.Release()
		for _, child := range above {
			child.File, child.Parent = link.File, link.Parent
		}
		for i, other := range d.links {
			if other == link {
				d.links = append(d.links[:i:i], d.links[i+1:]...)
				break
			}
		}
		// The base of the chain stays first: names of new files are made of it.
		for i, other := range d.links {
			if other.Parent == nil {
				d.links[0], d.links[i] = d.links[i], d.links[0]
			}
		}
	}
	delete(m.snapshots, snapshot)
	return open
}

// Revert makes the disks what they were when the snapshot was taken.
func (inv *Inventory) Revert(m *Machine, snapshot string) error {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for d, link := range m.snapshots[snapshot] {
		if err := d.Disk.Revert(link.Frozen); err != nil {
			return err
		}
		for i, other := range d.links {
			if other == d.Live {
				d.links = append(d.links[:i:i], d.links[i+1:]...)
				break
			}
		}
		d.begin(link)
	}
	return nil
}

// Refusal is why a file cannot be opened, as the data port tells it.
type Refusal struct {
	Code uint64
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// Codes of refusals: numbers of VIX errors.
const (
	CodeFail, CodeNotFound, CodeBusy, CodeNotSupported, CodeReadOnly = 1, 4, 5, 6, 11
)

// Opened is a disk that a client has open. Close it once.
type Opened struct {
	disk.Content
	// Write changes the disk; nil if it was opened to be read.
	Write func(p []byte, offset int64) (int, error)
	Close func()
	File  string
}

// Open opens a file for a ticket of a machine; key is the disk of the ticket, 0 for any. writable says whether
// the ticket allows to write, write whether the client wants to.
func (inv *Inventory) Open(machine string, key int32, writable bool, file string, write bool) (*Opened, error) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	owner, link := inv.locate(file)
	if owner == nil {
		return nil, &Refusal{CodeNotFound, fmt.Sprintf("NfcFssrvrOpen: Failed to open '%s': file not found", file)}
	}
	access := 1
	if write {
		access = 2
	}
	if owner.machine.Ref != machine || (key != 0 && owner.Key != key) || (write && !writable) {
		text := fmt.Sprintf("NfcAioProcessOpenFileMsg: permission check failed for file '%s', access = %d", file, access)
		return nil, &Refusal{CodeReadOnly, text}
	}
	if owner.Locked {
		return nil, &Refusal{CodeFail, "NfcFssrvrOpen: Failed to open: DiskLib error 16392: Failed to lock the file"}
	}
	opened := &Opened{File: file}
	opened.Close = func() {
		inv.mu.Lock()
		defer inv.mu.Unlock()
		owner.opened--
		if frozen, ok := opened.Content.(*disk.Frozen); ok {
			frozen.Release()
		}
	}
	if link.Frozen != nil {
		if write {
			return nil, &Refusal{CodeReadOnly, fmt.Sprintf("NfcFssrvrOpen: '%s' has children and cannot be written", file)}
		}
		link.Frozen.Use()
		opened.Content = link.Frozen
	} else {
		if inv.Running(machine) {
			text := "NfcFssrvrOpen: Thin/TBZ/Sparse disks cannot be opened in multiwriter mode"
			return nil, &Refusal{CodeFail, text}
		}
		opened.Content = owner.Disk
		if write {
			opened.Write = owner.Disk.WriteAt
		}
	}
	owner.opened++
	return opened, nil
}

// IsOpen tells whether a disk is open on the data port.
func (inv *Inventory) IsOpen(d *MachineDisk) bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return d.opened > 0
}

// InUse tells whether the bytes of a disk, which are in this file, are open: by a running machine or on the data port.
func (inv *Inventory) InUse(flatPath string) bool {
	for _, m := range inv.Machines() {
		for _, d := range m.Disks {
			if d.FlatPath == flatPath {
				return inv.IsOpen(d) || inv.Running(m.Ref)
			}
		}
	}
	return false
}

// SetLocked locks a disk or unlocks it.
func (inv *Inventory) SetLocked(d *MachineDisk, locked bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	d.Locked = locked
}

func (inv *Inventory) locate(file string) (*MachineDisk, *Link) {
	for _, m := range inv.machines {
		for _, d := range m.Disks {
			if link := d.find(file); link != nil {
				return d, link
			}
		}
	}
	return nil, nil
}
