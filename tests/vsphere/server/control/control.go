// Package control is the URL with which tests change what happens on the server: plain HTTP on loopback, with a
// token of its own. Each request is a POST with a JSON object; so is each answer.
package control

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vmdkbkp.test/vsphere/disk"
	"vmdkbkp.test/vsphere/faults"
	"vmdkbkp.test/vsphere/front"
	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
	"vmdkbkp.test/vsphere/machines"
	"vmdkbkp.test/vsphere/nfc"
	"vmdkbkp.test/vsphere/tickets"
	"vmdkbkp.test/vsphere/vim"
)

// Control answers requests of tests.
type Control struct {
	Token    string
	Password string
	Server   *vim.Server
	Front    *front.Front
	Port     *nfc.Port
	Tickets  *tickets.Store
	Faults   *faults.Set
	Journal  *journal.Journal
}

// ServeHTTP checks the token and answers.
func (c *Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+c.Token)) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 256<<20))
	command := commands[r.URL.Path]
	if err != nil || r.Method != http.MethodPost || command == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer, err := command(c, body)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// decode reads a JSON object and refuses members that it does not know.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

type done struct{}

// where names a disk of a machine.
type where struct {
	Machine string `json:"machine"`
	Key     int32  `json:"key"`
}

func (c *Control) machine(ref string) (*inventory.Machine, error) {
	m := c.Server.Inventory.Machine(ref)
	if m == nil {
		return nil, fmt.Errorf("there is no machine %q", ref)
	}
	return m, nil
}

func (c *Control) disk(w where) (*inventory.MachineDisk, error) {
	m, err := c.machine(w.Machine)
	if err != nil {
		return nil, err
	}
	if d := m.ByKey(w.Key); d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("machine %q has no disk %d", w.Machine, w.Key)
}

var commands = map[string]func(c *Control, body []byte) (any, error){
	"/machine":        addMachine,
	"/remove-machine": removeMachine,
	"/power":          power,
	"/write":          write,
	"/grow":           grow,
	"/lock":           lock,
	"/reset-tracking": resetTracking,
	"/snapshot":       snapshot,
	"/frozen":         frozen,
	"/fault":          fault,
	"/clear":          clear,
	"/settings":       settings,
	"/expire":         func(c *Control, _ []byte) (any, error) { return map[string]int{"sessions": c.Server.Expire()}, nil },
	"/disconnect":     func(c *Control, _ []byte) (any, error) { c.Port.CutAll(); return done{}, nil },
	"/state":          state,
	"/reset-counters": func(c *Control, _ []byte) (any, error) { c.Journal.Reset(openCounters...); return done{}, nil },
	"/secrets": func(c *Control, _ []byte) (any, error) {
		return map[string]any{"password": c.Password, "cookies": c.Front.Cookies(), "tickets": c.Tickets.IDs()}, nil
	},
}

func addMachine(c *Control, body []byte) (any, error) {
	var spec machines.Spec
	if err := decode(body, &spec); err != nil {
		return nil, err
	}
	return c.Server.AddMachine(spec)
}

func removeMachine(c *Control, body []byte) (any, error) {
	var r where
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	return done{}, c.Server.Maker.Remove(context.Background(), r.Machine)
}

