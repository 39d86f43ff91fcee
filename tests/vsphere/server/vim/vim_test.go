package vim

import (
	"bytes"
	"io"
	"testing"

	"github.com/vmware/govmomi/simulator"

	"vmdkbkp.test/vsphere/certs"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/machines"
	"vmdkbkp.test/vsphere/tickets"
)

func TestASnapshotIsRemovedWhileItsDiskIsOpen(t *testing.T) {
	chain, err := certs.New()
	if err != nil {
		t.Fatal(err)
	}
	events, armed := journal.New(io.Discard), &faults.Set{}
	s, err := New(Options{
		Release: "8.0.3", User: "u", Password: "p", Folder: t.TempDir(), Datastores: []string{"ds"}, Journal: events, Faults: armed,
		Tickets: &tickets.Store{Certs: chain, Faults: armed, Journal: events},
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.AddMachine(machines.Spec{Name: "a", Disks: []machines.Disk{{Bytes: 1 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	live := s.Inventory.Machine(made.Ref).Disks[0].Disk
	write := func(b byte) {
		if _, err := live.WriteAt(bytes.Repeat([]byte{b}, 512), 0); err != nil {
			t.Fatal(err)
		}
	}
	needed := func() (needed bool) {
		locked(made.Ref, func(vm *simulator.VirtualMachine) { needed = isTrue(vm.Runtime.ConsolidationNeeded) })
		return needed
	}
	for _, isOpen := range []bool{false, true} {
		write(1)
		snapshot, err := s.ChangeSnapshots(made.Ref, "x", "", "")
		if err != nil {
			t.Fatal(err)
		}
		opened, err := s.Inventory.Open(made.Ref, 0, false, made.Disks[0].Path, false)
		if err != nil {
			t.Fatal(err)
		}
		write(2)
		if !isOpen {
			opened.Close()
		}
		if _, err := s.ChangeSnapshots(made.Ref, "", snapshot, ""); err != nil {
			t.Fatal(err)
		}
		if needed() != isOpen {
			t.Fatalf("open %v: consolidation is needed: %v", isOpen, needed())
		}
		if isOpen {
			got := make([]byte, 512)
			if _, err := opened.ReadAt(got, 0); err != nil || got[0] != 1 {
				t.Fatalf("the disk that is open has %d, %v", got[0], err)
			}
			opened.Close()
		}
	}
	if _, err := s.Inventory.Open(made.Ref, 0, false, made.Disks[0].Path, false); err == nil {
		t.Fatal("the disk of a running machine can be opened without a snapshot")
	}
}
