// Package machines makes machines in the simulator, with disks that are real files.
package machines

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/describe"
	"vmdkbkp.test/vsphere/disk"
	"vmdkbkp.test/vsphere/inventory"
)

// Spec says what machine to make.
type Spec struct {
	Name      string `json:"name"`
	Folder    string `json:"folder"`    // path below the folder of machines, made if it is not there
	Datastore string `json:"datastore"` // the first one if empty
	Host      int    `json:"host"`      // of a vCenter, from 0
	Off       bool   `json:"off"`       // not powered on
	NoTools   bool   `json:"noTools"`   // VMware Tools do not run in it
	Tracking  bool   `json:"tracking"`  // change tracking is on
	Disks     []Disk `json:"disks"`
}

// Disk says what disk to make.
type Disk struct {
	Bytes int64 `json:"bytes"`
	// File is a file that becomes the disk, and that the machine writes to. Without it, the disk is empty.
	File string `json:"file"`
	// Mode is the disk mode of the API, "persistent" if empty.
	Mode string `json:"mode"`
	// Rdm makes the disk a mapped device: "physicalMode" or "virtualMode".
	Rdm string `json:"rdm"`
	// Untracked leaves the disk out of change tracking. TrackingBytes is the unit of it, 64 KiB if 0.
	Untracked     bool  `json:"untracked"`
	TrackingBytes int64 `json:"trackingBytes"`
}

// Made is a machine that was made.
type Made struct {
	Ref   string     `json:"ref"`
	UUID  string     `json:"uuid"`
	VMX   string     `json:"vmx"`
	Disks []MadeDisk `json:"disks"`
}

// MadeDisk is a disk of it: its key, its file as the API names it, and the real file with its newest bytes.
type MadeDisk struct {
	Key  int32  `json:"key"`
	Path string `json:"path"`
	File string `json:"file"`
}

// Maker makes machines.
type Maker struct {
	Client    *vim25.Client
	Inventory *inventory.Inventory
	Folder    string // with a folder for each datastore, and one for frozen bytes
	VCenter   bool
}

const disksPerController = 15 // unit 7 is the controller's

// Add makes a machine and powers it on.
func (m *Maker) Add(ctx context.Context, spec Spec) (Made, error) {
	if spec.Name == "" || len(spec.Disks) > 4*disksPerController {
		return Made{}, fmt.Errorf("cannot make a machine named %q with %d disks", spec.Name, len(spec.Disks))
	}
	finder := find.NewFinder(m.Client)
	center, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return Made{}, err
	}
	finder.SetDatacenter(center)
	datastores, err := finder.DatastoreList(ctx, "*")
	if err != nil {
		return Made{}, err
	}
	if spec.Datastore == "" {
		spec.Datastore = datastores[0].Name()
	}
	hosts, err := finder.HostSystemList(ctx, "*")
	if err != nil || spec.Host >= len(hosts) {
		return Made{}, fmt.Errorf("there is no host %d: %v", spec.Host, err)
	}
	pool, err := hosts[spec.Host].ResourcePool(ctx)
	if err != nil {
		return Made{}, err
	}
	folder, err := m.folder(ctx, center, spec.Folder)
	if err != nil {
		return Made{}, err
	}
	config := types.VirtualMachineConfigSpec{
		Name:     spec.Name,
		GuestId:  string(types.VirtualMachineGuestOsIdentifierOtherLinux64Guest),
		NumCPUs:  2,
		MemoryMB: 1024,
		Files:    &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s]", spec.Datastore)},
	}
	if config.DeviceChange, err = newDevices(spec).ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd); err != nil {
		return Made{}, err
	}
	task, err := folder.CreateVM(ctx, config, pool, hosts[spec.Host])
	if err != nil {
		return Made{}, err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return Made{}, err
	}
	made, err := m.adopt(info.Result.(types.ManagedObjectReference), spec)
	if err != nil || spec.Off {
		return made, err
	}
	return made, m.Power(ctx, made.Ref, true)
}

// folder finds a folder of machines, and makes what is missing of its path.
func (m *Maker) folder(ctx context.Context, center *object.Datacenter, below string) (*object.Folder, error) {
	folders, err := center.Folders(ctx)
	if err != nil {
		return nil, err
	}
	at := folders.VmFolder
	for _, name := range strings.FieldsFunc(below, func(r rune) bool { return r == '/' }) {
		children, err := at.Children(ctx)
		if err != nil {
			return nil, err
		}
		var next *object.Folder
		for _, child := range children {
			if folder, ok := child.(*object.Folder); ok {
				if found, _ := folder.ObjectName(ctx); found == name {
					next = folder
				}
			}
		}
		if next == nil {
			if next, err = at.CreateFolder(ctx, name); err != nil {
				return nil, err
			}
		}
		at = next
	}
	return at, nil
}