func power(c *Control, body []byte) (any, error) {
	var r struct {
		Machine string `json:"machine"`
		On      bool   `json:"on"`
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	return done{}, c.Server.Power(r.Machine, r.On)
}

// write writes into the disk of a machine, as what runs in it does. The bytes are given, or made of a seed.
func write(c *Control, body []byte) (any, error) {
	var r struct {
		where
		Offset int64  `json:"offset"`
		Data   []byte `json:"data"` // base64
		Length int64  `json:"length"`
		Seed   *int64 `json:"seed"` // without it, length bytes of zeros
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	d, err := c.disk(r.where)
	if err != nil {
		return nil, err
	}
	random := (*rand.Rand)(nil)
	if r.Seed != nil {
		random = rand.New(rand.NewSource(*r.Seed))
	}
	if r.Data != nil {
		_, err = d.Disk.WriteAt(r.Data, r.Offset)
		return done{}, err
	}
	for piece := int64(0); r.Length > 0; r.Length -= piece {
		if piece = 1 << 20; piece > r.Length {
			piece = r.Length
		}
		data := make([]byte, piece)
		if random != nil {
			random.Read(data)
		}
		if _, err := d.Disk.WriteAt(data, r.Offset); err != nil {
			return nil, err
		}
		r.Offset += piece
	}
	return done{}, nil
}

func grow(c *Control, body []byte) (any, error) {
	var r struct {
		where
		Bytes int64 `json:"bytes"`
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	return done{}, c.Server.Maker.Grow(r.Machine, r.Key, r.Bytes)
}

func lock(c *Control, body []byte) (any, error) {
	var r struct {
		where
		Locked bool `json:"locked"`
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	d, err := c.disk(r.where)
	if err != nil {
		return nil, err
	}
	c.Server.Inventory.SetLocked(d, r.Locked)
	return done{}, nil
}

// resetTracking begins new epochs of change tracking, as after a crash of the host.
func resetTracking(c *Control, body []byte) (any, error) {
	var r where
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	m, err := c.machine(r.Machine)
	if err != nil {
		return nil, err
	}
	for _, d := range m.Disks {
		if r.Key == 0 || r.Key == d.Key {
			d.Disk.ResetTracking()
		}
	}
	return done{}, nil
}

// snapshot does to the snapshots of a machine what somebody else may do: it makes one, removes one, or goes back.
func snapshot(c *Control, body []byte) (any, error) {
	var r struct {
		Machine  string `json:"machine"`
		Create   string `json:"create"` // name
		Remove   string `json:"remove"` // reference
		RevertTo string `json:"revertTo"`
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	ref, err := c.Server.ChangeSnapshots(r.Machine, r.Create, r.Remove, r.RevertTo)
	return map[string]string{"ref": ref}, err
}

// frozen copies what a snapshot has frozen of a disk into a sparse file.
func frozen(c *Control, body []byte) (any, error) {
	var r struct {
		where
		Snapshot string `json:"snapshot"`
		File     string `json:"file"`
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	d, err := c.disk(r.where)
	if err != nil {
		return nil, err
	}
	m, _ := c.machine(r.Machine)
	link := c.Server.Inventory.FileOf(m, r.Snapshot, d)
	if link == nil {
		return nil, fmt.Errorf("snapshot %q has no file of the disk %d", r.Snapshot, r.Key)
	}
	return map[string]any{"changeId": link.Frozen.ChangeID(), "path": link.File}, copyOut(link.Frozen, r.File)
}

func copyOut(content disk.Content, file string) error {
	if file == "" {
		return nil
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(content.Capacity()); err != nil {
		return err
	}
	piece := make([]byte, disk.AllocationBytes)
	for _, area := range content.Allocated(0, content.Capacity()) {
		for at := area.Start; at < area.Start+area.Length; at += int64(len(piece)) {
			if rest := area.Start + area.Length - at; rest < int64(len(piece)) {
				piece = piece[:rest]
			}
			if _, err := content.ReadAt(piece, at); err != nil && err != io.EOF {
				return err
			}
			if _, err := out.WriteAt(piece, at); err != nil {
				return err
			}
			piece = piece[:cap(piece)]
		}
	}
	return nil
}

func fault(c *Control, body []byte) (any, error) {
	var f faults.Fault
	if err := decode(body, &f); err != nil {
		return nil, err
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	return map[string]int{"id": c.Faults.Arm(f)}, nil
}

func clear(c *Control, body []byte) (any, error) {
	var r struct {
		ID int `json:"id"`
	}
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	c.Faults.Clear(r.ID)
	return done{}, nil
}

func settings(c *Control, body []byte) (any, error) {
	if err := c.Faults.Change(body); err != nil {
		return nil, err
	}
	return c.Faults.Settings(), nil
}

// openCounters tell what is open now. They are not set back.
var openCounters = []string{"connectionsOpen", "disksOpen", "readsUnderWay"}

// state tells the counters, what is open, and all snapshots.
func state(c *Control, _ []byte) (any, error) {
	counters := c.Journal.Counters()
	counters["sessionsOpen"] = int64(len(c.Server.Sessions()))
	type shown struct {
		Machine   string   `json:"machine"`
		Name      string   `json:"name"`
		Running   bool     `json:"running"`
		Snapshots []string `json:"snapshots"`
	}
	all := []shown{}
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		simulator.Map.WithLock(simulator.SpoofContext(), vm, func() {
			one := shown{
				vm.Self.Value, vm.Name, vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn, []string{},
			}
			if vm.Snapshot != nil {
				one.Snapshots = vim.SnapshotNames(vm.Snapshot.RootSnapshotList)
			}
			all = append(all, one)
		})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Machine < all[j].Machine })
	return map[string]any{"counters": counters, "machines": all, "faults": c.Faults.Armed()}, nil
}
