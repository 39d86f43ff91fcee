package vim

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/front"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/tree"
)

// work is what a task does while it holds the machine's lock.
type work func(*simulator.VirtualMachine) (types.AnyType, error)

// task begins a task of a machine and returns its reference. The simulator's own tasks cannot tell progress, be
// cancelled, or fail with a sentence. when is compared with that of faults.
func (s *Server) task(machine, method, when string, w work) types.ManagedObjectReference {
	ctx := simulator.SpoofContext()
	t := simulator.CreateTask(vmRef(machine), method, nil)
	set := func(name string, value types.AnyType) {
		simulator.Map.AtomicUpdate(ctx, t, []types.PropertyChange{{Name: "info." + name, Val: value}})
	}
	length := time.Duration(s.Faults.Settings().TaskMs) * time.Millisecond
	set("startTime", time.Now())
	set("cancelable", length > 0)
	set("state", types.TaskInfoStateRunning)
	go func() {
		for percent := int32(0); percent < 100 && length > 0; percent += 10 {
			set("progress", percent)
			time.Sleep(length / 10)
		}
		isCancelled := false
		simulator.Map.WithLock(ctx, t, func() {
			if isCancelled = t.Info.Cancelled; !isCancelled {
				set("cancelable", false) // from now on it is too late
			}
		})
		if isCancelled {
			return
		}
		state := types.TaskInfoStateSuccess
		value, f := s.run(machine, method, when, w)
		if f != nil {
			state = types.TaskInfoStateError
			set("error", types.LocalizedMethodFault{Fault: f.Detail, LocalizedMessage: f.Text})
		} else if value != nil {
			set("result", value)
		}
		s.Journal.Event("task", journal.Fields{"method": method, "this": machine, "state": state})
		set("completeTime", time.Now())
		set("state", state)
	}()
	return t.Self
}

// cancelTask cancels a task that has not begun its work. The simulator's own way to do so ends in a panic.
func (s *Server) cancelTask(this types.ManagedObjectReference) (any, *front.Fault) {
	t, ok := simulator.Map.Get(this).(*simulator.Task)
	if !ok {
		return nil, notFound(this)
	}
	ctx := simulator.SpoofContext()
	cancelled := false
	simulator.Map.WithLock(ctx, t, func() {
		if cancelled = t.Info.Cancelable; !cancelled {
			return
		}
		text := "The task was canceled by a user."
		simulator.Map.Update(t, []types.PropertyChange{
			{Name: "info.cancelled", Val: true}, {Name: "info.cancelable", Val: false},
			{Name: "info.error", Val: types.LocalizedMethodFault{Fault: &types.RequestCanceled{}, LocalizedMessage: text}},
			{Name: "info.state", Val: types.TaskInfoStateError},
		})
	})
	if !cancelled {
		return nil, &front.Fault{Text: "The operation is not allowed in the current state.", Detail: &types.InvalidState{}}
	}
	return &types.CancelTaskResponse{}, nil
}

// run does the work of a task, unless a fault is to happen instead.
func (s *Server) run(machine, method, when string, w work) (value types.AnyType, f *front.Fault) {
	told := s.Faults.Take("call", func(f faults.Fault) bool {
		return f.Kind == "task" && f.Method == method && (f.When == "" || f.When == when)
	})
	if told != nil {
		f, err := front.FaultOf(told.Type, told.Text, told.Fields)
		if err != nil {
			f = &front.Fault{Text: err.Error(), Detail: &types.SystemError{}}
		}
		return nil, f
	}
	found := locked(machine, func(vm *simulator.VirtualMachine) {
		var err error
		if value, err = w(vm); err != nil {
			f = &front.Fault{Text: err.Error(), Detail: &types.SnapshotFault{}}
		}
	})
	if !found {
		f = &front.Fault{Text: "The machine is gone.", Detail: &types.ManagedObjectNotFound{Obj: vmRef(machine)}}
	}
	return value, f
}

// createSnapshot freezes the disks of a machine.
func (s *Server) createSnapshot(vm *simulator.VirtualMachine, node types.VirtualMachineSnapshotTree) (types.AnyType, error) {
	m := s.Inventory.Machine(vm.Self.Value)
	snapshot := &simulator.VirtualMachineSnapshot{}
	snapshot.Vm = vm.Self
	snapshot.Config = *vm.Config
	simulator.Map.Put(snapshot)
	s.Inventory.Track(m, isTrue(vm.Config.ChangeTrackingEnabled))
	if err := s.Inventory.Freeze(m, snapshot.Self.Value); err != nil {
		return nil, err
	}
	s.snapshots++
	node.Snapshot, node.Vm, node.Id = snapshot.Self, vm.Self, s.snapshots
	node.CreateTime, node.State, node.ReplaySupported = time.Now(), vm.Runtime.PowerState, types.NewBool(false)
	info := snapshotsOf(vm)
	info.RootSnapshotList = tree.Insert(info.RootSnapshotList, info.CurrentSnapshot, node)
	info.CurrentSnapshot = &snapshot.Self
	s.setSnapshots(vm, m, info)
	s.Journal.Event("snapshot", journal.Fields{
		"machine": m.Ref, "snapshot": snapshot.Self.Value, "name": node.Name, "quiesced": node.Quiesced,
	})
	return snapshot.Self, nil
}