// newDevices makes the controllers, disks and the network card of a machine.
func newDevices(spec Spec) object.VirtualDeviceList {
	var devices object.VirtualDeviceList
	var controller types.BaseVirtualDevice
	for i, d := range spec.Disks {
		if i%disksPerController == 0 {
			controller, _ = devices.CreateSCSIController("pvscsi")
			devices = append(devices, controller)
		}
		made := devices.CreateDisk(controller.(types.BaseVirtualController), types.ManagedObjectReference{}, "")
		made.CapacityInBytes, made.CapacityInKB = d.Bytes, d.Bytes/1024
		backing := made.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		backing.ThinProvisioned = types.NewBool(true)
		if d.Mode != "" {
			backing.DiskMode = d.Mode
		}
		devices = append(devices, made)
	}
	nic := esx.EthernetCard
	return append(devices, &nic)
}

// adopt gives a machine that the simulator has made the device keys of a real one, real files, and a place in the
// inventory of disks.
func (m *Maker) adopt(ref types.ManagedObjectReference, spec Spec) (Made, error) {
	vm := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	machine := &inventory.Machine{Ref: ref.Value, Name: spec.Name}
	made := Made{Ref: ref.Value}
	var err error
	simulator.Map.WithLock(simulator.SpoofContext(), vm, func() {
		made.UUID, made.VMX = vm.Config.Uuid, vm.Config.Files.VmPathName
		setKeys(vm.Config.Hardware.Device)
		for _, device := range vm.Config.Hardware.Device {
			if d, ok := device.(*types.VirtualDisk); ok && err == nil {
				err = m.adoptDisk(machine, &made, d, spec.Disks[len(made.Disks)])
			}
		}
		if err != nil {
			return
		}
		running := types.VirtualMachineToolsRunningStatusGuestToolsRunning
		status := types.VirtualMachineToolsStatusToolsOk
		if spec.NoTools {
			running = types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
			status = types.VirtualMachineToolsStatusToolsNotInstalled
		}
		vm.Guest.ToolsRunningStatus, vm.Guest.ToolsStatus = string(running), status
		vm.Config.ChangeTrackingEnabled = types.NewBool(spec.Tracking)
		vm.Capability.ChangeTrackingSupported = types.NewBool(true)
		err = m.writeFiles(vm)
	})
	m.Inventory.Add(machine)
	m.Inventory.Track(machine, spec.Tracking)
	return made, err
}

// setKeys numbers controllers from 1000 and disks from 2000 on, as a real server does.
func setKeys(devices []types.BaseVirtualDevice) {
	buses := map[int32]int32{}
	for _, device := range devices {
		if controller, ok := device.(types.BaseVirtualSCSIController); ok {
			c := controller.GetVirtualSCSIController()
			old := c.Key
			c.Key, c.Device = 1000+int32(len(buses)), nil
			c.BusNumber = int32(len(buses))
			buses[old] = c.BusNumber
		}
	}
	for _, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok {
			bus := buses[disk.ControllerKey]
			disk.ControllerKey, disk.Key = 1000+bus, 2000+16*bus+*disk.UnitNumber
		}
	}
}

// filePath returns where the file of a datastore really is.
func (m *Maker) filePath(file string) string {
	var p object.DatastorePath
	p.FromString(file)
	return filepath.Join(m.Folder, p.Datastore, p.Path)
}

func (m *Maker) adoptDisk(machine *inventory.Machine, made *Made, device *types.VirtualDisk, spec Disk) error {
	backing := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	name, flat := backing.FileName, strings.TrimSuffix(backing.FileName, ".vmdk")+"-flat.vmdk"
	flatFile := m.filePath(flat)
	if spec.File != "" {
		// The file of a datastore is a link to the one that was given.
		if err := os.Remove(flatFile); err != nil {
			return err
		}
		if err := os.Symlink(spec.File, flatFile); err != nil {
			return err
		}
	}
	frozen := filepath.Join(m.Folder, ".frozen")
	if err := os.MkdirAll(frozen, 0o700); err != nil {
		return err
	}
	opened, err := disk.Open(flatFile, frozen, spec.Bytes)
	if err != nil {
		return err
	}
	if spec.TrackingBytes > 0 {
		opened.TrackingBytes = spec.TrackingBytes
	}
	description := describe.DiskDescriptor(describe.Disk{File: path.Base(name), Bytes: spec.Bytes})
	if err := os.WriteFile(m.filePath(name), []byte(description), 0o600); err != nil {
		return err
	}
	if spec.Rdm != "" {
		device.Backing = &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: backing.VirtualDeviceFileBackingInfo,
			CompatibilityMode:            spec.Rdm, DiskMode: backing.DiskMode, Uuid: backing.Uuid,
			LunUuid: "0200000000600508b1001c", DeviceName: "vml.0200000000600508b1001c",
		}
	}
	machine.Disks = append(machine.Disks, &inventory.MachineDisk{
		Key: device.Key, Disk: opened, Live: &inventory.Link{File: name}, FlatPath: flat, Tracked: !spec.Untracked,
		Independent: strings.HasPrefix(spec.Mode, "independent") || spec.Rdm == "physicalMode",
	})
	real := flatFile
	if spec.File != "" {
		real = spec.File
	}
	made.Disks = append(made.Disks, MadeDisk{device.Key, name, real})
	return nil
}

