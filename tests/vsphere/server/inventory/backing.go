package inventory

import "github.com/vmware/govmomi/vim25/types"

// Devices copies a list of devices. The backing of each disk is made of its file, unless it has none.
func (m *Machine) Devices(all []types.BaseVirtualDevice, file func(*MachineDisk) *Link) []types.BaseVirtualDevice {
	copied := append([]types.BaseVirtualDevice(nil), all...)
	for i, device := range copied {
		old, isDisk := device.(*types.VirtualDisk)
		if !isDisk {
			continue
		}
		d := m.ByKey(old.Key)
		backing, isFlat := old.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if d == nil || !isFlat {
			continue
		}
		if link := file(d); link != nil {
			disk := *old
			disk.Backing = chain(*backing, link)
			copied[i] = &disk
		}
	}
	return copied
}

// chain makes the backing of a file and of those below it. The newest file has the change id of the one below.
func chain(like types.VirtualDiskFlatVer2BackingInfo, link *Link) *types.VirtualDiskFlatVer2BackingInfo {
	like.FileName, like.Parent, like.ChangeId = link.File, nil, ""
	if link.Parent != nil {
		like.Parent = chain(like, link.Parent)
		like.ChangeId = like.Parent.ChangeId
	}
	if link.Frozen != nil {
		like.ChangeId = link.Frozen.ChangeID()
	}
	return &like
}
