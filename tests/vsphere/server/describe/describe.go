// Package describe writes the texts that describe a machine: VMX, OVF, the descriptor of a disk.
package describe

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Machine is what the texts tell.
type Machine struct {
	Name, UUID, GuestID, Version string
	CPUs                         int32
	MemoryMB                     int64
	Disks                        []Disk
	Files                        []string // that an OVF package has, one for each disk, or none
}

// Disk is a disk of a machine.
type Disk struct {
	Bus, Unit int32
	File      string // without datastore and folder
	Bytes     int64
}

// VMX writes the configuration file of a machine.
func VMX(m Machine) string {
	var out strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&out, "%s = \"%v\"\n", key, escape(fmt.Sprint(value))) }
	set(".encoding", "UTF-8")
	set("config.version", 8)
	set("virtualHW.version", strings.TrimPrefix(m.Version, "vmx-"))
	set("displayName", m.Name)
	set("guestOS", m.GuestID)
	set("uuid.bios", m.UUID)
	set("nvram", m.Name+".nvram")
	set("memSize", m.MemoryMB)
	set("numvcpus", m.CPUs)
	buses := map[int32]bool{}
	for _, d := range m.Disks {
		if !buses[d.Bus] {
			buses[d.Bus] = true
			set(fmt.Sprintf("scsi%d.present", d.Bus), "TRUE")
			set(fmt.Sprintf("scsi%d.virtualDev", d.Bus), "pvscsi")
		}
		prefix := fmt.Sprintf("scsi%d:%d.", d.Bus, d.Unit)
		set(prefix+"present", "TRUE")
		set(prefix+"deviceType", "scsi-hardDisk")
		set(prefix+"fileName", d.File)
	}
	return out.String()
}

// escape writes what a VMX cannot have within quotes as VMware does, with the number of the byte after a bar.
func escape(value string) string {
	var out strings.Builder
	for _, b := range []byte(value) {
		if b < 0x20 || b == '"' || b == '|' {
			fmt.Fprintf(&out, "|%02X", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}

// DiskDescriptor writes the descriptor of a thin disk on a datastore.
func DiskDescriptor(d Disk) string {
	return fmt.Sprintf("# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=fffffffe\nparentCID=ffffffff\n"+
		"createType=\"vmfs\"\n\n# Extent description\nRW %d VMFS \"%s-flat.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n"+
		"ddb.adapterType = \"lsilogic\"\nddb.thinProvisioned = \"1\"\nddb.virtualHWVersion = \"13\"\n",
		d.Bytes/512, strings.TrimSuffix(d.File, ".vmdk"))
}

func text(value string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(value))
	return out.String()
}

// OVF writes the descriptor of a machine.
func OVF(m Machine) string {
	var out strings.Builder
	out.WriteString(xml.Header + `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" ` +
		`xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" ` +
		`xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" ` +
		`xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">` + "\n<References>")
	for i, file := range m.Files {
		fmt.Fprintf(&out, `<File ovf:href="%s" ovf:id="file%d"/>`, text(file), i+1)
	}
	out.WriteString("</References>\n<DiskSection><Info>List of the virtual disks</Info>\n")
	for i, d := range m.Disks {
		reference := ""
		if i < len(m.Files) {
			reference = fmt.Sprintf(`ovf:fileRef="file%d" `, i+1)
		}
		fmt.Fprintf(&out, `<Disk ovf:capacity="%d" ovf:diskId="vmdisk%d" %s`+
			`ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>`+"\n",
			d.Bytes, i+1, reference)
	}
	fmt.Fprintf(&out, "</DiskSection>\n<VirtualSystem ovf:id=\"%s\"><Info>A Virtual system</Info><Name>%s</Name>\n",
		text(m.Name), text(m.Name))
	fmt.Fprintf(&out, "<OperatingSystemSection ovf:id=\"1\"><Info>The operating system</Info></OperatingSystemSection>\n"+
		"<VirtualHardwareSection><Info>Virtual hardware requirements</Info>\n<System><vssd:ElementName>Virtual Hardware"+
		"</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemType>%s</vssd:VirtualSystemType></System>\n",
		text(m.Version))
	id := 0
	item := func(name string, kind int, rest string) int {
		id++
		fmt.Fprintf(&out, "<Item><rasd:ElementName>%s</rasd:ElementName><rasd:InstanceID>%d</rasd:InstanceID>%s"+
			"<rasd:ResourceType>%d</rasd:ResourceType></Item>\n", name, id, rest, kind)
		return id
	}
	quantity := func(n int64) string { return fmt.Sprintf("<rasd:VirtualQuantity>%d</rasd:VirtualQuantity>", n) }
	item("virtual CPUs", 3, quantity(int64(m.CPUs)))
	item("memory in MB", 4, quantity(m.MemoryMB))
	controllers := map[int32]int{}
	for i, d := range m.Disks {
		if controllers[d.Bus] == 0 {
			controllers[d.Bus] = item(fmt.Sprintf("SCSI controller %d", d.Bus), 6,
				"<rasd:ResourceSubType>pvscsi</rasd:ResourceSubType>")
		}
		item(fmt.Sprintf("Hard disk %d", i+1), 17, fmt.Sprintf("<rasd:HostResource>ovf:/disk/vmdisk%d</rasd:HostResource>"+
			"<rasd:Parent>%d</rasd:Parent>", i+1, controllers[d.Bus]))
	}
	out.WriteString("</VirtualHardwareSection></VirtualSystem></Envelope>\n")
	return out.String()
}