// Describe returns what the texts about a machine tell. The caller holds its lock.
func Describe(config *types.VirtualMachineConfigInfo) describe.Machine {
	m := describe.Machine{
		Name: config.Name, UUID: config.Uuid, GuestID: config.GuestId, Version: config.Version,
		CPUs: config.Hardware.NumCPU, MemoryMB: int64(config.Hardware.MemoryMB),
	}
	for _, device := range config.Hardware.Device {
		if d, ok := device.(*types.VirtualDisk); ok {
			file := d.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo().FileName
			m.Disks = append(m.Disks, describe.Disk{
				Bus: d.ControllerKey - 1000, Unit: *d.UnitNumber, File: path.Base(file), Bytes: d.CapacityInBytes,
			})
		}
	}
	return m
}

// writeFiles writes the configuration and the non-volatile memory of a machine.
func (m *Maker) writeFiles(vm *simulator.VirtualMachine) error {
	vmx := m.filePath(vm.Config.Files.VmPathName)
	if err := os.WriteFile(vmx, []byte(describe.VMX(Describe(vm.Config))), 0o600); err != nil {
		return err
	}
	var memory []byte
	for sum := sha256.Sum256([]byte(vm.Config.Uuid)); len(memory) < 8684; sum = sha256.Sum256(sum[:]) {
		memory = append(memory, sum[:]...)
	}
	nvram := strings.TrimSuffix(vm.Config.Files.VmPathName, ".vmx") + ".nvram"
	vm.LayoutEx.File = append(vm.LayoutEx.File, types.VirtualMachineFileLayoutExFileInfo{
		Key: int32(len(vm.LayoutEx.File)), Name: nvram, Type: "nvram", Size: 8684, UniqueSize: 8684,
		Accessible: types.NewBool(true),
	})
	return os.WriteFile(m.filePath(nvram), memory[:8684], 0o600)
}

// Power switches a machine on or off.
func (m *Maker) Power(ctx context.Context, ref string, on bool) error {
	vm := object.NewVirtualMachine(m.Client, types.ManagedObjectReference{Type: "VirtualMachine", Value: ref})
	change := vm.PowerOff
	if on {
		change = vm.PowerOn
	}
	task, err := change(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// Remove switches a machine off and destroys it with its files.
func (m *Maker) Remove(ctx context.Context, ref string) error {
	vm, ok := simulator.Map.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: ref}).(*simulator.VirtualMachine)
	if !ok || m.Inventory.Machine(ref) == nil {
		return fmt.Errorf("there is no machine %q", ref)
	}
	_ = m.Power(ctx, ref, false) // it may be off
	m.Inventory.Remove(ref)
	simulator.Map.WithLock(simulator.SpoofContext(), vm, func() {
		// The simulator ends if it destroys a disk with another backing.
		for _, device := range vm.Config.Hardware.Device {
			if mapped, ok := device.GetVirtualDevice().Backing.(*types.VirtualDiskRawDiskMappingVer1BackingInfo); ok {
				device.GetVirtualDevice().Backing = &types.VirtualDiskFlatVer2BackingInfo{
					VirtualDeviceFileBackingInfo: mapped.VirtualDeviceFileBackingInfo,
				}
			}
		}
	})
	task, err := object.NewVirtualMachine(m.Client, vm.Self).Destroy(ctx)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// Grow makes a disk of a machine larger.
func (m *Maker) Grow(ref string, key int32, bytes int64) error {
	machine := m.Inventory.Machine(ref)
	vm, ok := simulator.Map.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: ref}).(*simulator.VirtualMachine)
	if machine == nil || !ok || machine.ByKey(key) == nil {
		return fmt.Errorf("there is no machine %q with a disk %d", ref, key)
	}
	if err := machine.ByKey(key).Disk.Grow(bytes); err != nil {
		return err
	}
	simulator.Map.WithLock(simulator.SpoofContext(), vm, func() {
		devices := append([]types.BaseVirtualDevice(nil), vm.Config.Hardware.Device...)
		for i, device := range devices {
			if old, ok := device.(*types.VirtualDisk); ok && old.Key == key {
				grown := *old
				grown.CapacityInBytes, grown.CapacityInKB = bytes, bytes/1024
				devices[i] = &grown
			}
		}
		vm.Config.Hardware.Device = devices
	})
	return nil
}
