package vim

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/describe"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/front"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/machines"
	"vmdkbkp.test/vsphere/tickets"
)

type ref = types.ManagedObjectReference

// returned is a reply with one value.
type returned struct {
	Value any `xml:"returnval"`
}

// calls are the calls that the simulator does not have, or not well enough. One that returns neither a value nor a
// fault leaves the rest to the simulator.
var calls = map[string]func(s *Server, request any) (any, *front.Fault){
	"RetrieveInternalContent": func(s *Server, _ any) (any, *front.Fault) {
		return &returned{tickets.InternalContentOf(s.nfcService)}, nil
	},
	"NfcGetServerNfcLibVersion": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*tickets.LibVersionRequest)
		if r.This != s.nfcService {
			return nil, notFound(r.This)
		}
		if r.HostForAccess == nil || simulator.Map.Get(*r.HostForAccess) == nil {
			return nil, front.InvalidArgument("hostForAccess")
		}
		return &returned{s.NfcVersion}, nil
	},
	"NfcGetVmFiles": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*tickets.FilesRequest)
		return s.ticket(r.This, r.Vm, 0, nil, false)
	},
	"NfcRandomAccessOpenDisk": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*tickets.DiskRequest)
		return s.ticket(r.This, r.Vm, r.DiskDeviceKey, r.HostForAccess, true)
	},
	"NfcRandomAccessOpenReadonly": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*tickets.DiskReadonlyRequest)
		return s.ticket(r.This, r.Vm, r.DiskDeviceKey, r.HostForAccess, false)
	},
	"QueryChangedDiskAreas": func(s *Server, request any) (any, *front.Fault) {
		return s.changedAreas(request.(*types.QueryChangedDiskAreas))
	},
	"CreateDescriptor": func(s *Server, request any) (any, *front.Fault) {
		return s.createDescriptor(request.(*types.CreateDescriptor))
	},
	"CreateSnapshot_Task": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*types.CreateSnapshot_Task)
		return s.snapshot(r.This, "CreateSnapshot_Task", r.Name, r.Description, r.Quiesce)
	},
	"CreateSnapshotEx_Task": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*types.CreateSnapshotEx_Task)
		return s.snapshot(r.This, "CreateSnapshotEx_Task", r.Name, r.Description, r.QuiesceSpec != nil)
	},
	"RemoveSnapshot_Task": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*types.RemoveSnapshot_Task)
		return s.onSnapshot(r.This, "RemoveSnapshot_Task", func(vm *simulator.VirtualMachine) (types.AnyType, error) {
			return s.removeSnapshot(vm, r.This, r.RemoveChildren)
		})
	},
	"RevertToSnapshot_Task": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*types.RevertToSnapshot_Task)
		return s.onSnapshot(r.This, "RevertToSnapshot_Task", func(vm *simulator.VirtualMachine) (types.AnyType, error) {
			return s.revert(vm, r.This)
		})
	},
	"RemoveAllSnapshots_Task": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*types.RemoveAllSnapshots_Task)
		return s.onMachine(r.This, "RemoveAllSnapshots_Task", "", func(vm *simulator.VirtualMachine) (types.AnyType, error) {
			for _, root := range snapshotsOf(vm).RootSnapshotList {
				if _, err := s.removeSnapshot(vm, root.Snapshot, true); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
	},
	"ReconfigVM_Task": func(s *Server, request any) (any, *front.Fault) {
		r := request.(*types.ReconfigVM_Task)
		on := r.Spec.ChangeTrackingEnabled
		if on == nil || !reflect.DeepEqual(r.Spec, types.VirtualMachineConfigSpec{ChangeTrackingEnabled: on}) {
			return nil, nil
		}
		// The simulator ends if a machine with another kind of backing is configured.
		return s.onMachine(r.This, "ReconfigVM_Task", "", func(vm *simulator.VirtualMachine) (types.AnyType, error) {
			vm.Config.ChangeTrackingEnabled = on
			return nil, nil
		})
	},
	"CancelTask": func(s *Server, request any) (any, *front.Fault) {
		return s.cancelTask(request.(*types.CancelTask).This)
	},
	"HasPrivilegeOnEntities": func(s *Server, request any) (any, *front.Fault) {
		return front.HasPrivileges(s.Faults.Settings().Missing, request.(*types.HasPrivilegeOnEntities)), nil
	},
	"PowerOnVM_Task": func(s *Server, request any) (any, *front.Fault) {
		s.stun(request.(*types.PowerOnVM_Task).This.Value)
		return nil, nil
	},
}

func notFound(object ref) *front.Fault {
	text := fmt.Sprintf("The object '%s:%s' has already been deleted or has not been completely created", object.Type, object.Value)
	return &front.Fault{Text: text, Detail: &types.ManagedObjectNotFound{Obj: object}}
}

// onMachine begins a task of a machine.
func (s *Server) onMachine(machine ref, method, when string, w work) (any, *front.Fault) {
	if s.Inventory.Machine(machine.Value) == nil {
		return nil, notFound(machine)
	}
	return &returned{s.task(machine.Value, method, when, w)}, nil
}

// onSnapshot begins a task of a snapshot's machine.
func (s *Server) onSnapshot(snapshot ref, method string, w work) (any, *front.Fault) {
	found, ok := simulator.Map.Get(snapshot).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return nil, notFound(snapshot)
	}
	return s.onMachine(found.Vm, method, "", w)
}