// removeSnapshot removes a snapshot, with its children or without.
func (s *Server) removeSnapshot(vm *simulator.VirtualMachine, ref types.ManagedObjectReference, children bool) (types.AnyType, error) {
	m, info := s.Inventory.Machine(vm.Self.Value), snapshotsOf(vm)
	left, removed, heir := tree.Without(info.RootSnapshotList, ref, children)
	info.RootSnapshotList = left
	for _, gone := range removed {
		if info.CurrentSnapshot != nil && *info.CurrentSnapshot == gone {
			info.CurrentSnapshot = heir
		}
		wasOpen := s.Inventory.Thaw(m, gone.Value)
		if wasOpen {
			vm.Runtime.ConsolidationNeeded = types.NewBool(true)
		}
		simulator.Map.Remove(simulator.SpoofContext(), gone)
		s.Journal.Event("remove-snapshot", journal.Fields{"machine": m.Ref, "snapshot": gone.Value, "wasOpen": wasOpen})
	}
	s.Inventory.Track(m, isTrue(vm.Config.ChangeTrackingEnabled))
	s.setSnapshots(vm, m, info)
	return nil, nil
}

// revert makes a machine what it was at a snapshot, switched off.
func (s *Server) revert(vm *simulator.VirtualMachine, ref types.ManagedObjectReference) (types.AnyType, error) {
	m, info := s.Inventory.Machine(vm.Self.Value), snapshotsOf(vm)
	if err := s.Inventory.Revert(m, ref.Value); err != nil {
		return nil, err
	}
	off := types.VirtualMachinePowerStatePoweredOff
	simulator.Map.Update(vm, []types.PropertyChange{
		{Name: "runtime.powerState", Val: off}, {Name: "summary.runtime.powerState", Val: off},
	})
	info.CurrentSnapshot = &ref
	s.setSnapshots(vm, m, info)
	s.Journal.Event("revert", journal.Fields{"machine": m.Ref, "snapshot": ref.Value})
	return nil, nil
}

func snapshotsOf(vm *simulator.VirtualMachine) types.VirtualMachineSnapshotInfo {
	if vm.Snapshot == nil {
		return types.VirtualMachineSnapshotInfo{}
	}
	return *vm.Snapshot
}

// setSnapshots shows the snapshots of a machine, and the files that its disks and those of its snapshots have now.
func (s *Server) setSnapshots(vm *simulator.VirtualMachine, m *inventory.Machine, info types.VirtualMachineSnapshotInfo) {
	var roots []types.ManagedObjectReference
	for _, root := range info.RootSnapshotList {
		roots = append(roots, root.Snapshot)
	}
	live := m.Devices(vm.Config.Hardware.Device, func(d *inventory.MachineDisk) *inventory.Link { return d.Live })
	changes := []types.PropertyChange{{Name: "snapshot"}, {Name: "rootSnapshot"}, {Name: "config.hardware.device", Val: live}}
	if len(roots) > 0 {
		changes[0].Val, changes[1].Val = &info, roots
	}
	simulator.Map.Update(vm, changes)
	tree.Each(info.RootSnapshotList, func(node types.VirtualMachineSnapshotTree) {
		snapshot := simulator.Map.Get(node.Snapshot).(*simulator.VirtualMachineSnapshot)
		hardware := &snapshot.Config.Hardware
		hardware.Device = m.Devices(hardware.Device, func(d *inventory.MachineDisk) *inventory.Link {
			return s.Inventory.FileOf(m, node.Snapshot.Value, d)
		})
	})
}

func isTrue(b *bool) bool { return b != nil && *b }

// ChangeSnapshots makes a snapshot, removes one or goes back to one at once, as somebody else may do.
func (s *Server) ChangeSnapshots(machine, create, remove, revertTo string) (made string, err error) {
	snapshot := func(value string) types.ManagedObjectReference {
		return types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: value}
	}
	locked(machine, func(vm *simulator.VirtualMachine) {
		if create != "" {
			var value types.AnyType
			value, err = s.createSnapshot(vm, types.VirtualMachineSnapshotTree{Name: create})
			made = value.(types.ManagedObjectReference).Value
		} else if remove != "" {
			_, err = s.removeSnapshot(vm, snapshot(remove), false)
		} else {
			_, err = s.revert(vm, snapshot(revertTo))
		}
	})
	return made, err
}

// SnapshotNames returns the names of all snapshots of a tree.
func SnapshotNames(list []types.VirtualMachineSnapshotTree) []string {
	names := []string{}
	tree.Each(list, func(node types.VirtualMachineSnapshotTree) { names = append(names, node.Name) })
	return names
}
