package tickets

import (
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

type ref = types.ManagedObjectReference

// Requests of the service that gives tickets. It is in no public description of the API.
type (
	// InternalContentRequest asks for the references that the public content leaves out.
	InternalContentRequest struct {
		This ref `xml:"_this"`
	}
	// FilesRequest asks for a ticket to read all disks of a machine.
	FilesRequest struct {
		This ref `xml:"_this"`
		Vm   ref `xml:"vm"`
	}
	// DiskRequest asks for a ticket to read and write one disk.
	DiskRequest struct {
		This          ref   `xml:"_this"`
		Vm            ref   `xml:"vm"`
		DiskDeviceKey int32 `xml:"diskDeviceKey"`
		HostForAccess *ref  `xml:"hostForAccess"`
	}
	// DiskReadonlyRequest asks for a ticket to read one disk.
	DiskReadonlyRequest DiskRequest
	// LibVersionRequest asks for the version of the data port's protocol.
	LibVersionRequest struct {
		This          ref  `xml:"_this"`
		HostForAccess *ref `xml:"hostForAccess"`
	}
	// InternalContent has some of the references of the answer to InternalContentRequest. A client must look for
	// the one that it needs: the names of the others are made up.
	InternalContent struct {
		First      ref `xml:"firstInternalManager"`
		NfcService ref `xml:"nfcService"`
		Last       ref `xml:"lastInternalManager"`
	}
)

func init() {
	types.Add("RetrieveInternalContent", reflect.TypeOf(InternalContentRequest{}))
	types.Add("NfcGetVmFiles", reflect.TypeOf(FilesRequest{}))
	types.Add("NfcRandomAccessOpenDisk", reflect.TypeOf(DiskRequest{}))
	types.Add("NfcRandomAccessOpenReadonly", reflect.TypeOf(DiskReadonlyRequest{}))
	types.Add("NfcGetServerNfcLibVersion", reflect.TypeOf(LibVersionRequest{}))
}

// InternalContentOf makes the answer to InternalContentRequest.
func InternalContentOf(service ref) InternalContent {
	return InternalContent{
		ref{Type: "FirstInternalManager", Value: "internal-1"}, service, ref{Type: "LastInternalManager", Value: "internal-2"},
	}
}
