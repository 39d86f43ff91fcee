package front

import "github.com/vmware/govmomi/vim25/types"

// privileges are what calls need. Those of the tickets for the data port are a guess.
var privileges = map[string]string{
	"CreateSnapshot_Task":         "VirtualMachine.State.CreateSnapshot",
	"CreateSnapshotEx_Task":       "VirtualMachine.State.CreateSnapshot",
	"RemoveSnapshot_Task":         "VirtualMachine.State.RemoveSnapshot",
	"RemoveAllSnapshots_Task":     "VirtualMachine.State.RemoveSnapshot",
	"RevertToSnapshot_Task":       "VirtualMachine.State.RevertToSnapshot",
	"ReconfigVM_Task":             "VirtualMachine.Config.ChangeTracking",
	"QueryChangedDiskAreas":       "VirtualMachine.Provisioning.DiskRandomRead",
	"NfcGetVmFiles":               "VirtualMachine.Provisioning.DiskRandomRead",
	"NfcRandomAccessOpenReadonly": "VirtualMachine.Provisioning.DiskRandomRead",
	"NfcRandomAccessOpenDisk":     "VirtualMachine.Provisioning.DiskRandomAccess",
	"CreateDescriptor":            "VApp.Export",
	"ImportVApp":                  "VApp.Import",
}

func isMissing(missing []string, privilege string) bool {
	for _, name := range missing {
		if name == privilege {
			return true
		}
	}
	return false
}

// denied returns the fault of a call for which the account has no privilege, nil if it has it.
func (f *Front) denied(method string, this types.ManagedObjectReference) *Fault {
	privilege := privileges[method]
	if privilege == "" || !isMissing(f.Faults.Settings().Missing, privilege) {
		return nil
	}
	return &Fault{"Permission to perform this operation was denied.", &types.NoPermission{
		Object: &this, PrivilegeId: privilege,
	}}
}

// HasPrivileges answers the question what an account without the missing privileges may do.
func HasPrivileges(missing []string, r *types.HasPrivilegeOnEntities) *types.HasPrivilegeOnEntitiesResponse {
	response := &types.HasPrivilegeOnEntitiesResponse{}
	for _, entity := range r.Entity {
		answer := types.EntityPrivilege{Entity: entity}
		for _, privilege := range r.PrivId {
			answer.PrivAvailability = append(answer.PrivAvailability, types.PrivilegeAvailability{
				PrivId: privilege, IsGranted: !isMissing(missing, privilege),
			})
		}
		response.Returnval = append(response.Returnval, answer)
	}
	return response
}