// snapshot begins to take a snapshot. Without running tools there is nothing to quiesce.
func (s *Server) snapshot(machine ref, method, name, description string, quiesce bool) (any, *front.Fault) {
	when := ""
	if quiesce {
		when = "quiesce"
	}
	return s.onMachine(machine, method, when, func(vm *simulator.VirtualMachine) (types.AnyType, error) {
		running := vm.Guest != nil && vm.Guest.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
		return s.createSnapshot(vm, types.VirtualMachineSnapshotTree{
			Name: name, Description: description, Quiesced: quiesce && running,
		})
	})
}

// stun applies the setting of change tracking, as every pause of a machine does.
func (s *Server) stun(machine string) {
	if m := s.Inventory.Machine(machine); m != nil {
		locked(machine, func(vm *simulator.VirtualMachine) { s.Inventory.Track(m, isTrue(vm.Config.ChangeTrackingEnabled)) })
	}
}

// ticket checks a request for a ticket of the data port. key is 0 for all disks of a machine.
func (s *Server) ticket(service, machine ref, key int32, host *ref, write bool) (any, *front.Fault) {
	m := s.Inventory.Machine(machine.Value)
	switch {
	case service != s.nfcService:
		return nil, notFound(service)
	case m == nil || machine.Type != "VirtualMachine":
		return nil, notFound(machine)
	}
	if key != 0 || write {
		var runs ref
		locked(m.Ref, func(vm *simulator.VirtualMachine) { runs = *vm.Runtime.Host })
		if host == nil || *host != runs {
			return nil, front.InvalidArgument("hostForAccess")
		}
		if m.ByKey(key) == nil {
			return nil, front.InvalidArgument("diskDeviceKey")
		}
	}
	return &returned{s.Tickets.Issue(tickets.Ticket{Machine: m.Ref, Key: key, Write: write})}, nil
}

// changedAreas answers a change query.
func (s *Server) changedAreas(r *types.QueryChangedDiskAreas) (any, *front.Fault) {
	m := s.Inventory.Machine(r.This.Value)
	if m == nil {
		return nil, notFound(r.This)
	}
	snapshot := ""
	if r.Snapshot != nil {
		found, ok := simulator.Map.Get(*r.Snapshot).(*simulator.VirtualMachineSnapshot)
		if !ok || found.Vm != r.This {
			return nil, notFound(*r.Snapshot)
		}
		snapshot = r.Snapshot.Value
	} else if s.isRunning(m.Ref) {
		return nil, front.InvalidArgument("snapshot")
	}
	page := s.Faults.Settings().Page
	changes, err := s.Inventory.Changed(m, snapshot, r.DeviceKey, r.StartOffset, r.ChangeId, page)
	var bad *inventory.BadArgument
	if errors.As(err, &bad) {
		return nil, front.InvalidArgument(bad.Name)
	}
	if err != nil {
		file := m.ByKey(r.DeviceKey).Live.File
		return nil, &front.Fault{Text: "Error caused by file " + file, Detail: &types.FileFault{File: file}}
	}
	if lie := s.Faults.Take("changes", func(f faults.Fault) bool { return true }); lie != nil {
		changes = changes.Lie(lie.Kind)
	}
	s.Journal.Add("changeQueries", 1)
	s.Journal.Event("changes", journal.Fields{"machine": m.Ref, "key": r.DeviceKey, "start": r.StartOffset, "areas": len(changes.Areas)})
	info := types.DiskChangeInfo{StartOffset: changes.Start, Length: changes.Length}
	for _, area := range changes.Areas {
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: area.Start, Length: area.Length})
	}
	return &types.QueryChangedDiskAreasResponse{Returnval: info}, nil
}

// createDescriptor describes a machine.
func (s *Server) createDescriptor(r *types.CreateDescriptor) (any, *front.Fault) {
	var m describe.Machine
	if !locked(r.Obj.Value, func(vm *simulator.VirtualMachine) { m = machines.Describe(vm.Config) }) {
		return nil, notFound(r.Obj)
	}
	for _, file := range r.Cdp.OvfFiles {
		m.Files = append(m.Files, file.Path)
	}
	return &returned{types.OvfCreateDescriptorResult{OvfDescriptor: describe.OVF(m)}}, nil
}
